//! Adding, changing and removing people. Nobody gives away more than they hold, and every tenant
//! keeps an owner.

use connectus_core::{Code, Error, Result, TenantCtx, UserId, access::Role, event::EventType};
use connectus_store::{StoreError, Tx, users::User};
use secrecy::SecretString;
use serde_json::json;

use super::Auth;

/// Longest address, in bytes (RFC 5321).
const MAX_EMAIL_BYTES: usize = 254;
/// Longest display name, in characters.
const MAX_NAME_CHARS: usize = 200;

/// A person to add.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The address to sign in with.
    pub email: String,
    /// Display name.
    pub name: String,
    /// The first password.
    pub password: SecretString,
    /// What the person may do.
    pub role: Role,
    /// The number a partner service knows the person by.
    pub external_id: Option<i64>,
}

/// What to change about a person.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// Display name.
    pub name: Option<String>,
    /// What the person may do.
    pub role: Option<Role>,
    /// Whether the person may sign in.
    pub active: Option<bool>,
    /// The number a partner service knows the person by.
    pub external_id: Option<i64>,
}

impl Auth {
    /// Adds a person to the tenant.
    ///
    /// # Errors
    /// `forbidden` for a role above one's own, `invalid` for a bad address, name or password,
    /// `conflict` when the address is taken.
    pub async fn create_user(&self, ctx: TenantCtx, new: NewUser) -> Result<User> {
        may_grant(&ctx, new.role)?;
        let (email, name) = (normal_email(&new.email)?, normal_name(&new.name)?);
        let hash = self.passwords().hash(new.password).await?;
        self.store()
            .write(move |tx| {
                Box::pin(async move {
                    let (role, external_id) = (new.role, new.external_id);
                    let user = fresh(tx, &ctx, email, name, role, external_id);
                    insert(tx, &ctx, &user, &hash).await?;
                    Ok(user)
                })
            })
            .await
    }

    /// Changes a person. `guard` sees the current state and may refuse.
    ///
    /// # Errors
    /// `not_found`, `forbidden` for people and roles above oneself, `conflict` for the last owner.
    pub async fn update_user(
        &self,
        ctx: TenantCtx,
        id: UserId,
        change: UserChange,
        guard: impl FnOnce(&User) -> Result<()> + Send + 'static,
    ) -> Result<User> {
        self.store()
            .write(move |tx| Box::pin(async move { update(tx, &ctx, &id, change, guard).await }))
            .await
    }

    /// Removes a person, whose logins, tokens and API keys end.
    ///
    /// # Errors
    /// `not_found`, `forbidden` for owners, `conflict` for the last owner.
    pub async fn remove_user(&self, ctx: TenantCtx, id: UserId) -> Result<()> {
        self.store()
            .write(move |tx| {
                Box::pin(async move {
                    tx.lock_tenant(&ctx).await?;
                    let user = existing(tx, &ctx, &id).await?;
                    may_touch(&ctx, &user)?;
                    tx.delete_user(&ctx, &id).await?;
                    keeps_an_owner(tx, &ctx, &user).await?;
                    let detail = json!({"email": user.email, "role": user.role});
                    tx.happened(&ctx, EventType::UserDeleted, id.as_str(), detail).await
                })
            })
            .await
    }
}

