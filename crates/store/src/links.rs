//! Which record here is which thing at the provider, and what was last sent and seen of it.

use connectus_core::{FlowId, TenantCtx, Timestamp, canonical::Digest, collection::CollectionName};
use serde_json::{Map, Value, json};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Split, Tx},
    error::StoreResult,
    sql::{dialects, on, sql},
};

macro_rules! links {
    ($condition:literal) => {
        concat!(
            "SELECT key, remote_id, matching, here, there, state FROM flow_links \
             WHERE tenant_id = $1 AND flow_id = $2 AND ",
            $condition
        )
    };
}

macro_rules! on_conflict {
    () => {
        " ON CONFLICT (tenant_id, flow_id, key) DO UPDATE SET remote_id = excluded.remote_id, \
         matching = excluded.matching, match_key = excluded.match_key, \
         here = excluded.here, there = excluded.there, \
         state = excluded.state, updated_at = excluded.updated_at"
    };
}

sql! {
    SENDING = links!("state = 'sending' AND key > $3 ORDER BY key LIMIT $4");
    GONE = links!("state IN ('linked', 'undecided') AND remote_id <> '' AND updated_at < $3 \
                   AND key > $4 ORDER BY key LIMIT $5");
    COUNT_GONE = "SELECT COUNT(*) FROM flow_links WHERE tenant_id = $1 AND flow_id = $2 \
                  AND state IN ('linked', 'undecided') AND remote_id <> '' AND updated_at < $3";
    ORPHANED = links!("state = 'linked' AND remote_id <> '' AND key > $4 AND NOT EXISTS (\
                       SELECT 1 FROM records r WHERE r.tenant_id = $1 AND r.collection = $3 \
                       AND r.key = flow_links.key) ORDER BY key LIMIT $5");
    COUNT_ORPHANED = "SELECT COUNT(*) FROM flow_links WHERE tenant_id = $1 AND flow_id = $2 \
                      AND state = 'linked' AND remote_id <> '' AND NOT EXISTS (\
                      SELECT 1 FROM records r WHERE r.tenant_id = $1 AND r.collection = $3 \
                      AND r.key = flow_links.key)";
    COUNT = "SELECT COUNT(*) FROM flow_links WHERE tenant_id = $1 AND flow_id = $2";
    CLEAR = "DELETE FROM flow_links WHERE tenant_id = $1 AND flow_id = $2";
}

dialects! {
    BY_KEYS = links!("key IN (SELECT value FROM json_each($3))"),
        links!("key = ANY($3)");
    BY_REMOTE = links!("remote_id <> '' AND remote_id IN (SELECT value FROM json_each($3))"),
        links!("remote_id <> '' AND remote_id = ANY($3)");
    BY_MATCHING = links!("match_key <> '' AND match_key IN (SELECT value FROM json_each($3))"),
        links!("match_key <> '' AND match_key = ANY($3)");
    TOUCH =
        "UPDATE flow_links SET updated_at = $4 WHERE tenant_id = $1 AND flow_id = $2 \
         AND remote_id <> '' AND remote_id IN (SELECT value FROM json_each($3))",
        "UPDATE flow_links SET updated_at = $4 WHERE tenant_id = $1 AND flow_id = $2 \
         AND remote_id <> '' AND remote_id = ANY($3)";
    PUT = concat!(
        "INSERT INTO flow_links (tenant_id, flow_id, key, remote_id, matching, here, there, state, \
         match_key, updated_at) SELECT $1, $2, value ->> 0, value ->> 1, value ->> 2, \
         value ->> 3, value ->> 4, value ->> 5, value ->> 6, $4 \
         FROM json_each($3) WHERE TRUE", on_conflict!()),
        concat!(
        "INSERT INTO flow_links (tenant_id, flow_id, key, remote_id, matching, here, there, state, \
         match_key, updated_at) SELECT $1, $2, value ->> 0, value ->> 1, value ->> 2, \
         value ->> 3, value ->> 4, value ->> 5, value ->> 6, $4 \
         FROM json_array_elements(CAST($3 AS JSON))", on_conflict!());
    DROP = "DELETE FROM flow_links WHERE tenant_id = $1 AND flow_id = $2 \
            AND key IN (SELECT value FROM json_each($3))",
        "DELETE FROM flow_links WHERE tenant_id = $1 AND flow_id = $2 AND key = ANY($3)";
    UNLINKED =
        "SELECT r.key, lower(r.data ->> $4) FROM records r \
         WHERE r.tenant_id = $1 AND r.collection = $2 \
         AND lower(r.data ->> $4) IN (SELECT value FROM json_each($5)) \
         AND NOT EXISTS (SELECT 1 FROM flow_links l \
         WHERE l.tenant_id = $1 AND l.flow_id = $3 AND l.key = r.key) ORDER BY r.key",
        "SELECT r.key, lower(CAST(r.data AS JSONB) ->> $4 COLLATE \"C\") FROM records r \
         WHERE r.tenant_id = $1 AND r.collection = $2 \
         AND lower(CAST(r.data AS JSONB) ->> $4 COLLATE \"C\") = ANY($5) \
         AND NOT EXISTS (SELECT 1 FROM flow_links l \
         WHERE l.tenant_id = $1 AND l.flow_id = $3 AND l.key = r.key) ORDER BY r.key";
}

