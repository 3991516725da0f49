//! `connectus tenant`.

use std::process::ExitCode;

use clap::Subcommand;
use connectus_core::Result;

use super::{Global, output};
use crate::auth::{admin, tenancy::NewTenant};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a tenant.
    Create {
        /// Display name.
        name: String,
        /// trial, basic, pro or enterprise.
        #[arg(long)]
        plan: Option<String>,
        /// IANA time zone of its schedules.
        #[arg(long, default_value = "UTC")]
        timezone: String,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// List tenants.
    List {
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let store = &opened.store;
    match command {
        Command::Create { name, plan, timezone, json } => {
            let plan =
                plan.unwrap_or_else(|| config.settings.briefs.plan_default.name().to_owned());
            let new = NewTenant { plan, timezone, ..NewTenant::named(name) };
            let tenant = admin::create_tenant(store, new).await?;
            let text = format!("Tenant {} is {}.", tenant.name, tenant.id);
            output::show(json, &tenant, &text)?;
        }
        Command::List { json } => {
            let tenants = store.read().await?.tenants().await?;
            let rows = tenants.iter().map(|tenant| {
                let kind = if tenant.sandbox { "sandbox" } else { tenant.plan.as_str() };
                [tenant.id.to_string(), kind.to_owned(), tenant.status.clone(), tenant.name.clone()]
            });
            let text = output::table(["tenant", "plan", "status", "name"], rows);
            output::show(json, &tenants, &text)?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
