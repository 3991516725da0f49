//! Facts about this installation: the master key's check value, set-up state.

use connectus_core::Result;
use futures::FutureExt;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
    store::Store,
};

sql! {
    GET = "SELECT value FROM installation WHERE name = $1";
    PUT = "INSERT INTO installation (name, value) VALUES ($1, $2) \
           ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    FORGET = "DELETE FROM installation WHERE name = $1";
}

const MASTER_KEY_CHECK: &str = "master_key_check";

impl Conn {
    /// A fact, if it was recorded.
    ///
    /// # Errors
    /// What the database says.
    pub async fn installation_fact(&mut self, name: &str) -> StoreResult<Option<String>> {
        let row: Option<(String,)> =
            on!(self, c => sqlx::query_as(GET).bind(name).fetch_optional(c).await?);
        Ok(row.map(|(value,)| value))
    }
}

impl Tx {
    /// Records a fact, replacing an earlier value.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_installation_fact(&mut self, name: &str, value: &str) -> StoreResult<()> {
        on!(self, c => sqlx::query(PUT).bind(name).bind(value).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Forgets a fact.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_installation_fact(&mut self, name: &str) -> StoreResult<()> {
        on!(self, c => sqlx::query(FORGET).bind(name).execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Store {
    /// Recognises a wrong master key before anything is written with it.
    pub(crate) async fn check_master_key(&self) -> Result<()> {
        let known = self.read().await?.installation_fact(MASTER_KEY_CHECK).await?;
        if let Some(value) = known {
            return self.sealer().verify_check_value(&value);
        }
        let value = self.sealer().check_value()?;
        self.write(move |tx| {
            async move { Ok(tx.put_installation_fact(MASTER_KEY_CHECK, &value).await?) }.boxed()
        })
        .await
    }
}
