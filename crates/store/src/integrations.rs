//! Integrations: a tenant's connections to providers. Their secrets are in `credentials`.

use connectus_core::{
    EndpointId, Error, IntegrationId, Page, TenantCtx, TenantId, Timestamp, UserId,
    integration::{Integration, IntegrationStatus},
    page::Listing,
};
use serde_json::{Map, Value};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    credentials::CredentialState,
    error::StoreResult,
    sql::{on, sql},
};

/// What every read of an integration selects; `$2` is today.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.provider, i.provider_version, i.name, i.status, p.auth_type, ",
            "c.kind AS credential_kind, c.state AS credential_state, ",
            "c.fields AS credential_fields, c.expires_at AS credential_expires_at, ",
            "c.updated_at AS credential_updated_at, w.id AS endpoint_id, i.settings, ",
            "i.sync_config, i.health_score, COALESCE(u.used, u.calls, 0) AS calls_today, ",
            "i.api_calls_limit, i.last_error, i.created_by, i.version, i.created_at, ",
            "i.updated_at, (SELECT MAX(f.last_synced_at) FROM data_flows f ",
            "WHERE f.tenant_id = i.tenant_id AND f.integration_id = i.id) AS last_sync_at ",
            "FROM integrations i JOIN providers p ON p.name = i.provider ",
            "LEFT JOIN credentials c ON c.tenant_id = i.tenant_id AND c.integration_id = i.id ",
            "LEFT JOIN api_usage u ON u.tenant_id = i.tenant_id AND u.integration_id = i.id ",
            "AND u.day = $2 LEFT JOIN webhook_endpoints w ON w.tenant_id = i.tenant_id ",
            "AND w.integration_id = i.id WHERE i.tenant_id = $1 ",
            $rest
        )
    };
}

sql! {
    GET = select!("AND i.id = $3");
    LIST = select!("AND ($3 = '' OR i.provider = $3) AND ($4 = '' OR i.status = $4) \
                    AND ($5 = '' OR i.created_by = $5) \
                    ORDER BY i.created_at DESC, i.id DESC LIMIT $6 OFFSET $7");
    COUNT = "SELECT COUNT(*) FROM integrations i WHERE i.tenant_id = $1 \
             AND ($2 = '' OR i.provider = $2) AND ($3 = '' OR i.status = $3) \
             AND ($4 = '' OR i.created_by = $4)";
    INSERT = "INSERT INTO integrations (tenant_id, id, provider, name, status, settings, \
                  sync_config, health_score, api_calls_limit, created_by, created_at, updated_at, \
                  provider_version) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)";
    UPDATE = "UPDATE integrations SET name = $4, status = $5, settings = $6, sync_config = $7, \
                  api_calls_limit = $8, last_error = $9, version = version + 1, updated_at = $10, \
                  provider_version = $11 \
              WHERE tenant_id = $1 AND id = $2 AND version = $3 RETURNING version";
    SET_STATUS = "UPDATE integrations SET status = $3, last_error = $4, version = version + 1, \
                      updated_at = $5 \
                  WHERE tenant_id = $1 AND id = $2 \
                  AND (status <> $3 OR COALESCE(last_error, '') <> COALESCE($4, ''))";
    SET_SCORE = "UPDATE integrations SET health_score = $3 \
                 WHERE tenant_id = $1 AND id = $2 AND health_score <> $3";
    DELETE = "DELETE FROM integrations WHERE tenant_id = $1 AND id = $2";
}

/// Which integrations a listing shows. `None` does not filter.
#[derive(Clone, Debug, Default)]
pub struct IntegrationFilter {
    /// Of this provider.
    pub provider: Option<String>,
    /// In this status.
    pub status: Option<IntegrationStatus>,
    /// Created by this person.
    pub created_by: Option<UserId>,
}

impl IntegrationFilter {
    /// The filter as the statements take it; an empty text does not filter.
    fn texts(&self) -> (&str, &'static str, &str) {
        let provider = self.provider.as_deref().unwrap_or_default();
        let status = self.status.map(IntegrationStatus::name).unwrap_or_default();
        let creator = self.created_by.as_ref().map(UserId::as_str).unwrap_or_default();
        (provider, status, creator)
    }
}

/// An integration with what may be told about its credential.
#[derive(Clone, Debug)]
pub struct IntegrationView {
    /// The integration.
    pub integration: Integration,
    /// Its credential, without the secrets.
    pub credential: Option<CredentialSummary>,
    /// The address at which its provider delivers webhooks.
    pub endpoint: Option<EndpointId>,
    /// How its provider is connected to: the stable word.
    pub auth_type: String,
    /// When one of its data flows last synced.
    pub last_sync_at: Option<Timestamp>,
}

