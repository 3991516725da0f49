//! Providers as this installation knows them: what the packs say, kept where queries can reach it.

use connectus_core::Timestamp;
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    PUT = "INSERT INTO providers (name, display_name, category, auth_type, pack_hash, view, \
                                  capabilities, created_at, updated_at) \
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) \
           ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, \
               category = excluded.category, auth_type = excluded.auth_type, \
               pack_hash = excluded.pack_hash, view = excluded.view, \
               capabilities = excluded.capabilities, updated_at = excluded.updated_at, \
               brought = FALSE \
           WHERE providers.pack_hash <> excluded.pack_hash";
    GET = "SELECT name, display_name, category, auth_type, pack_hash, view, capabilities, \
                  created_at, updated_at FROM providers WHERE name = $1 AND NOT brought";
    LIST = "SELECT name, display_name, category, auth_type, pack_hash, view, capabilities, \
                   created_at, updated_at FROM providers \
            WHERE NOT brought AND ($1 = '' OR category = $1) ORDER BY display_name, name";
    HOLD = "INSERT INTO providers (name, display_name, category, auth_type, pack_hash, view, \
                                   capabilities, created_at, updated_at, brought) \
            VALUES ($1, $1, 'other', $2, '', '{}', '{}', $3, $3, TRUE) \
            ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at";
    LET_GO = "DELETE FROM providers WHERE name = $1 AND brought \
              AND NOT EXISTS (SELECT 1 FROM provider_versions v WHERE v.name = $1)";
    BRINGERS = "SELECT COUNT(DISTINCT tenant_id) FROM provider_versions WHERE name = $1";
    USES = "SELECT COUNT(*) FROM integrations WHERE provider = $1";
}

/// A provider as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// The stable name; also its identifier.
    pub name: String,
    /// The name people use.
    pub display_name: String,
    /// The category's stable word.
    pub category: String,
    /// The auth type's stable word.
    pub auth_type: String,
    /// The SHA-256 of the pack it was made from, in hexadecimal.
    pub pack_hash: String,
    /// The provider as the API shows it.
    pub view: Value,
    /// What Connectus can do with it.
    pub capabilities: Value,
    /// When it was first known. [`Tx::put_provider`] sets it by the clock.
    pub created_at: Timestamp,
    /// When its pack last changed.
    pub updated_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    name: String,
    display_name: String,
    category: String,
    auth_type: String,
    pack_hash: String,
    view: String,
    capabilities: String,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Provider {
    type Error = serde_json::Error;

    fn try_from(row: Row) -> Result<Self, serde_json::Error> {
        Ok(Self {
            name: row.name,
            display_name: row.display_name,
            category: row.category,
            auth_type: row.auth_type,
            pack_hash: row.pack_hash,
            view: serde_json::from_str(&row.view)?,
            capabilities: serde_json::from_str(&row.capabilities)?,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
        })
    }
}

impl Tx {
    /// Adds a provider, or replaces it when its pack changed. Says whether anything changed.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_provider(&mut self, provider: &Provider) -> StoreResult<bool> {
        let now = self.env().now().0;
        let (view, capabilities) = (provider.view.to_string(), provider.capabilities.to_string());
        let rows = on!(self, c => sqlx::query(PUT)
            .bind(&provider.name)
            .bind(&provider.display_name)
            .bind(&provider.category)
            .bind(&provider.auth_type)
            .bind(&provider.pack_hash)
            .bind(&view)
            .bind(&capabilities)
            .bind(now)
            .execute(c)
            .await?
            .rows_affected());
        Ok(rows > 0)
    }

    /// Holds the name of a provider that somebody brings, for integrations to refer to.
    ///
    /// # Errors
    /// What the database says.
    pub async fn hold_provider_name(&mut self, name: &str, auth_type: &str) -> StoreResult<()> {
        let now = self.env().now().0;
        on!(self, c => sqlx::query(HOLD)
            .bind(name).bind(auth_type).bind(now).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Lets a name go that nobody's provider has any more.
    ///
    /// # Errors
    /// What the database says.
    pub async fn let_go_provider_name(&mut self, name: &str) -> StoreResult<()> {
        on!(self, c => sqlx::query(LET_GO).bind(name).execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A provider that comes with Connectus, by its name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn provider(&mut self, name: &str) -> StoreResult<Option<Provider>> {
        let row: Option<Row> =
            on!(self, c => sqlx::query_as(GET).bind(name).fetch_optional(c).await?);
        Ok(row.map(Provider::try_from).transpose()?)
    }

    /// How many have brought a provider of this name, tenants and everybody together.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_bringers(&mut self, name: &str) -> StoreResult<u64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(BRINGERS)
            .bind(name).fetch_one(c).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// How many integrations of all tenants use a provider of this name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_provider_uses(&mut self, name: &str) -> StoreResult<u64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(USES).bind(name).fetch_one(c).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// All providers that come with Connectus, or those of one category, by display name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn providers(&mut self, category: Option<&str>) -> StoreResult<Vec<Provider>> {
        let category = category.unwrap_or_default();
        let rows: Vec<Row> =
            on!(self, c => sqlx::query_as(LIST).bind(category).fetch_all(c).await?);
        Ok(rows.into_iter().map(Provider::try_from).collect::<Result<_, _>>()?)
    }
}
