//! The process itself: health, readiness, metrics, documentation.

pub mod health;
