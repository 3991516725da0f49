//! `connectus tenant`.

use std::process::ExitCode;

use clap::Subcommand;
use connectus_core::{Result, queue::Weight};
use connectus_store::tenants::Tenant;

use super::{Global, output};
use crate::auth::{
    admin,
    tenancy::{NewTenant, TenantChange},
};

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
    /// Change what is the operator's to say about a tenant.
    Update {
        /// The tenant, by identifier or name.
        tenant: String,
        /// trial, basic, pro or enterprise.
        #[arg(long, required_unless_present = "weight")]
        plan: Option<String>,
        /// Turns that its runs get where those of another tenant get one: 1 to 100.
        #[arg(long)]
        weight: Option<u32>,
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
        Command::Update { tenant, plan, weight, json } => {
            let weight = weight.map(Weight::new).transpose()?;
            let change = TenantChange { plan, weight, ..TenantChange::default() };
            let tenant = admin::update_tenant(store, &tenant, change).await?;
            let Tenant { name, plan, weight, .. } = &tenant;
            let text = format!("Tenant {name} is on the plan {plan}, weight {}.", weight.get());
            output::show(json, &tenant, &text)?;
        }
        Command::List { json } => {
            let tenants = store.read().await?.tenants().await?;
            let rows = tenants.iter().map(|tenant| {
                let kind = if tenant.sandbox { "sandbox" } else { tenant.plan.as_str() };
                let (id, weight) = (tenant.id.to_string(), tenant.weight.get().to_string());
                [id, kind.to_owned(), tenant.status.clone(), weight, tenant.name.clone()]
            });
            let text = output::table(["tenant", "plan", "status", "weight", "name"], rows);
            output::show(json, &tenants, &text)?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