/// How a link stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// It is being sent for the first time: whether the provider has made it is not known.
    #[default]
    Sending,
    /// Both sides are known.
    Linked,
    /// Both sides changed, and a person decides.
    Undecided,
    /// The provider's side is gone.
    Gone,
}

impl LinkState {
    const fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Linked => "linked",
            Self::Undecided => "undecided",
            Self::Gone => "gone",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "linked" => Self::Linked,
            "undecided" => Self::Undecided,
            "gone" => Self::Gone,
            _ => Self::Sending,
        }
    }
}

/// A record here and a thing at the provider that are the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The record's key.
    pub key: String,
    /// The provider's id; empty while unknown.
    pub remote_id: String,
    /// The value that says which of the provider's things it is; empty: none is known.
    pub matching: String,
    /// What the provider was last known to hold of what is sent; none: the whole is to be sent.
    pub here: Option<Map<String, Value>>,
    /// The digest of what the provider's thing was last mapped to.
    pub there: Option<Digest>,
    /// How it stands.
    pub state: LinkState,
}

#[derive(FromRow)]
struct Row {
    key: String,
    remote_id: String,
    matching: String,
    here: String,
    there: String,
    state: String,
}

impl Row {
    fn link(self) -> StoreResult<Link> {
        let here = (!self.here.is_empty()).then(|| serde_json::from_str(&self.here));
        Ok(Link {
            key: self.key,
            remote_id: self.remote_id,
            matching: self.matching,
            here: here.transpose()?,
            there: Digest::parse(&self.there),
            state: LinkState::read(&self.state),
        })
    }
}

/// A value by which things are matched, as it is compared: in small letters.
pub fn match_key(matching: &str) -> String {
    matching.trim().to_ascii_lowercase()
}

/// By what links are looked up.
#[derive(Clone, Copy, Debug)]
pub enum LinkBy {
    /// The record's key.
    Key,
    /// The provider's id.
    Remote,
    /// The value that says which thing it is, as [`match_key`] writes it.
    Matching,
}

impl Conn {
    /// The links of a flow that have one of these values.
    ///
    /// # Errors
    /// What the database says.
    pub async fn links(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        by: LinkBy,
        values: &[&str],
    ) -> StoreResult<Vec<Link>> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let text = match by {
            LinkBy::Key => BY_KEYS,
            LinkBy::Remote => BY_REMOTE,
            LinkBy::Matching => BY_MATCHING,
        };
        let (tenant, flow) = (ctx.tenant().as_str(), flow.as_str());
        let rows: Vec<Row> = match self.split() {
            Split::Sqlite(c) => {
                sqlx::query_as(text.sqlite)
                    .bind(tenant)
                    .bind(flow)
                    .bind(serde_json::to_string(values)?)
                    .fetch_all(c)
                    .await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(text.postgres)
                    .bind(tenant)
                    .bind(flow)
                    .bind(values)
                    .fetch_all(c)
                    .await?
            }
        };
        rows.into_iter().map(Row::link).collect()
    }

    /// Links of records of which it is not known whether the provider has made them, by key,
    /// behind `after`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn links_in_sending(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Link>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(SENDING)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).bind(after).bind(i64::from(limit))
            .fetch_all(c).await?);
        rows.into_iter().map(Row::link).collect()
    }

    /// Links whose things were not seen since, by key, behind `after`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn links_gone(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        since: Timestamp,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Link>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(GONE)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).bind(since.0).bind(after)
            .bind(i64::from(limit)).fetch_all(c).await?);
        rows.into_iter().map(Row::link).collect()
    }

    /// How many links' things were not seen since.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_links_gone(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        since: Timestamp,
    ) -> StoreResult<u64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT_GONE)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).bind(since.0).fetch_one(c).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Links whose records are gone, by key, behind `after`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn links_orphaned(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        collection: &CollectionName,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Link>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(ORPHANED)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).bind(collection.as_str()).bind(after)
            .bind(i64::from(limit)).fetch_all(c).await?);
        rows.into_iter().map(Row::link).collect()
    }

    /// How many links' records are gone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_links_orphaned(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        collection: &CollectionName,
    ) -> StoreResult<u64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT_ORPHANED)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).bind(collection.as_str())
            .fetch_one(c).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// How many records of a flow are linked.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_links(&mut self, ctx: &TenantCtx, flow: &FlowId) -> StoreResult<u64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).fetch_one(c).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The keys of records that a flow has not linked and whose `field` has one of these values,
    /// as [`match_key`] writes them; each with its value.
    ///
    /// # Errors
    /// What the database says.
    pub async fn unlinked_records(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        flow: &FlowId,
        field: &str,
        values: &[&str],
    ) -> StoreResult<Vec<(String, String)>> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let (tenant, name, flow) = (ctx.tenant().as_str(), collection.as_str(), flow.as_str());
        Ok(match self.split() {
            Split::Sqlite(c) => {
                sqlx::query_as(UNLINKED.sqlite)
                    .bind(tenant)
                    .bind(name)
                    .bind(flow)
                    .bind(field)
                    .bind(serde_json::to_string(values)?)
                    .fetch_all(c)
                    .await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(UNLINKED.postgres)
                    .bind(tenant)
                    .bind(name)
                    .bind(flow)
                    .bind(field)
                    .bind(values)
                    .fetch_all(c)
                    .await?
            }
        })
    }
}

