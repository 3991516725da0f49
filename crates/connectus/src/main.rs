//! The `connectus` command.

fn main() {}
