//! The one-time link by which the first owner of an installation sets it up.

use connectus_core::Timestamp;

use crate::{
    conn::Tx,
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    CLEAR = "DELETE FROM setup_links";
    INSERT = "INSERT INTO setup_links (secret_hash, created_at, expires_at) VALUES ($1, $2, $3)";
    TAKE = "UPDATE setup_links SET used_at = $2 \
            WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2";
}

impl Tx {
    /// Makes this the only link.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_setup_link(
        &mut self,
        secret_hash: &str,
        expires_at: Timestamp,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(CLEAR).execute(c).await.map(drop)?);
        on!(self, c => sqlx::query(INSERT)
            .bind(secret_hash).bind(now).bind(expires_at.0).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Uses a link up; `false` when there is none such, or it was used or ended.
    ///
    /// # Errors
    /// What the database says.
    pub async fn take_setup_link(&mut self, secret_hash: &str) -> StoreResult<bool> {
        let now = self.env.now().0;
        let taken = on!(self, c => sqlx::query(TAKE)
            .bind(secret_hash).bind(now).execute(c).await?.rows_affected());
        Ok(taken > 0)
    }
}
