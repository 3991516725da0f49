//! `connectus doctor`: what is configured, what works, what stands in for what is not there.

use std::process::ExitCode;

use connectus_core::{Env, Error, Page, Result};
use connectus_store::Store;
use serde::Serialize;

use super::{Global, output};
use crate::{
    auth::admin,
    config::Config,
    process::{DataDir, lock, master_key, open, readiness::free_mb},
};

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Ok,
    /// Works, and the operator should know.
    Note,
    /// Connectus cannot work like this.
    Problem,
}

/// Large values of each tenant that are looked for.
const LOOKED_AT: u32 = 20;
/// And of all tenants together.
const MOST_LOOKED_AT: usize = 200;

#[derive(Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    detail: String,
}

/// Settings that this version reads and does not use.
const UNUSED: &[&str] = &[
    "redis.url",
    "celery.broker_url",
    "celery.result_backend",
    "ai.openai_api_key",
    "ai.deepseek_api_key",
    "ai.kimi_api_key",
    "ai.tavily_api_key",
    "ai.logoai_api_key",
    "digitalcloud360.api_url",
    "digitalcloud360.webhook_url",
    "briefs.timeout_status",
    "briefs.retention_days",
    "briefs.logo_cdn_base",
    "briefs.retain_provider_raw",
];

pub async fn run(json: bool, global: Global) -> Result<ExitCode> {
    let env = connectus_store::system::env();
    // Without a configuration there is nothing to examine: its error says what to correct.
    let config = global.load(&[])?;
    let mut found = vec![finding("configuration", State::Ok, "read")];
    found.extend(config.remarks.iter().map(|remark| finding("configuration", State::Note, remark)));
    examine(&config, &env, &mut found).await;
    settings(&config, &mut found);
    if let Err(error) = config.settings.queues.limits() {
        found.push(finding("queues", State::Problem, error.detail));
    }
    let text: Vec<String> = found.iter().map(line).collect();
    output::show(json, &found, &text.join("\n"))?;
    let broken = found.iter().any(|finding| finding.state == State::Problem);
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Looks at the data directory without making one.
async fn examine(config: &Config, env: &Env, found: &mut Vec<Finding>) {
    let place = config.data_dir.display();
    if !config.data_dir.exists() {
        let detail = format!("{place} does not exist yet; the first start makes it");
        found.push(finding("data directory", State::Note, detail));
        return;
    }
    let dir = match DataDir::create(&config.data_dir) {
        Ok(dir) => dir,
        Err(error) => return found.push(finding("data directory", State::Problem, error.detail)),
    };
    found.push(finding("data directory", State::Ok, format!("{place}")));
    if let Some(free) = free_mb(dir.path()) {
        let least = config.settings.data.min_free_mb;
        let state = if free < least { State::Problem } else { State::Ok };
        found.push(finding("disk", state, format!("{free} MB free, {least} needed")));
    }
    let key = master_key::describe(&config.settings.keys, &dir);
    found.push(finding("master key", State::Ok, key));
    found.push(match lock::holder(&dir) {
        None => finding("server", State::Note, "not running on this data directory"),
        Some(holder) => {
            let at = holder.address.unwrap_or_else(|| "without an address".to_owned());
            let detail = format!("`connectus {}`, process {}, {at}", holder.command, holder.pid);
            finding("server", State::Ok, detail)
        }
    });
    if config.settings.data.database_url.is_none() && !dir.database().exists() {
        found.push(finding("database", State::Note, "none yet; the first start makes it"));
        return;
    }
    match open(config, env).await {
        Ok(opened) => {
            let kind = opened.store.kind();
            found.push(finding(
                "database",
                State::Ok,
                format!("{kind}, opens with the master key"),
            ));
            found.push(
                blobs(&opened.store)
                    .await
                    .unwrap_or_else(|error| finding("large values", State::Problem, error.detail)),
            );
            let problem = |error: Error| finding("tenants", State::Problem, error.detail);
            found.push(people(&opened.store).await.unwrap_or_else(problem));
            opened.store.close().await;
        }
        Err(error) => {
            let cause = error.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
            found.push(finding("database", State::Problem, format!("{}{cause}", error.detail)));
        }
    }
}

/// Large values of runs: how many there are, and whether the newest ones are where they should be.
async fn blobs(store: &Store) -> Result<Finding> {
    let mut conn = store.read().await?;
    let totals = conn.blob_totals().await?;
    let mut newest = Vec::new();
    for tenant in conn.tenants().await? {
        let blobs = conn.newest_blobs(&tenant.id, LOOKED_AT).await?;
        newest.extend(blobs.into_iter().map(|blob| (tenant.id.clone(), blob)));
    }
    drop(conn);
    newest.truncate(MOST_LOOKED_AT);
    let mut missing = 0;
    for (tenant, blob) in &newest {
        missing += u32::from(!store.blobs().has(tenant, blob).await?);
    }
    let folder = store.blobs().folder().map(|folder| folder.display().to_string());
    let place = folder.unwrap_or_else(|| "memory".to_owned());
    if missing > 0 {
        let detail = format!(
            "{missing} of the newest {} are missing in {place}: restore that folder from a backup, \
             or set data.blobs to where they are",
            newest.len()
        );
        return Ok(finding("large values", State::Problem, detail));
    }
    let detail = format!("{}, {} bytes, in {place}", totals.blobs, totals.bytes);
    Ok(finding("large values", State::Ok, detail))
}

/// Who can get in. A sandbox's owner is invented and an API key is nobody's login: both are ways
/// in, and neither makes the installation somebody's own.
async fn people(store: &Store) -> Result<Finding> {
    let mut conn = store.read().await?;
    let tenants = conn.tenants().await?;
    let number = tenants.len();
    if conn.has_users().await? {
        return Ok(finding("tenants", State::Ok, format!("{number}")));
    }
    let first = Page { limit: Page::MAX_LIMIT, offset: 0 };
    let now = store.env().now();
    let (mut sandbox, mut keys) = (false, false);
    for tenant in &tenants {
        let ctx = admin::operator(store, tenant.id.as_str()).await?;
        sandbox |= tenant.sandbox && conn.users(&ctx, first).await?.total_count > 0;
        keys |=
            !tenant.sandbox
                && conn.api_keys(&ctx, first).await?.items.iter().any(|key| {
                    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| end > now)
                });
    }
    let ways = match (sandbox, keys) {
        (false, false) => "nobody can sign in yet",
        (true, false) => "`connectus serve --demo` prints the sandbox's login",
        (false, true) => "API keys get in, nobody can sign in yet",
        (true, true) => {
            "`connectus serve --demo` prints the sandbox's login; other API keys get in"
        }
    };
    let detail = format!("{number}; {ways}; for a login of your own: `connectus serve`");
    Ok(finding("tenants", State::Note, detail))
}

