//! Counters of failed sign-ins, by account and by address.

use connectus_core::Timestamp;

use crate::{
    conn::Tx,
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    // Writing the row to itself locks it, so that parallel guesses are counted one after the other.
    OPEN = "INSERT INTO login_attempts (subject, failures, blocked_until, updated_at) \
            VALUES ($1, 0, 0, $2) ON CONFLICT (subject) DO UPDATE SET subject = excluded.subject \
            RETURNING failures, blocked_until, updated_at";
    PUT = "UPDATE login_attempts SET failures = $2, blocked_until = $3, updated_at = $4 \
           WHERE subject = $1";
    CLEAR = "DELETE FROM login_attempts WHERE subject = $1";
    PURGE = "DELETE FROM login_attempts WHERE updated_at < $1 AND blocked_until < $1";
}

/// What is known about the sign-ins of an account or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Attempts not followed by a success.
    pub failures: i64,
    /// No further attempt before this time.
    pub blocked_until: Timestamp,
    /// When the last one was counted.
    pub updated_at: Timestamp,
}

impl Tx {
    /// Reads the counter of a subject and holds it until the transaction ends.
    ///
    /// # Errors
    /// What the database says.
    pub async fn open_attempts(&mut self, subject: &str) -> StoreResult<Attempts> {
        let now = self.env.now().0;
        let (failures, blocked_until, updated_at): (i64, i64, i64) =
            on!(self, c => sqlx::query_as(OPEN).bind(subject).bind(now).fetch_one(c).await?);
        Ok(Attempts {
            failures,
            blocked_until: Timestamp(blocked_until),
            updated_at: Timestamp(updated_at),
        })
    }

    /// Writes the counter of a subject that was opened.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_attempts(&mut self, subject: &str, attempts: Attempts) -> StoreResult<()> {
        on!(self, c => sqlx::query(PUT)
            .bind(subject)
            .bind(attempts.failures)
            .bind(attempts.blocked_until.0)
            .bind(attempts.updated_at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Forgets the counter of a subject.
    ///
    /// # Errors
    /// What the database says.
    pub async fn clear_attempts(&mut self, subject: &str) -> StoreResult<()> {
        on!(self, c => sqlx::query(CLEAR).bind(subject).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Forgets counters that were not touched since a time.
    ///
    /// # Errors
    /// What the database says.
    pub async fn purge_attempts(&mut self, before: Timestamp) -> StoreResult<()> {
        on!(self, c => sqlx::query(PURGE).bind(before.0).execute(c).await.map(drop)?);
        Ok(())
    }
}
