//! What is fuzzed, and what fuzzing begins with. The tests of `connect` take in the same two files.

pub mod entries;
