//! A tenant as the API shows it.

use connectus_store::tenants::Tenant;
use serde::Serialize;
use utoipa::ToSchema;

/// An organisation whose data is kept apart.
#[derive(Serialize, ToSchema)]
pub struct TenantView {
    /// Identifier.
    #[schema(example = "ten_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// Display name.
    name: String,
    /// `trial`, `basic`, `pro` or `enterprise`.
    plan: String,
    /// `active` or `suspended`.
    status: String,
    /// IANA time zone of its schedules.
    timezone: String,
    /// Whether its providers are the built-in fakes.
    sandbox: bool,
    /// Turns that its runs get where those of a tenant of weight 1 get one.
    weight: u32,
    /// When it was made.
    created_at: String,
    /// When it last changed.
    updated_at: String,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            name: tenant.name,
            plan: tenant.plan,
            status: tenant.status,
            timezone: tenant.timezone,
            sandbox: tenant.sandbox,
            weight: tenant.weight.get(),
            created_at: tenant.created_at.to_string(),
            updated_at: tenant.updated_at.to_string(),
        }
    }
}
