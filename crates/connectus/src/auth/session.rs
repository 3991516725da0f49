//! Console logins: one cookie that scripts cannot read.

use axum::http::HeaderValue;
use connectus_core::{Error, Result, TenantCtx, event::EventType};
use connectus_store::{logins::Login, users::Member};
use secrecy::SecretString;
use serde_json::json;

use super::{Auth, csrf, secret};
use crate::http::caller::{Caller, Via};

/// A login ends when it was not used for this long, in seconds.
pub const IDLE_SECS: i64 = 12 * 3600;
/// A login ends after this long however much it was used, in seconds.
pub const LIFETIME_SECS: i64 = 7 * 24 * 3600;

/// The cookie's name. With HTTPS the prefix makes browsers refuse it from anyone but this host.
pub const fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-connectus_session" } else { "connectus_session" }
}

/// A login just made.
pub struct Started {
    /// The value of the `Set-Cookie` header.
    pub set_cookie: HeaderValue,
    /// What calls that change something must carry.
    pub csrf_token: String,
}

impl Auth {
    /// Starts a console login for someone who has just signed in.
    ///
    /// # Errors
    /// What the database says.
    pub async fn start_login(&self, member: &Member) -> Result<Started> {
        let now = self.env().now();
        let cookie = secret::fresh(self.env());
        let login = Login {
            id: self.env().id(),
            tenant: member.user.tenant.clone(),
            user: member.user.id.clone(),
            seen_at: now,
            expires_at: now.plus_secs(LIFETIME_SECS),
        };
        let hash = secret::hash(&cookie);
        self.store()
            .write(move |tx| Box::pin(async move { Ok(tx.insert_login(&login, &hash).await?) }))
            .await?;
        Ok(Started {
            set_cookie: self.set_cookie(&cookie, LIFETIME_SECS)?,
            csrf_token: csrf::token(&SecretString::from(cookie)),
        })
    }

    /// Ends the caller's login or chain of tokens. An API key has nothing to end.
    ///
    /// # Errors
    /// What the database says.
    pub async fn sign_out(&self, caller: &Caller) -> Result<()> {
        let (ctx, via) = (caller.ctx.clone(), caller.via.clone());
        self.store()
            .write(move |tx| {
                Box::pin(async move {
                    match &via {
                        Via::Console { login, .. } => tx.delete_login(&ctx, login).await?,
                        Via::Token { family: Some(family) } => {
                            tx.revoke_family(&ctx, family).await?;
                        }
                        Via::Token { family: None } | Via::ApiKey | Via::Service => return Ok(()),
                    }
                    let user = signed_out(&ctx);
                    tx.happened(&ctx, EventType::UserSignedOut, &user, json!({})).await
                })
            })
            .await
    }

    /// The header that makes a browser forget the cookie.
    ///
    /// # Errors
    /// `internal`, which does not happen.
    pub fn forget_cookie(&self) -> Result<HeaderValue> {
        self.set_cookie("", 0)
    }

    fn set_cookie(&self, value: &str, max_age: i64) -> Result<HeaderValue> {
        let https = self.settings().https;
        let (name, secure) = (cookie_name(https), if https { "; Secure" } else { "" });
        let text =
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age}{secure}");
        let mut header = HeaderValue::from_str(&text).map_err(Error::internal)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

fn signed_out(ctx: &TenantCtx) -> String {
    ctx.actor().user().map(ToString::to_string).unwrap_or_default()
}
