//! The machine, driven by hand and by chance.

mod control;
mod coverage;
mod driver;
mod errors;
mod histories;
mod history;
mod journal;
mod policies;
mod saga;
mod signals;
mod snapshot;
