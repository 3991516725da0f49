//! `cargo xtask sim`: plays worlds made up by seeds, more of them than the tests do.

use clap::Args;

use crate::command::{self, Outcome};

/// Read by the tests of `crates/engine/tests/simulation/seeds.rs`.
const FIRST: &str = "CONNECTUS_SIM_FIRST";
const SEEDS: &str = "CONNECTUS_SIM_SEEDS";

/// Which seeds.
#[derive(Args)]
pub struct Sim {
    /// How many.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 200)]
    first: u64,
}

/// Plays them; a seed that ends badly is named.
pub fn run(sim: &Sim) -> Outcome {
    let mut tests = command::cargo();
    tests
        .args(["test", "--workspace", "--test", "simulation", "--locked"])
        .args(["--", "seeds::", "--nocapture"])
        .env(FIRST, sim.first.to_string())
        .env(SEEDS, sim.seeds.to_string());
    command::run(&mut tests)
}
