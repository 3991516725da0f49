//! Requests with an `Idempotency-Key`: who holds the key, whether the effect is durable, and the
//! first answer.

use connectus_core::{Code, Error, Result, Timestamp};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    request::{Claim, Request},
    sql::{on, sql},
};

sql! {
    CLAIM = "INSERT INTO idempotency (tenant_id, principal, route, key, request_hash, claim, \
             claimed_until, state, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'claimed', $8) \
             ON CONFLICT (tenant_id, principal, route, key) DO NOTHING";
    // Writing the row to itself locks it: of two that find an abandoned claim, one gets it.
    HELD = "UPDATE idempotency SET key = key \
            WHERE tenant_id = $1 AND principal = $2 AND route = $3 AND key = $4 \
            RETURNING request_hash, claimed_until, state, subject, answer";
    RECLAIM = "UPDATE idempotency SET claim = $5, claimed_until = $6 \
               WHERE tenant_id = $1 AND principal = $2 AND route = $3 AND key = $4";
    APPLY = "UPDATE idempotency SET state = 'applied', \
             subject = CASE WHEN subject = '' THEN $6 ELSE subject END \
             WHERE tenant_id = $1 AND principal = $2 AND route = $3 AND key = $4 AND claim = $5";
    ANSWER = "UPDATE idempotency SET state = 'answered', answer = $6 \
              WHERE tenant_id = $1 AND principal = $2 AND route = $3 AND key = $4 AND claim = $5";
    FORGET = "DELETE FROM idempotency WHERE tenant_id = $1 AND principal = $2 AND route = $3 \
              AND key = $4 AND claim = $5 AND state = 'claimed'";
    CLOSE = "UPDATE idempotency SET claimed_until = 0 \
             WHERE tenant_id = $1 AND principal = $2 AND route = $3 AND key = $4 AND claim = $5";
    ABANDON = "UPDATE idempotency SET claimed_until = 0 WHERE state <> 'answered'";
    PURGE = "DELETE FROM idempotency WHERE created_at < $1";
}

/// What is known about a key that someone claimed before.
#[derive(Clone, Debug, FromRow)]
pub struct Held {
    /// Hash of the first request.
    pub request_hash: String,
    /// Until when its sender is taken to be alive, in microseconds.
    pub claimed_until: i64,
    /// `claimed`, `applied` or `answered`.
    pub state: String,
    /// What the effect was about, '' when unknown.
    pub subject: String,
    /// The sealed answer, once there is one.
    pub answer: Option<String>,
}

impl Tx {
    /// Claims a key; `None` when it is ours now, else what is known about it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn claim_key(
        &mut self,
        claim: &Claim,
        request_hash: &str,
        until: Timestamp,
    ) -> StoreResult<Option<Held>> {
        let now = self.env.now().0;
        let inserted = on!(self, c => sqlx::query(CLAIM)
            .bind(claim.tenant.as_str())
            .bind(&claim.principal)
            .bind(&claim.route)
            .bind(&claim.key)
            .bind(request_hash)
            .bind(&claim.fence)
            .bind(until.0)
            .bind(now)
            .execute(c)
            .await?
            .rows_affected());
        if inserted > 0 {
            return Ok(None);
        }
        Ok(Some(on!(self, c => sqlx::query_as(HELD)
            .bind(claim.tenant.as_str())
            .bind(&claim.principal)
            .bind(&claim.route)
            .bind(&claim.key)
            .fetch_one(c)
            .await?)))
    }

    /// Takes over a key whose holder is gone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn reclaim_key(&mut self, claim: &Claim, until: Timestamp) -> StoreResult<()> {
        on!(self, c => sqlx::query(RECLAIM)
            .bind(claim.tenant.as_str())
            .bind(&claim.principal)
            .bind(&claim.route)
            .bind(&claim.key)
            .bind(&claim.fence)
            .bind(until.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Marks the request's key, if it has one, as applied: in the transaction of the effect.
    ///
    /// # Errors
    /// `idempotency_in_flight` when another request holds the key by now; the effect is undone.
    pub(crate) async fn apply_claim(&mut self) -> Result<()> {
        let subject = self.emitted.first().map(|event| event.subject.clone()).unwrap_or_default();
        self.apply_claim_to(&subject).await
    }

    /// The same, with an effect on something named.
    ///
    /// # Errors
    /// As above.
    pub async fn apply_claim_to(&mut self, subject: &str) -> Result<()> {
        let Some(Request { claim: Some(claim), .. }) = self.request.clone() else { return Ok(()) };
        if self.conn.apply_key(&claim, subject).await? {
            return Ok(());
        }
        Err(Error::new(
            Code::InFlight,
            "Another request with this idempotency key took over. Repeat the request to get its \
             answer.",
        )
        .retry_after(1))
    }

    /// Stores the sealed answer of a request that ended.
    ///
    /// # Errors
    /// What the database says.
    pub async fn answer_key(&mut self, claim: &Claim, sealed: &str) -> StoreResult<()> {
        on!(self, c => sqlx::query(ANSWER)
            .bind(claim.tenant.as_str())
            .bind(&claim.principal)
            .bind(&claim.route)
            .bind(&claim.key)
            .bind(&claim.fence)
            .bind(sealed)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Frees the key of a request that had no effect; `false` when it had one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_key(&mut self, claim: &Claim) -> StoreResult<bool> {
        let forgotten = on!(self, c => sqlx::query(FORGET)
            .bind(claim.tenant.as_str())
            .bind(&claim.principal)
            .bind(&claim.route)
            .bind(&claim.key)
            .bind(&claim.fence)
            .execute(c)
            .await?
            .rows_affected());
        Ok(forgotten > 0)
    }

    /// Ends a claim whose answer cannot be kept.
    ///
    /// # Errors
    /// What the database says.
    pub async fn close_key(&mut self, claim: &Claim) -> StoreResult<()> {
        on!(self, c => sqlx::query(CLOSE)
            .bind(claim.tenant.as_str())
            .bind(&claim.principal)
            .bind(&claim.route)
            .bind(&claim.key)
            .bind(&claim.fence)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Ends all claims of a process that is gone: for the start of the only process.
    ///
    /// # Errors
    /// What the database says.
    pub async fn abandon_claims(&mut self) -> StoreResult<()> {
        on!(self, c => sqlx::query(ABANDON).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Forgets keys claimed before a time.
    ///
    /// # Errors
    /// What the database says.
    pub async fn purge_keys(&mut self, before: Timestamp) -> StoreResult<()> {
        on!(self, c => sqlx::query(PURGE).bind(before.0).execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// Whether the claim still held and is marked.
    async fn apply_key(&mut self, claim: &Claim, subject: &str) -> StoreResult<bool> {
        let marked = on!(self, c => sqlx::query(APPLY)
            .bind(claim.tenant.as_str())
            .bind(&claim.principal)
            .bind(&claim.route)
            .bind(&claim.key)
            .bind(&claim.fence)
            .bind(subject)
            .execute(c)
            .await?
            .rows_affected());
        Ok(marked > 0)
    }
}
