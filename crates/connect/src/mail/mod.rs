//! E-mail: the other way out. Where it goes is the operator's word alone (`smtp.url`), so the
//! server is trusted as it is named; the address rules of HTTP do not apply to it. Tenants choose
//! who gets a letter and what it says, within the limits of a [`Letter`].

mod letter;
mod server;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use connectus_core::{Code, Env, Error, Result, TenantId};
use secrecy::SecretString;

pub use self::letter::{Letter, MAX_BODY_BYTES, MAX_SUBJECT_CHARS, message_id};
use self::server::Server;

/// Letters that one tenant may send in an hour, unless the settings say otherwise.
pub const DEFAULT_PER_HOUR: u32 = 200;
const HOUR_SECS: i64 = 3_600;

/// Sends e-mail, when there is a server for it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Mailer(Option<Arc<Inner>>);

struct Inner {
    server: Server,
    from: String,
    per_hour: u32,
    /// By tenant: the hour, and letters sent in it.
    sent: Mutex<HashMap<TenantId, (i64, u32)>>,
}

impl Mailer {
    /// A mailer for a server, as `smtps://user:password@smtp.example.org`, that sends in the name
    /// of `from`. Without a server it refuses letters and says what to set.
    ///
    /// # Errors
    /// `invalid` when the address of the server or of the sender cannot be one.
    pub fn new(url: Option<&SecretString>, from: &str, per_hour: u32) -> Result<Self> {
        let Some(url) = url else { return Ok(Self(None)) };
        let server = Server::read(url)?;
        if connectus_core::notification::check_address("smtp.from", from).is_err() {
            let detail = "must be the address that letters come from, as connectus@example.org.";
            return Err(Error::invalid("smtp.from", detail));
        }
        let sent = Mutex::default();
        Ok(Self(Some(Arc::new(Inner { server, from: from.to_owned(), per_hour, sent }))))
    }

    /// Whether there is a server to send by.
    pub fn is_set_up(&self) -> bool {
        self.0.is_some()
    }

    /// Refuses where there is no server to send by.
    ///
    /// # Errors
    /// `conflict`, with what to set.
    pub fn needed(&self) -> Result<()> {
        self.0.as_ref().map(drop).ok_or_else(not_set_up)
    }

    /// Sends a letter of a tenant's. Returns its `Message-ID`, which follows from `key`: a letter
    /// that is sent again under the same key is the same letter to whoever compares.
    ///
    /// # Errors
    /// `conflict` without a server; `invalid` for a letter that cannot be sent; `rate_limited`
    /// beyond the tenant's share; `provider_refused` when the server refuses it. Those and whatever
    /// is marked `not_sent` certainly did not go out; one marked `outcome: unknown` may have.
    pub async fn send(
        &self,
        env: &Env,
        tenant: &TenantId,
        key: &str,
        letter: &Letter,
    ) -> Result<String> {
        let inner = self.0.as_ref().ok_or_else(not_set_up)?;
        let written = letter.write(&inner.from, key, env.now())?;
        inner.take_share(tenant, env.now().secs())?;
        inner.server.hand_over(&written).await?;
        Ok(written.id)
    }
}

impl Inner {
    /// Counts a letter against the tenant's share of this hour.
    fn take_share(&self, tenant: &TenantId, now: i64) -> Result<()> {
        let hour = now.div_euclid(HOUR_SECS);
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.retain(|_, (of, _)| *of == hour);
        let (_, count) = sent.entry(tenant.clone()).or_insert((hour, 0));
        if *count >= self.per_hour {
            let detail = format!(
                "{} e-mails were sent this hour, which is the limit (smtp.per_hour).",
                self.per_hour
            );
            let wait = u64::try_from((hour + 1) * HOUR_SECS - now).unwrap_or(1);
            return Err(Error::new(Code::RateLimited, detail).retry_after(wait));
        }
        *count += 1;
        Ok(())
    }
}

fn not_set_up() -> Error {
    Error::new(
        Code::Conflict,
        "E-mail is not set up here. Set SMTP_URL (as smtps://user:password@smtp.example.org) and \
         SMTP_FROM (as connectus@example.org), or `smtp.url` and `smtp.from` in connectus.toml, \
         and start again.",
    )
}
