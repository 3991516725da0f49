//! Making and changing tenants.

use connectus_core::{Error, Result, TenantCtx, event::EventType, queue::Weight};
use connectus_store::{Store, Tx, tenants::Tenant};
use serde_json::json;

/// Plans, from least to most.
pub const PLANS: [&str; 4] = ["trial", "basic", "pro", "enterprise"];
/// Longest name, in characters.
const MAX_NAME_CHARS: usize = 200;

/// A tenant to make.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Display name.
    pub name: String,
    /// One of [`PLANS`].
    pub plan: String,
    /// IANA time zone of its schedules.
    pub timezone: String,
    /// Whether its providers are the built-in fakes.
    pub sandbox: bool,
}

impl NewTenant {
    /// An ordinary tenant on the first plan, in UTC.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), plan: "trial".into(), timezone: "UTC".into(), sandbox: false }
    }
}

/// What to change about a tenant. Plan, status and weight are the operator's, not the
/// tenant's own.
#[derive(Clone, Debug, Default)]
pub struct TenantChange {
    /// Display name.
    pub name: Option<String>,
    /// IANA time zone of its schedules.
    pub timezone: Option<String>,
    /// One of [`PLANS`].
    pub plan: Option<String>,
    /// Whether its people and keys may act.
    pub active: Option<bool>,
    /// Turns that its runs get where those of another tenant get one.
    pub weight: Option<Weight>,
}

/// Makes a tenant with its data key.
///
/// # Errors
/// `invalid` for a bad name, plan or time zone.
pub async fn create(store: &Store, new: NewTenant) -> Result<Tenant> {
    check(&new)?;
    let sealer = store.sealer().clone();
    store.write(move |tx| Box::pin(async move { insert(tx, &new, &sealer).await })).await
}

pub(super) async fn insert(
    tx: &mut Tx,
    new: &NewTenant,
    sealer: &connectus_store::seal::Sealer,
) -> Result<Tenant> {
    let now = tx.env().now();
    let tenant = Tenant {
        id: tx.env().id(),
        name: new.name.trim().to_owned(),
        plan: new.plan.clone(),
        status: "active".to_owned(),
        timezone: new.timezone.clone(),
        sandbox: new.sandbox,
        weight: Weight::default(),
        created_at: now,
        updated_at: now,
    };
    tx.insert_tenant(&tenant, sealer).await?;
    let ctx = TenantCtx::system(tenant.id.clone());
    let detail = json!({"name": tenant.name, "plan": tenant.plan, "sandbox": tenant.sandbox});
    tx.happened(&ctx, EventType::TenantCreated, tenant.id.as_str(), detail).await?;
    Ok(tenant)
}

/// Changes a tenant. `guard` sees the current state and may refuse.
///
/// # Errors
/// `invalid` for a bad name, plan or time zone; what `guard` says.
pub async fn update(
    store: &Store,
    ctx: TenantCtx,
    change: TenantChange,
    guard: impl FnOnce(&Tenant) -> Result<()> + Send + 'static,
) -> Result<Tenant> {
    store.write(move |tx| Box::pin(async move { apply(tx, &ctx, change, guard).await })).await
}

async fn apply(
    tx: &mut Tx,
    ctx: &TenantCtx,
    change: TenantChange,
    guard: impl FnOnce(&Tenant) -> Result<()>,
) -> Result<Tenant> {
    tx.lock_tenant(ctx).await?;
    let tenant = tx.tenant(ctx.tenant()).await?;
    let mut tenant = tenant.ok_or_else(|| Error::not_found("tenant"))?;
    guard(&tenant)?;
    if let Some(name) = change.name {
        name.trim().clone_into(&mut tenant.name);
    }
    tenant.timezone = change.timezone.unwrap_or(tenant.timezone);
    tenant.plan = change.plan.unwrap_or(tenant.plan);
    if let Some(active) = change.active {
        tenant.status = if active { "active" } else { "suspended" }.to_owned();
    }
    if let Some(weight) = change.weight {
        tenant.weight = weight;
        // Those who give out places look at weights when they look at all.
        tx.wake_engine();
    }
    check_parts(&tenant.name, &tenant.plan, &tenant.timezone)?;
    // The time of change is the version: it must move even within one microsecond.
    tenant.updated_at.0 = tx.env().now().0.max(tenant.updated_at.0 + 1);
    tx.update_tenant(ctx, &tenant).await?;
    let detail = json!({
        "name": tenant.name, "plan": tenant.plan, "timezone": tenant.timezone,
        "status": tenant.status, "weight": tenant.weight,
    });
    tx.happened(ctx, EventType::TenantUpdated, tenant.id.as_str(), detail).await?;
    Ok(tenant)
}

pub(super) fn check(new: &NewTenant) -> Result<()> {
    check_parts(&new.name, &new.plan, &new.timezone)
}

fn check_parts(name: &str, plan: &str, timezone: &str) -> Result<()> {
    let name = name.trim();
    let long = name.chars().count() > MAX_NAME_CHARS;
    if name.is_empty() || long || name.chars().any(char::is_control) {
        let rule = format!("must be a line of 1 to {MAX_NAME_CHARS} characters.");
        return Err(Error::invalid("name", rule));
    }
    if !PLANS.contains(&plan) {
        let rule = format!("must be one of: {}.", PLANS.join(", "));
        return Err(Error::invalid("plan", rule));
    }
    if jiff::tz::TimeZone::get(timezone).is_err() {
        let rule = "must be an IANA time zone such as `Europe/Paris`.";
        return Err(Error::invalid("timezone", rule));
    }
    Ok(())
}
