//! The first owner of an installation: a one-time link, no default password.

use connectus_core::{Actor, Code, Error, Result, TenantCtx, access::Role};
use connectus_store::{
    tenants::Tenant,
    users::{Member, User},
};
use secrecy::SecretString;

use super::{
    Auth, people, secret,
    tenancy::{self, NewTenant},
};

/// How long the link is good, in seconds.
pub const LIFETIME_SECS: i64 = 24 * 3600;

/// What the first owner fills in.
#[derive(Clone, Debug)]
pub struct FirstOwner {
    /// The one-time token of the link.
    pub token: String,
    /// Name of the first tenant.
    pub tenant_name: String,
    /// The owner's address.
    pub email: String,
    /// The owner's password.
    pub password: SecretString,
}

impl Auth {
    /// A fresh set-up token, which replaces an earlier one; `None` once there is anyone to sign in.
    ///
    /// # Errors
    /// What the database says.
    pub async fn setup_token(&self) -> Result<Option<String>> {
        if self.store().read().await?.has_users().await? {
            return Ok(None);
        }
        let token = secret::fresh(self.env());
        let hash = secret::hash(&token);
        self.store()
            .write(move |tx| {
                Box::pin(async move {
                    let end = tx.env().now().plus_secs(LIFETIME_SECS);
                    Ok(tx.put_setup_link(&hash, end).await?)
                })
            })
            .await?;
        Ok(Some(token))
    }

    /// Makes the first tenant and its owner.
    ///
    /// # Errors
    /// `unauthenticated` without a good token, `conflict` when someone was faster, `invalid` for
    /// bad values - after which the token is still good.
    pub async fn set_up(&self, first: FirstOwner) -> Result<Member> {
        let tenant = NewTenant::named(first.tenant_name);
        tenancy::check(&tenant).map_err(|error| renamed(error, "name", "tenant_name"))?;
        let email = people::normal_email(&first.email)?;
        super::password::check(&first.password)?;
        let hash = self.passwords().hash(first.password).await?;
        let (token, sealer) = (secret::hash(&first.token), self.store().sealer().clone());
        let (tenant, user): (Tenant, User) = self
            .store()
            .write(move |tx| {
                Box::pin(async move {
                    if !tx.take_setup_link(&token).await? {
                        return Err(Error::new(
                            Code::Unauthenticated,
                            "This set-up link was used or has expired. Restart Connectus to get \
                             a new one.",
                        ));
                    }
                    if tx.has_users().await? {
                        let detail = "This installation has an owner already. Sign in instead.";
                        return Err(Error::new(Code::Conflict, detail));
                    }
                    let tenant = tenancy::insert(tx, &tenant, &sealer).await?;
                    let system = TenantCtx::system(tenant.id.clone());
                    let user = people::fresh(tx, &system, email, String::new(), Role::Owner, None);
                    let actor = Actor::User { id: user.id.clone() };
                    let ctx = TenantCtx::establish(tenant.id.clone(), actor, Role::Owner);
                    people::insert(tx, &ctx, &user, &hash).await?;
                    Ok((tenant, user))
                })
            })
            .await?;
        Ok(Member { user, plan: tenant.plan, tenant_active: true })
    }
}

/// The same error about a field that the request calls otherwise.
fn renamed(mut error: Error, from: &str, to: &str) -> Error {
    for field in error.fields.iter_mut().filter(|field| field.field == from) {
        to.clone_into(&mut field.field);
        error.detail = format!("{to}: {}", field.message);
    }
    error
}
