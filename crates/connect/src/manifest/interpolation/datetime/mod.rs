//! Dates as manifests mean them: Python's `strptime` and `strftime`, with the formats of their own
//! that cursors use, ISO 8601 points in time and ISO 8601 durations.

mod format;
mod iso;
mod moment;
mod span;
mod strftime;
mod strptime;

pub use self::{format::DatetimeFormat, moment::Moment, span::Span};
pub(super) use self::{iso::parse as parse_iso, moment::Zone, strptime::strptime};

#[cfg(test)]
mod tests;
