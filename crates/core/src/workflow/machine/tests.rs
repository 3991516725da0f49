//! The machine, driven by hand and by chance.

mod control;
mod driver;
mod errors;
mod history;
mod journal;
mod saga;
mod signals;
mod snapshot;
