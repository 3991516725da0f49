//! Airbyte's declarative manifests, run as they are.

pub mod interpolation;
