//! Requests: what goes into them, how they are sent, what their answers mean.

mod backoff;
mod budget;
mod errors;
mod options;
mod requester;
mod wire;

pub use budget::Budget;
pub use errors::headers_of;
pub use options::{Options, Slot, strings};
pub use requester::{Ask, Outcome, Requester, Site, token_value};
pub use wire::{Answer, Draft, Wire};
