//! Making and revoking API keys.

use connectus_core::{
    ApiKeyId, Code, Error, Result, TenantCtx, Timestamp, UserId, access::Role, event::EventType,
};
use connectus_store::{Store, Tx, api_keys::ApiKey};
use secrecy::SecretString;
use serde_json::json;

use super::{people, secret};

/// The start of every API key, so that people and secret scanners recognise one.
pub const START: &str = "cnx_";
/// Longest name of a key, in characters.
const MAX_NAME_CHARS: usize = 100;

/// A key to make.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The person it acts for; it ends with that person and never exceeds that person's role.
    pub user: Option<UserId>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Makes a key. The secret is returned this once.
///
/// # Errors
/// `forbidden` for a role above one's own, `invalid` for a bad name, person or end.
pub async fn create(
    store: &Store,
    ctx: TenantCtx,
    new: NewApiKey,
) -> Result<(ApiKey, SecretString)> {
    people::may_grant(&ctx, new.role)?;
    let name = new.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        let rule = format!("must have 1 to {MAX_NAME_CHARS} characters: what the key is for.");
        return Err(Error::invalid("name", rule));
    }
    let (env, now) = (store.env(), store.env().now());
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::invalid("expires_at", "must lie in the future."));
    }
    let prefix = format!("{START}{}", hex::encode(env.random::<4>()));
    let text = format!("{prefix}_{}", secret::fresh(env));
    let key = ApiKey {
        id: env.id(),
        tenant: ctx.tenant().clone(),
        name,
        prefix,
        role: new.role,
        user: new.user,
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let (row, hash) = (key.clone(), secret::hash(&text));
    store.write(move |tx| Box::pin(async move { insert(tx, &ctx, &row, &hash).await })).await?;
    Ok((key, SecretString::from(text)))
}

async fn insert(tx: &mut Tx, ctx: &TenantCtx, key: &ApiKey, hash: &str) -> Result<()> {
    if let Some(user) = &key.user
        && tx.user(ctx, user).await?.is_none()
    {
        return Err(Error::invalid("user_id", "is not a person of this organisation."));
    }
    tx.insert_api_key(key, hash).await?;
    let detail = json!({"name": key.name, "prefix": key.prefix, "role": key.role});
    tx.happened(ctx, EventType::ApiKeyCreated, key.id.as_str(), detail).await
}

/// Revokes a key at once.
///
/// # Errors
/// `not_found`, `forbidden` for a key above one's own role.
pub async fn revoke(store: &Store, ctx: TenantCtx, id: ApiKeyId) -> Result<()> {
    store
        .write(move |tx| {
            Box::pin(async move {
                let key = tx.api_key(&ctx, &id).await?;
                let key = key.ok_or_else(|| Error::not_found("API key"))?;
                if ctx.role() > key.role {
                    let detail = "This key may do more than you; an owner can revoke it.";
                    return Err(Error::new(Code::Forbidden, detail));
                }
                // Revoking twice is no error and no second fact.
                if !tx.revoke_api_key(&ctx, &id).await? {
                    return Ok(());
                }
                let detail = json!({"name": key.name, "prefix": key.prefix});
                tx.happened(&ctx, EventType::ApiKeyRevoked, id.as_str(), detail).await
            })
        })
        .await
}
