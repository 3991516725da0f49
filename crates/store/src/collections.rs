//! Collections: named sets of records kept inside Connectus.

use connectus_core::{
    Page, TenantCtx, TenantId, Timestamp,
    collection::{BUILT_IN, Collection, CollectionName},
    page::Listing,
};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    ENSURE = "INSERT INTO collections (tenant_id, name, created_at, updated_at) \
              VALUES ($1, $2, $3, $3) ON CONFLICT (tenant_id, name) DO NOTHING";
    LOCK = "UPDATE collections SET updated_at = updated_at WHERE tenant_id = $1 AND name = $2";
    TOUCH = "UPDATE collections SET updated_at = $3 WHERE tenant_id = $1 AND name = $2";
    GET = "SELECT tenant_id, name, created_at, updated_at, \
           (SELECT COUNT(*) FROM records r WHERE r.tenant_id = c.tenant_id \
            AND r.collection = c.name) AS records \
           FROM collections c WHERE tenant_id = $1 AND name = $2";
    LIST = "SELECT tenant_id, name, created_at, updated_at, \
            (SELECT COUNT(*) FROM records r WHERE r.tenant_id = c.tenant_id \
             AND r.collection = c.name) AS records \
            FROM collections c WHERE tenant_id = $1 ORDER BY name LIMIT $2 OFFSET $3";
    COUNT = "SELECT COUNT(*) FROM collections WHERE tenant_id = $1";
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    name: String,
    created_at: i64,
    updated_at: i64,
    records: i64,
}

impl Row {
    fn collection(self) -> StoreResult<Collection> {
        Ok(Collection {
            tenant: TenantId::trusted(self.tenant_id),
            name: self.name.parse()?,
            records: u64::try_from(self.records).unwrap_or_default(),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

impl Tx {
    /// Makes sure that a collection exists, and locks it. True when it was made now.
    ///
    /// # Errors
    /// What the database says.
    pub async fn ensure_collection(
        &mut self,
        ctx: &TenantCtx,
        name: &CollectionName,
    ) -> StoreResult<bool> {
        let made = self.insert_collection(ctx.tenant(), name.as_str()).await?;
        if !made {
            self.lock_collection(ctx, name).await?;
        }
        Ok(made)
    }

    /// Gives a tenant just made the collection that everyone has.
    pub(crate) async fn insert_built_in_collection(
        &mut self,
        tenant: &TenantId,
    ) -> StoreResult<()> {
        self.insert_collection(tenant, &format!("{BUILT_IN}/contacts")).await.map(drop)
    }

    async fn insert_collection(&mut self, tenant: &TenantId, name: &str) -> StoreResult<bool> {
        let now = self.env.now().0;
        let made = on!(self, c => sqlx::query(ENSURE)
            .bind(tenant.as_str()).bind(name).bind(now)
            .execute(c).await?.rows_affected());
        Ok(made == 1)
    }

    /// Keeps other transactions from writing to a collection until this one ends. Whoever reads
    /// a record, and writes what follows from it, locks its collection first: on PostgreSQL two
    /// transactions would else both read before either writes. False when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn lock_collection(
        &mut self,
        ctx: &TenantCtx,
        name: &CollectionName,
    ) -> StoreResult<bool> {
        let found = on!(self, c => sqlx::query(LOCK)
            .bind(ctx.tenant().as_str()).bind(name.as_str())
            .execute(c).await?.rows_affected());
        Ok(found == 1)
    }

    /// Notes that a record of the collection changed now.
    ///
    /// # Errors
    /// What the database says.
    pub async fn touch_collection(
        &mut self,
        ctx: &TenantCtx,
        name: &CollectionName,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(TOUCH)
            .bind(ctx.tenant().as_str()).bind(name.as_str()).bind(now)
            .execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A collection with the number of its records.
    ///
    /// # Errors
    /// What the database says.
    pub async fn collection(
        &mut self,
        ctx: &TenantCtx,
        name: &CollectionName,
    ) -> StoreResult<Option<Collection>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(name.as_str()).fetch_optional(c).await?);
        row.map(Row::collection).transpose()
    }

    /// The tenant's collections, by name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn collections(
        &mut self,
        ctx: &TenantCtx,
        page: Page,
    ) -> StoreResult<Listing<Collection>> {
        let tenant = ctx.tenant().as_str();
        let (total,): (i64,) =
            on!(self, c => sqlx::query_as(COUNT).bind(tenant).fetch_one(c).await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST)
            .bind(tenant)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().map(Row::collection).collect::<StoreResult<_>>()?;
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }
}
