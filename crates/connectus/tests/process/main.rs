//! Tests of the binary itself: what it prints, how it starts and stops, what it refuses.

mod connectus;
mod demo;
mod operator;
mod start;
