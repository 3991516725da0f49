//! Tickets in place of a credential, for one event stream each. They are kept in memory by their
//! hash: a process that ends takes them with it, and clients ask for another one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, Uri, header};
use connectus_core::{Code, Env, Error, Result, Timestamp};

use crate::{auth::secret, http::Proof};

/// How long a ticket is good, in seconds.
const GOOD_SECS: i64 = 30;
/// Tickets that were given out and not used yet, at most.
const MAX_UNUSED: usize = 10_000;

/// The ticket of a request.
pub fn in_query(uri: &Uri) -> Option<String> {
    let pairs = url::form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.into_iter().find(|(name, _)| name == "ticket").map(|(_, ticket)| ticket.into_owned())
}

/// The tickets of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tickets(Arc<Mutex<HashMap<String, (Proof, Timestamp)>>>);

impl Tickets {
    /// Gives out a ticket that stands for a credential, and tells until when it is good.
    ///
    /// # Errors
    /// `rate_limited` when too many are unused.
    pub fn give(&self, proof: Proof, env: &Env) -> Result<(String, Timestamp)> {
        let (ticket, now) = (secret::fresh(env), env.now());
        let until = now.plus_secs(GOOD_SECS);
        let mut unused = self.lock();
        unused.retain(|_, (_, until)| *until > now);
        if unused.len() >= MAX_UNUSED {
            let detail = "Too many tickets are unused. Open a stream with one, or wait.";
            return Err(Error::new(Code::RateLimited, detail).retry_after(30));
        }
        unused.insert(secret::hash(&ticket), (proof, until));
        Ok((ticket, until))
    }

    /// The credential that a ticket stands for. It is used up.
    ///
    /// # Errors
    /// `unauthenticated` when it is unknown, used or too old; `bad_request` when the request has a
    /// credential of its own.
    pub fn redeem(&self, ticket: &str, headers: &HeaderMap, now: Timestamp) -> Result<Proof> {
        if !Proof::of(headers).0.keys().all(|name| name == header::COOKIE) {
            let detail = "Send one credential: a ticket, or that which a ticket stands for.";
            return Err(Error::new(Code::BadRequest, detail));
        }
        let found = self.lock().remove(&secret::hash(ticket));
        found.filter(|(_, until)| *until > now).map(|(proof, _)| proof).ok_or_else(|| {
            let detail = "The ticket is unknown, was used or is too old. Get another one with POST \
                          /api/v1/events/ticket.";
            Error::new(Code::Unauthenticated, detail)
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Proof, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