/// What may be told about a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSummary {
    /// The pack's sign-in method it belongs to.
    pub kind: String,
    /// Whether it can be used.
    pub state: CredentialState,
    /// Names of the fields that hold something.
    pub fields: Vec<String>,
    /// When the access token ends, where it does.
    pub expires_at: Option<Timestamp>,
    /// When the secrets last changed.
    pub updated_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: String,
    provider: String,
    provider_version: Option<i64>,
    name: String,
    status: String,
    auth_type: String,
    credential_kind: Option<String>,
    credential_state: Option<String>,
    credential_fields: Option<String>,
    credential_expires_at: Option<i64>,
    credential_updated_at: Option<i64>,
    endpoint_id: Option<String>,
    settings: String,
    sync_config: String,
    health_score: i64,
    calls_today: i64,
    api_calls_limit: i64,
    last_error: Option<String>,
    created_by: Option<String>,
    version: i64,
    created_at: i64,
    updated_at: i64,
    last_sync_at: Option<i64>,
}

impl Row {
    fn view(self, tenant: &TenantId) -> StoreResult<IntegrationView> {
        let credential = self.credential()?;
        let endpoint = self.endpoint_id.clone().map(EndpointId::trusted);
        let (auth_type, last_sync_at) = (self.auth_type.clone(), self.last_sync_at.map(Timestamp));
        let integration = self.integration(tenant)?;
        Ok(IntegrationView { integration, credential, endpoint, auth_type, last_sync_at })
    }

    fn credential(&self) -> StoreResult<Option<CredentialSummary>> {
        let (Some(kind), Some(state)) = (&self.credential_kind, &self.credential_state) else {
            return Ok(None);
        };
        Ok(Some(CredentialSummary {
            kind: kind.clone(),
            state: CredentialState::read(state)?,
            fields: serde_json::from_str(self.credential_fields.as_deref().unwrap_or("[]"))?,
            expires_at: self.credential_expires_at.map(Timestamp),
            updated_at: Timestamp(self.credential_updated_at.unwrap_or_default()),
        }))
    }

    fn integration(self, tenant: &TenantId) -> StoreResult<Integration> {
        Ok(Integration {
            id: IntegrationId::trusted(self.id),
            tenant: tenant.clone(),
            provider: self.provider,
            provider_version: self.provider_version.and_then(|v| u64::try_from(v).ok()),
            name: self.name,
            status: self.status.parse::<IntegrationStatus>().map_err(Error::internal)?,
            settings: serde_json::from_str(&self.settings)?,
            sync_config: serde_json::from_str(&self.sync_config)?,
            health_score: u8::try_from(self.health_score.clamp(0, 100)).unwrap_or(0),
            api_calls_today: u64::try_from(self.calls_today).unwrap_or(0),
            api_calls_limit: u64::try_from(self.api_calls_limit).unwrap_or(0),
            last_error: self.last_error,
            created_by: self.created_by.map(UserId::trusted),
            version: u64::try_from(self.version).unwrap_or(1),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

/// A JSON object as its column holds it.
fn column(map: &Map<String, Value>) -> serde_json::Result<String> {
    serde_json::to_string(map)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Conn {
    /// An integration. Today's calls are counted in views only; here they are 0.
    ///
    /// # Errors
    /// What the database says.
    pub async fn integration(
        &mut self,
        ctx: &TenantCtx,
        id: &IntegrationId,
    ) -> StoreResult<Option<Integration>> {
        let view = self.integration_view(ctx, id, Timestamp::default()).await?;
        Ok(view.map(|view| view.integration))
    }

    /// The integrations of one provider, newest first, without today's calls.
    ///
    /// # Errors
    /// What the database says.
    pub async fn integrations_of(
        &mut self,
        ctx: &TenantCtx,
        provider: &str,
        page: Page,
    ) -> StoreResult<Vec<Integration>> {
        let provider = Some(provider.to_owned());
        let filter = IntegrationFilter { provider, ..IntegrationFilter::default() };
        let views = self.integrations(ctx, &filter, page, Timestamp::default()).await?;
        Ok(views.items.into_iter().map(|view| view.integration).collect())
    }

    /// An integration with what may be told about its credential. `today` is the day whose calls
    /// are counted.
    ///
    /// # Errors
    /// What the database says.
    pub async fn integration_view(
        &mut self,
        ctx: &TenantCtx,
        id: &IntegrationId,
        today: Timestamp,
    ) -> StoreResult<Option<IntegrationView>> {
        let day = today.day();
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(&day).bind(id.as_str()).fetch_optional(c).await?);
        row.map(|row| row.view(ctx.tenant())).transpose()
    }

    /// A page of integrations, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn integrations(
        &mut self,
        ctx: &TenantCtx,
        filter: &IntegrationFilter,
        page: Page,
        today: Timestamp,
    ) -> StoreResult<Listing<IntegrationView>> {
        let total_count = self.count_integrations(ctx, filter).await?;
        let (tenant, day) = (ctx.tenant().as_str(), today.day());
        let (provider, status, creator) = filter.texts();
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST)
            .bind(tenant)
            .bind(&day)
            .bind(provider)
            .bind(status)
            .bind(creator)
            .bind(i64::from(page.limit))
            .bind(signed(page.offset))
            .fetch_all(c)
            .await?);
        let items =
            rows.into_iter().map(|row| row.view(ctx.tenant())).collect::<StoreResult<_>>()?;
        Ok(Listing { items, total_count })
    }

    /// How many integrations a filter matches.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_integrations(
        &mut self,
        ctx: &TenantCtx,
        filter: &IntegrationFilter,
    ) -> StoreResult<u64> {
        let (provider, status, creator) = filter.texts();
        let (total,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(ctx.tenant().as_str())
            .bind(provider)
            .bind(status)
            .bind(creator)
            .fetch_one(c)
            .await?);
        Ok(u64::try_from(total).unwrap_or_default())
    }
}

