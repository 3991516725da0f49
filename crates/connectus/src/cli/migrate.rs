//! `connectus migrate`.

use std::process::ExitCode;

use connectus_core::Result;

use super::{Global, output};
use crate::process;

pub async fn run(global: Global) -> Result<ExitCode> {
    let config = global.load(&[])?;
    let opened = process::open(&config, &connectus_store::system::env()).await?;
    output::say(&format!("The {} schema is up to date.", opened.store.kind()))?;
    opened.store.close().await;
    Ok(ExitCode::SUCCESS)
}
