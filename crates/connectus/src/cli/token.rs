//! `connectus token`.

use std::process::ExitCode;

use clap::Subcommand;
use connectus_core::{Error, Result, access::Role};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Global, output, role};
use crate::auth::admin;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an API key. It is shown this one time.
    Create {
        /// The tenant, by identifier or name.
        #[arg(long, short)]
        tenant: String,
        /// owner, admin, editor, operator or viewer.
        #[arg(long, value_parser = role)]
        role: Role,
        /// The person it acts for, by identifier or address.
        #[arg(long)]
        user: Option<String>,
        /// What it is for.
        #[arg(long, default_value = "command line")]
        name: String,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke an API key.
    Revoke {
        /// The tenant, by identifier or name.
        #[arg(long, short)]
        tenant: String,
        /// The key's identifier.
        key: String,
    },
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    let (_, opened) = global.open().await?;
    let store = &opened.store;
    match command {
        Command::Create { tenant, role, user, name, json } => {
            let made = admin::create_token(store, &tenant, role, user.as_deref(), &name).await;
            let (key, secret) = made?;
            let mut answer = serde_json::to_value(&key).map_err(Error::internal)?;
            let token = secret.expose_secret();
            if let Some(object) = answer.as_object_mut() {
                object.insert("token".into(), json!(token));
            }
            let text =
                format!("{token}\nKeep it: it is not shown again. Use it as a bearer token.");
            output::show(json, &answer, &text)?;
        }
        Command::Revoke { tenant, key } => {
            admin::revoke_token(store, &tenant, &key).await?;
            output::say(&format!("API key {key} is revoked."))?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
