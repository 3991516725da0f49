//! `connectus openapi`.

use std::process::ExitCode;

use connectus_core::{Error, Result};

use super::output;
use crate::http::router;

pub fn run() -> Result<ExitCode> {
    output::say(&router::document().to_pretty_json().map_err(Error::internal)?)?;
    Ok(ExitCode::SUCCESS)
}
