//! Worlds made up by seeds. `cargo xtask sim` plays more of them.

use crate::play::play_all;

/// The first seed and how many there are, when others are wanted than the usual ones.
const FIRST: &str = "CONNECTUS_SIM_FIRST";
const SEEDS: &str = "CONNECTUS_SIM_SEEDS";
/// Seeds that are played every time.
const USUAL: u64 = 200;
/// Tests that share them.
const PARTS: u64 = 4;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Plays one part of the seeds.
fn part(index: u64) {
    let (first, count) = (number(FIRST, 0), number(SEEDS, USUAL));
    let edge = |index: u64| first + count * index / PARTS;
    play_all(edge(index)..edge(index + 1));
}

#[test]
fn first_quarter() {
    part(0);
}

#[test]
fn second_quarter() {
    part(1);
}

#[test]
fn third_quarter() {
    part(2);
}

#[test]
fn last_quarter() {
    part(3);
}
