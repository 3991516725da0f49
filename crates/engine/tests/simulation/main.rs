//! Whole processes on simulated time, with faults at named points: what is acknowledged is neither
//! lost nor done twice.
//!
//! A process is a runtime of one thread on a store of its own. Its time moves only when it has
//! nothing to do; the providers are functions. So the same seed brings the same events in the same
//! order. It dies by never coming back from a point, with everything it had in memory.

#![cfg(test)]

mod cases;
mod clock;
mod generate;
mod play;
mod points;
mod poison;
mod sagas;
mod script;
mod seeds;
mod steps;
mod tour;
mod verdict;
mod world;