/// The first state of a person.
pub(super) fn fresh(
    tx: &Tx,
    ctx: &TenantCtx,
    email: String,
    name: String,
    role: Role,
    external_id: Option<i64>,
) -> User {
    let now = tx.env().now();
    User {
        id: tx.env().id(),
        tenant: ctx.tenant().clone(),
        email,
        name,
        role,
        external_id,
        status: "active".to_owned(),
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// Writes a new person, the event and the audit row.
pub(super) async fn insert(tx: &mut Tx, ctx: &TenantCtx, user: &User, hash: &str) -> Result<()> {
    tx.insert_user(user, hash).await.map_err(taken)?;
    let detail = json!({"email": user.email, "role": user.role});
    tx.happened(ctx, EventType::UserCreated, user.id.as_str(), detail).await
}

/// Ends all logins and refresh tokens of a person, and with them the access tokens.
pub(super) async fn end_sessions(tx: &mut Tx, ctx: &TenantCtx, user: &UserId) -> Result<()> {
    tx.delete_logins_of(ctx, user).await?;
    Ok(tx.revoke_tokens_of(ctx, user).await?)
}

async fn update(
    tx: &mut Tx,
    ctx: &TenantCtx,
    id: &UserId,
    change: UserChange,
    guard: impl FnOnce(&User) -> Result<()>,
) -> Result<User> {
    tx.lock_tenant(ctx).await?;
    let before = existing(tx, ctx, id).await?;
    guard(&before)?;
    may_touch(ctx, &before)?;
    let mut user = before.clone();
    if let Some(name) = change.name {
        user.name = normal_name(&name)?;
    }
    if let Some(role) = change.role {
        may_grant(ctx, role)?;
        user.role = role;
    }
    if let Some(active) = change.active {
        user.status = if active { "active" } else { "suspended" }.to_owned();
    }
    if change.external_id.is_some() {
        user.external_id = change.external_id;
    }
    // The tenant is locked and the person was read after that: the version cannot have moved.
    if !tx.update_user(ctx, &user).await.map_err(taken)? {
        return Err(Error::new(Code::Conflict, "Someone else changed this person; try again."));
    }
    keeps_an_owner(tx, ctx, &before).await?;
    if !user.is_active() {
        end_sessions(tx, ctx, id).await?;
    }
    let detail = json!({"role": user.role, "status": user.status});
    tx.happened(ctx, EventType::UserUpdated, id.as_str(), detail).await?;
    existing(tx, ctx, id).await
}

async fn existing(tx: &mut Tx, ctx: &TenantCtx, id: &UserId) -> Result<User> {
    tx.user(ctx, id).await?.ok_or_else(|| Error::not_found("user"))
}

/// Lets a change pass unless it took the last owner away. A tenant that the operator made may have
/// none yet; that is no reason to refuse changes of others.
async fn keeps_an_owner(tx: &mut Tx, ctx: &TenantCtx, before: &User) -> Result<()> {
    let was_owner = before.role == Role::Owner && before.is_active();
    if !was_owner || tx.active_owners(ctx).await? > 0 {
        return Ok(());
    }
    Err(Error::new(
        Code::Conflict,
        "This is the last owner who can sign in. Make someone else an owner first.",
    ))
}

/// Nobody grants a role above one's own.
pub(super) fn may_grant(ctx: &TenantCtx, role: Role) -> Result<()> {
    if ctx.role() <= role {
        return Ok(());
    }
    let (role, own) = (role.name(), ctx.role().name());
    Err(Error::new(Code::Forbidden, format!("An {own} cannot give the role {role}.")))
}

/// Nobody changes someone above oneself.
fn may_touch(ctx: &TenantCtx, user: &User) -> Result<()> {
    if ctx.role() <= user.role {
        return Ok(());
    }
    let (role, own) = (user.role.name(), ctx.role().name());
    Err(Error::new(Code::Forbidden, format!("An {own} cannot change an {role}.")))
}

fn taken(error: StoreError) -> Error {
    if error.is_unique_violation() {
        let detail = "Someone with this address or external id exists already.";
        return Error::new(Code::Conflict, detail);
    }
    error.into()
}

/// An address in the one form it is stored and looked up in.
///
/// # Errors
/// `invalid` when it cannot be an address.
pub fn normal_email(text: &str) -> Result<String> {
    let email = text.trim().to_lowercase();
    let fits = email.len() <= MAX_EMAIL_BYTES
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email.split_once('@').is_some_and(|(local, host)| {
            !local.is_empty() && !host.is_empty() && !host.contains('@')
        });
    if fits { Ok(email) } else { Err(Error::invalid("email", "must be an e-mail address.")) }
}

pub(super) fn normal_name(text: &str) -> Result<String> {
    let name = text.trim();
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        let rule = format!("must be a line of at most {MAX_NAME_CHARS} characters.");
        return Err(Error::invalid("name", rule));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        assert_eq!(normal_email("  Ann@Example.ORG ").unwrap(), "ann@example.org");
        for text in ["", "@", "a@", "@b", "a b@c", "a@b@c", "a", "a@b\0"] {
            assert!(normal_email(text).is_err(), "{text:?}");
        }
        assert!(normal_email(&format!("{}@b", "a".repeat(253))).is_err());
    }
}
