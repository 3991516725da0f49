//! `connectus audit`.

use std::process::ExitCode;

use clap::Subcommand;
use connectus_core::{Result, TenantId, audit};
use serde::Serialize;

use super::{Global, output};
use crate::auth::admin;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the hash chains: whether a record was changed, removed or moved.
    Verify {
        /// One tenant, by identifier or name; all without it.
        #[arg(long, short)]
        tenant: Option<String>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What was found about one chain.
#[derive(Serialize)]
struct Found {
    tenant: TenantId,
    intact: bool,
    records: Option<u64>,
    head: Option<audit::Head>,
    broken: Option<audit::Break>,
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    let Command::Verify { tenant, json } = command;
    let (_, opened) = global.open().await?;
    let store = &opened.store;
    let tenants: Vec<String> = match tenant {
        Some(one) => vec![one],
        None => {
            let all = store.read().await?.tenants().await?;
            all.into_iter().map(|tenant| tenant.id.to_string()).collect()
        }
    };
    let mut found = Vec::new();
    for tenant in tenants {
        let ctx = admin::operator(store, &tenant).await?;
        let verified = store.read().await?.verify_audit(&ctx).await?;
        let tenant = ctx.tenant().clone();
        found.push(match verified {
            Ok(audit::Verified { records, head }) => Found {
                tenant,
                intact: true,
                records: Some(records),
                head: Some(head),
                broken: None,
            },
            Err(broken) => {
                let broken = Some(broken);
                Found { tenant, intact: false, records: None, head: None, broken }
            }
        });
    }
    let text: Vec<String> = found.iter().map(describe).collect();
    output::show(json, &found, &text.join("\n"))?;
    store.close().await;
    let intact = found.iter().all(|found| found.intact);
    Ok(if intact { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(found: &Found) -> String {
    let Found { tenant, records, broken, .. } = found;
    match broken {
        Some(broken) => format!("{tenant}: BROKEN: {broken}"),
        None => format!("{tenant}: intact, {} records", records.unwrap_or_default()),
    }
}
