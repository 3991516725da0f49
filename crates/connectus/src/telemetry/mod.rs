//! What a process tells about itself: log lines and figures.

mod events;
mod fields;
mod log;
pub mod metrics;
pub mod requests;

pub use events::follow;
pub use log::init;
