//! The test harness: a simulated clock, seeded entropy, and every store test on both databases.

pub mod both;
pub mod postgres;
pub mod sim;
pub mod store;

pub use sim::{SimClock, SimEnv};
pub use store::TestStore;
