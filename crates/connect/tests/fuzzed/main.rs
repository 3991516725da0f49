//! The fuzz targets on their seeds and on changes of these that chance makes: what takes an hour
//! in `cargo xtask fuzz` is begun here.

#![expect(
    clippy::panic,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use std::path::Path;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

#[path = "../../../../fuzz/src/entries.rs"]
mod entries;
#[path = "../../../../fuzz/src/seeds.rs"]
mod seeds;

/// Changes of the seeds of each target.
const CHANGES: u32 = 3_000;

/// A target and what it begins with.
struct Begun {
    entry: fn(&[u8]),
    seeds: Vec<Vec<u8>>,
}

fn target(name: &str) -> Begun {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = entries::TARGETS.iter().find(|(target, _)| *target == name);
    let (_, entry) = found.unwrap_or_else(|| panic!("no target {name}"));
    let seeds = seeds::of(name, &root);
    assert!(seeds.len() >= 8, "{name}: {} seeds", seeds.len());
    assert!(seeds.iter().all(|seed| !seed.is_empty() || name == "expression"), "{name}");
    Begun { entry: *entry, seeds }
}

/// What chance does to a text.
#[derive(Clone, Debug)]
enum Change {
    /// Another byte.
    Byte(u8),
    /// A piece that is left out.
    Cut(usize),
    /// A piece that comes twice.
    Twice(usize),
    /// Something that means something to one of the targets.
    Word(&'static str),
    /// A piece of another seed.
    Other(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let words = [
        "{{",
        "}}",
        "|",
        "null",
        "true",
        "-1",
        "1e999",
        "\"",
        "'",
        "\\",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "\u{0}",
        "\u{202e}",
        "💩",
        "9223372036854775807",
        "|tojson",
        "[0]",
        ".a",
        "**",
        "*",
        "\"steps\": []",
        "\"type\": \"set\"",
        "\"when\": \"1\"",
        "steps.",
        "trigger.",
        "*/0",
        "L",
        "#6",
        "@yearly",
        "every 0s",
        "%00",
        "v1,",
        ": ",
        "x-sig:",
        "=",
    ];
    prop_oneof![
        4 => any::<u8>().prop_map(Change::Byte),
        2 => (1..40_usize).prop_map(Change::Cut),
        2 => (1..40_usize).prop_map(Change::Twice),
        4 => prop::sample::select(words.to_vec()).prop_map(Change::Word),
        1 => (any::<prop::sample::Index>(), 1..60_usize).prop_map(|(of, n)| Change::Other(of, n)),
    ]
}

fn apply(text: &mut Vec<u8>, at: usize, change: &Change, seeds: &[Vec<u8>]) {
    let at = at.min(text.len());
    let piece = |length: usize| at..(at + length).min(text.len());
    match change {
        Change::Byte(byte) => match text.get_mut(at) {
            Some(old) => *old = *byte,
            None => text.push(*byte),
        },
        Change::Cut(length) => drop(text.drain(piece(*length))),
        Change::Twice(length) => {
            let twice = text[piece(*length)].to_vec();
            text.splice(at..at, twice);
        }
        Change::Word(word) => drop(text.splice(at..at, word.bytes())),
        Change::Other(of, length) => {
            let other = of.get(seeds).iter().copied().take(*length).collect::<Vec<u8>>();
            text.splice(at..at, other);
        }
    }
}

fn changed(name: &str) {
    let Begun { entry, seeds } = target(name);
    for seed in &seeds {
        entry(seed);
    }
    let places = prop::collection::vec((any::<prop::sample::Index>(), change()), 1..5);
    let strategy = (any::<prop::sample::Index>(), places);
    let config = Config { cases: CHANGES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&strategy, |(seed, changes)| {
        let mut text = seed.get(&seeds).clone();
        for (at, change) in &changes {
            let place = at.index(text.len() + 1);
            apply(&mut text, place, change, &seeds);
        }
        entry(&text);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn definitions_of_any_kind_are_read_or_refused() {
    changed("definition");
}

#[test]
fn expressions_of_any_kind_are_evaluated_or_refused() {
    changed("expression");
}

#[test]
fn schedules_of_any_kind_are_read_or_refused() {
    changed("schedule");
}

#[test]
fn deliveries_that_nobody_signed_are_refused() {
    changed("signature");
}

#[test]
fn texts_of_manifests_of_any_kind_are_evaluated_or_refused() {
    changed("template");
}
