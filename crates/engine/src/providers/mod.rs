//! Providers by name: those that come with Connectus, and those that people bring.
//!
//! - [`find`] is the provider that a tenant means by a name, compiled once for each content.
//! - `bring` takes in a manifest, a pack or an OpenAPI document, as a version that never changes;
//!   `remove` lets it go.
//! - `read` compiles what was brought.
//!
//! An integration follows the newest version unless it names one: whoever publishes a version wants
//! it used, and one integration can be left behind on purpose.

mod bring;
mod read;
mod remove;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use connectus_connect::{Plan, packs};
use connectus_core::{Code, Error, Result, TenantCtx, integration::Integration};
use connectus_store::{
    Conn,
    provider_versions::{ProviderSource, ProviderVersion},
    providers::Provider,
};

pub use bring::{Brought, NewProvider, bring};
pub use read::Format;
pub use remove::remove;

/// Compiled providers kept; beyond it all are forgotten and compiled again as needed.
const KEPT: usize = 64;

/// By the digest of what they were made from, so that what is found is never another's.
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Plan>>>> = LazyLock::new(Mutex::default);

/// The provider that a tenant means by a name, in a version or the newest.
///
/// # Errors
/// `not_found`, also for what another tenant brought.
pub async fn find(
    conn: &mut Conn,
    ctx: &TenantCtx,
    name: &str,
    version: Option<u64>,
) -> Result<Arc<Plan>> {
    if let Ok(plan) = packs::find(name) {
        return Ok(plan);
    }
    let found = conn.brought_provider(ctx, name, version).await?;
    compiled(conn, ctx, &found.ok_or_else(|| Error::not_found("provider"))?).await
}

/// The provider of an integration.
///
/// # Errors
/// As [`find`].
pub async fn of(conn: &mut Conn, ctx: &TenantCtx, of: &Integration) -> Result<Arc<Plan>> {
    find(conn, ctx, &of.provider, of.provider_version).await
}

/// The provider a request names.
///
/// # Errors
/// `invalid`, saying where the names are.
pub(crate) async fn named(
    conn: &mut Conn,
    ctx: &TenantCtx,
    name: &str,
    version: Option<u64>,
) -> Result<Arc<Plan>> {
    if version.is_some() && packs::find(name).is_ok() {
        let message = "cannot be chosen for a provider that comes with Connectus.";
        return Err(Error::invalid("provider_version", message));
    }
    let found = find(conn, ctx, name, version).await;
    found.map_err(|error| match (error.code, version) {
        (Code::NotFound, Some(_)) => Error::invalid(
            "provider_version",
            "is no version of it; GET /api/v1/providers/{id}/versions lists them.",
        ),
        (Code::NotFound, None) => Error::invalid(
            "provider",
            "is not a known provider; GET /api/v1/providers lists them by name.",
        ),
        _ => error,
    })
}

async fn compiled(conn: &mut Conn, ctx: &TenantCtx, of: &ProviderVersion) -> Result<Arc<Plan>> {
    let kept = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(plan) = kept().get(&of.digest) {
        return Ok(plan.clone());
    }
    let source = conn.provider_source(ctx, of).await?;
    let ProviderSource { text, files } = source.ok_or_else(|| Error::not_found("provider"))?;
    let about = read::About::stored(of)?;
    let (plan, _) = read::compile(&about, &text, files)?;
    let plan = Arc::new(plan);
    let mut all = kept();
    if all.len() >= KEPT {
        all.clear();
    }
    all.insert(of.digest.clone(), plan.clone());
    Ok(plan)
}

/// A provider as listings show it, and where it came from.
#[derive(Clone, Debug)]
pub struct Listed {
    /// As every provider is shown.
    pub provider: Provider,
    /// The newest version, of one that was brought.
    pub brought: Option<ProviderVersion>,
}

/// All providers a tenant can use, by display name.
///
/// # Errors
/// What the database says.
pub async fn list(conn: &mut Conn, ctx: &TenantCtx, category: Option<&str>) -> Result<Vec<Listed>> {
    let built_in = conn.providers(category).await?;
    let mut all: Vec<Listed> =
        built_in.into_iter().map(|provider| Listed { provider, brought: None }).collect();
    let brought = conn.brought_providers(ctx).await?;
    let wanted = brought.into_iter().filter(|one| category.is_none_or(|c| one.category == c));
    all.extend(wanted.filter(|one| packs::find(&one.name).is_err()).map(listed));
    all.sort_by(|a, b| {
        let key = |one: &Listed| (one.provider.display_name.clone(), one.provider.name.clone());
        key(a).cmp(&key(b))
    });
    Ok(all)
}

/// A provider by its name.
///
/// # Errors
/// `not_found`.
pub async fn get(conn: &mut Conn, ctx: &TenantCtx, name: &str) -> Result<Listed> {
    if let Some(provider) = conn.provider(name).await? {
        return Ok(Listed { provider, brought: None });
    }
    let found = conn.brought_provider(ctx, name, None).await?;
    found.map(listed).ok_or_else(|| Error::not_found("provider"))
}

fn listed(version: ProviderVersion) -> Listed {
    let provider = Provider {
        name: version.name.clone(),
        display_name: version.display_name.clone(),
        category: version.category.clone(),
        auth_type: version.auth_type.clone(),
        pack_hash: version.digest.clone(),
        view: version.view.clone(),
        capabilities: version.capabilities.clone(),
        created_at: version.created_at,
        updated_at: version.created_at,
    };
    Listed { provider, brought: Some(version) }
}
