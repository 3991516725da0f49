//! `connectus openapi`.

use std::process::ExitCode;

use connectus_core::{Error, Result};

use crate::http::router;

pub fn run() -> Result<ExitCode> {
    println!("{}", router::document().to_pretty_json().map_err(Error::internal)?);
    Ok(ExitCode::SUCCESS)
}
