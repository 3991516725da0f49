//! What a process tells about itself: log lines and figures.

mod fields;
mod log;
pub mod metrics;

pub use log::init;