/// What the settings mean: stand-ins, risks, and what is not used.
fn settings(config: &Config, found: &mut Vec<Finding>) {
    let settings = &config.settings;
    let (data, stand_in) = match settings.data.database_url {
        Some(_) => ("PostgreSQL", "set by data.database_url"),
        None => ("SQLite", "the embedded database; set data.database_url to use PostgreSQL"),
    };
    found.push(finding("data store", State::Ok, format!("{data}: {stand_in}")));
    found.push(finding("execution", State::Ok, "the embedded engine, in this process"));
    let address = settings.server.listen;
    let public = settings.server.public_url.as_ref();
    if !address.ip().is_loopback() && public.is_none_or(|url| url.scheme() != "https") {
        let detail = format!(
            "{address} is open to other machines without TLS: put a TLS proxy in front and set \
             server.public_url to its https address"
        );
        found.push(finding("listen address", State::Note, detail));
    }
    if settings.data.database_url.is_some() && settings.data.blobs.is_none() {
        let detail = "are in this machine's data directory: with processes on several machines, \
                      set data.blobs to a folder they share";
        found.push(finding("large values", State::Note, detail));
    }
    if public.is_none() {
        let detail = "not set: providers outside this machine cannot deliver webhooks";
        found.push(finding("public address", State::Note, detail));
    }
    if settings.egress.allow_insecure_http {
        let detail = "allowed: credentials may travel readable (egress.allow_insecure_http)";
        found.push(finding("plain http", State::Note, detail));
    }
    let unused: Vec<&str> = UNUSED.iter().copied().filter(|path| config.is_set(path)).collect();
    if !unused.is_empty() {
        let detail = format!("{} set and not used by this version", unused.join(", "));
        found.push(finding("settings", State::Note, detail));
    }
}

fn finding(what: &'static str, state: State, detail: impl Into<String>) -> Finding {
    Finding { what, state, detail: detail.into() }
}

fn line(finding: &Finding) -> String {
    let mark = match finding.state {
        State::Ok => "ok     ",
        State::Note => "note   ",
        State::Problem => "PROBLEM",
    };
    format!("{mark}  {:<15} {}", finding.what, finding.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unused_settings_exist() {
        for path in UNUSED {
            assert!(crate::config::manual::settings().contains_key(*path), "{path}");
        }
    }
}
