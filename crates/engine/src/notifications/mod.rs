//! People are told of what went wrong: by e-mail, in Slack, by webhook.
//!
//! - [`rules`] is what people do with rules: of which events they are told, and how.
//! - [`gather`] is a handler of events. It makes notifications of those that rules cover; a storm
//!   becomes one notification with a count.
//! - [`send`] hands over what is due, under the same identity at each attempt.

pub(crate) mod gather;
pub mod rules;
pub(crate) mod send;
