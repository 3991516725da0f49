//! `connectus openapi`.

use std::process::ExitCode;

use connectus_core::{Error, Result};

use super::output;
use crate::http::router;

pub fn run() -> Result<ExitCode> {
    // By way of a value, whose members are sorted: the document is committed and compared.
    let document = serde_json::to_value(router::document()).map_err(Error::internal)?;
    output::say(&serde_json::to_string_pretty(&document).map_err(Error::internal)?)?;
    Ok(ExitCode::SUCCESS)
}
