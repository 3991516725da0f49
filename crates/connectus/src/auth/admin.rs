//! What the command line does to tenants, people and keys, directly on the store. Whoever can open
//! the data directory is the operator; there is no credential to check.

use connectus_core::{ApiKeyId, Error, Result, TenantCtx, TenantId, UserId, access::Role};
use connectus_store::{Store, api_keys::ApiKey, tenants::Tenant, users::User};
use secrecy::SecretString;

use super::{
    Auth, AuthSettings,
    keys::{self, NewApiKey},
    people::NewUser,
    tenancy::{self, NewTenant, TenantChange},
};

/// Makes a tenant.
///
/// # Errors
/// `invalid` for a bad name, plan or time zone.
pub async fn create_tenant(store: &Store, new: NewTenant) -> Result<Tenant> {
    tenancy::create(store, new).await
}

/// Changes a tenant: its plan, or whether it is suspended.
///
/// # Errors
/// `not_found`, `invalid` for bad values.
pub async fn update_tenant(store: &Store, tenant: &str, change: TenantChange) -> Result<Tenant> {
    let ctx = operator(store, tenant).await?;
    tenancy::update(store, ctx, change, |_| Ok(())).await
}

/// Adds a person to a tenant, named by identifier or unique name.
///
/// # Errors
/// `not_found`, `invalid` for bad values, `conflict` when the address is taken.
pub async fn create_user(store: &Store, tenant: &str, new: NewUser) -> Result<User> {
    let ctx = operator(store, tenant).await?;
    Auth::new(store, &AuthSettings::default())?.create_user(ctx, new).await
}

/// Makes an API key in a tenant, for a person named by identifier or address if any.
///
/// # Errors
/// `not_found`, `invalid` for bad values.
pub async fn create_token(
    store: &Store,
    tenant: &str,
    role: Role,
    user: Option<&str>,
    name: &str,
) -> Result<(ApiKey, SecretString)> {
    let ctx = operator(store, tenant).await?;
    let user = match user {
        None => None,
        Some(text) => Some(find_user(store, &ctx, text).await?),
    };
    let new = NewApiKey { name: name.to_owned(), role, user, expires_at: None };
    keys::create(store, ctx, new).await
}

/// Revokes an API key.
///
/// # Errors
/// `not_found`.
pub async fn revoke_token(store: &Store, tenant: &str, key: &str) -> Result<()> {
    let ctx = operator(store, tenant).await?;
    let id = ApiKeyId::parse(key).ok_or_else(|| Error::not_found("API key"))?;
    keys::revoke(store, ctx, id).await
}

/// The operator's context in a tenant, named by identifier or unique name.
///
/// # Errors
/// `not_found`, or `invalid` when several tenants have the name.
pub async fn operator(store: &Store, tenant: &str) -> Result<TenantCtx> {
    let mut conn = store.read().await?;
    let by_id = match TenantId::parse(tenant) {
        Some(id) => conn.tenant(&id).await?,
        None => None,
    };
    if let Some(found) = by_id {
        return Ok(TenantCtx::system(found.id));
    }
    let named: Vec<Tenant> =
        conn.tenants().await?.into_iter().filter(|known| known.name == tenant).collect();
    match named.as_slice() {
        [one] => Ok(TenantCtx::system(one.id.clone())),
        [] => Err(Error::not_found("tenant")),
        _ => Err(Error::invalid("tenant", "is the name of several tenants; use the identifier.")),
    }
}

async fn find_user(store: &Store, ctx: &TenantCtx, text: &str) -> Result<UserId> {
    let mut conn = store.read().await?;
    if let Some((tenant, user, _)) = conn.user_by_email(&text.trim().to_lowercase()).await?
        && tenant == *ctx.tenant()
    {
        return Ok(user);
    }
    let id = UserId::parse(text).ok_or_else(|| Error::not_found("user"))?;
    conn.user(ctx, &id).await?.map(|user| user.id).ok_or_else(|| Error::not_found("user"))
}