impl Tx {
    /// Writes links, adding or replacing; keys must be distinct.
    ///
    /// # Errors
    /// `conflict` when two records were linked with one thing.
    pub async fn put_links(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        links: &[Link],
    ) -> StoreResult<()> {
        if links.is_empty() {
            return Ok(());
        }
        let now = self.env.now().0;
        let rows: Vec<Value> = links
            .iter()
            .map(|link| {
                let here = link.here.as_ref().map(serde_json::to_string).transpose()?;
                let there = link.there.map(|digest| digest.to_string());
                let (here, there) = (here.unwrap_or_default(), there.unwrap_or_default());
                let state = link.state.name();
                let (id, matching) = (&link.remote_id, &link.matching);
                let low = match_key(matching);
                Ok(json!([link.key, id, matching, here, there, state, low]))
            })
            .collect::<StoreResult<_>>()?;
        let rows = Value::Array(rows).to_string();
        let (tenant, flow) = (ctx.tenant().as_str(), flow.as_str());
        match self.split() {
            Split::Sqlite(c) => {
                let query = sqlx::query(PUT.sqlite).bind(tenant).bind(flow).bind(rows).bind(now);
                query.execute(c).await.map(drop)?;
            }
            Split::Postgres(c) => {
                let query = sqlx::query(PUT.postgres).bind(tenant).bind(flow).bind(rows).bind(now);
                query.execute(c).await.map(drop)?;
            }
        }
        Ok(())
    }

    /// Notes that these things of the provider's were seen just now.
    ///
    /// # Errors
    /// What the database says.
    pub async fn touch_links(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        remote_ids: &[&str],
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        let (tenant, flow) = (ctx.tenant().as_str(), flow.as_str());
        match self.split() {
            Split::Sqlite(c) => {
                let ids = serde_json::to_string(remote_ids)?;
                let query = sqlx::query(TOUCH.sqlite).bind(tenant).bind(flow).bind(ids).bind(now);
                query.execute(c).await.map(drop)?;
            }
            Split::Postgres(c) => {
                let query = sqlx::query(TOUCH.postgres).bind(tenant).bind(flow).bind(remote_ids);
                query.bind(now).execute(c).await.map(drop)?;
            }
        }
        Ok(())
    }

    /// Forgets the links of these records.
    ///
    /// # Errors
    /// What the database says.
    pub async fn drop_links(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        keys: &[&str],
    ) -> StoreResult<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let (tenant, flow) = (ctx.tenant().as_str(), flow.as_str());
        match self.split() {
            Split::Sqlite(c) => {
                let keys = serde_json::to_string(keys)?;
                let query = sqlx::query(DROP.sqlite).bind(tenant).bind(flow).bind(keys);
                query.execute(c).await.map(drop)?;
            }
            Split::Postgres(c) => {
                let query = sqlx::query(DROP.postgres).bind(tenant).bind(flow).bind(keys);
                query.execute(c).await.map(drop)?;
            }
        }
        Ok(())
    }

    /// Forgets all links of a flow: it goes to another place now.
    ///
    /// # Errors
    /// What the database says.
    pub async fn clear_links(&mut self, ctx: &TenantCtx, flow: &FlowId) -> StoreResult<()> {
        on!(self, c => sqlx::query(CLEAR)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }
}
