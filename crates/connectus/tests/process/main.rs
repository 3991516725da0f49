//! Tests of the binary itself: what it prints, how it starts and stops, what it refuses.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

mod api;
mod connectus;
mod demo;
mod events;
mod full_disk;
mod notifications;
mod operator;
mod runs;
mod start;
mod takeover;
mod workflow_tests;
mod workflows;