impl Tx {
    /// Adds an integration.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_integration(&mut self, new: &Integration) -> StoreResult<()> {
        let (settings, sync) = (column(&new.settings)?, column(&new.sync_config)?);
        on!(self, c => sqlx::query(INSERT)
            .bind(new.tenant.as_str())
            .bind(new.id.as_str())
            .bind(&new.provider)
            .bind(&new.name)
            .bind(new.status.name())
            .bind(&settings)
            .bind(&sync)
            .bind(i64::from(new.health_score))
            .bind(signed(new.api_calls_limit))
            .bind(new.created_by.as_ref().map(UserId::as_str))
            .bind(new.created_at.0)
            .bind(new.provider_version.map(signed))
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Writes what people may change, when the row still has the version of `changed`. Answers
    /// the new version; `None` when the row has moved on.
    ///
    /// # Errors
    /// What the database says.
    pub async fn update_integration(&mut self, changed: &Integration) -> StoreResult<Option<u64>> {
        let now = self.env().now().0;
        let (settings, sync) = (column(&changed.settings)?, column(&changed.sync_config)?);
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as(UPDATE)
            .bind(changed.tenant.as_str())
            .bind(changed.id.as_str())
            .bind(signed(changed.version))
            .bind(&changed.name)
            .bind(changed.status.name())
            .bind(&settings)
            .bind(&sync)
            .bind(signed(changed.api_calls_limit))
            .bind(changed.last_error.as_deref())
            .bind(now)
            .bind(changed.provider_version.map(signed))
            .fetch_optional(c)
            .await?);
        Ok(row.map(|(version,)| u64::try_from(version).unwrap_or_default()))
    }

    /// Moves an integration to a status with its newest error. Says whether anything changed.
    ///
    /// # Errors
    /// What the database says.
    pub async fn set_integration_status(
        &mut self,
        ctx: &TenantCtx,
        id: &IntegrationId,
        status: IntegrationStatus,
        last_error: Option<&str>,
    ) -> StoreResult<bool> {
        let now = self.env().now().0;
        let rows = on!(self, c => sqlx::query(SET_STATUS)
            .bind(ctx.tenant().as_str())
            .bind(id.as_str())
            .bind(status.name())
            .bind(last_error)
            .bind(now)
            .execute(c)
            .await?
            .rows_affected());
        Ok(rows > 0)
    }

    /// Stores a health score. Says whether it moved.
    ///
    /// # Errors
    /// What the database says.
    pub async fn set_health_score(
        &mut self,
        ctx: &TenantCtx,
        id: &IntegrationId,
        score: u8,
    ) -> StoreResult<bool> {
        let rows = on!(self, c => sqlx::query(SET_SCORE)
            .bind(ctx.tenant().as_str())
            .bind(id.as_str())
            .bind(i64::from(score))
            .execute(c)
            .await?
            .rows_affected());
        Ok(rows > 0)
    }

    /// Removes an integration with everything that hangs on it: credential, webhook address, data
    /// flows, workflows, usage and health log. Says whether it was there.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_integration(
        &mut self,
        ctx: &TenantCtx,
        id: &IntegrationId,
    ) -> StoreResult<bool> {
        let rows = on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).execute(c).await?.rows_affected());
        Ok(rows > 0)
    }
}
