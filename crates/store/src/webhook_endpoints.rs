//! Addresses at which providers deliver webhooks, with the sealed secrets that verify a delivery.

use connectus_core::{EndpointId, IntegrationId, TenantCtx, Timestamp};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    seal::Place,
    sql::{on, sql},
};

sql! {
    PUT = "INSERT INTO webhook_endpoints (tenant_id, id, integration_id, provider, sealed, \
                                          created_at) \
           VALUES ($1, $2, $3, $4, $5, $6) \
           ON CONFLICT (tenant_id, id) DO UPDATE SET sealed = excluded.sealed";
    GET = "SELECT id, integration_id, provider, sealed, created_at FROM webhook_endpoints \
           WHERE tenant_id = $1 AND id = $2";
    OF_INTEGRATION = "SELECT id, integration_id, provider, sealed, created_at \
                      FROM webhook_endpoints WHERE tenant_id = $1 AND integration_id = $2";
    OF_TENANT = "SELECT integration_id, id FROM webhook_endpoints WHERE tenant_id = $1";
}

/// An address at which a provider delivers webhooks.
#[derive(Clone, Debug)]
pub struct WebhookEndpoint {
    /// Identifier, the last part of the address. Random, so that nobody guesses it.
    pub id: EndpointId,
    /// The integration it belongs to.
    pub integration: IntegrationId,
    /// The provider that delivers to it.
    pub provider: String,
    /// The sealed JSON object of the secrets that verify a delivery.
    pub sealed: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl WebhookEndpoint {
    /// The place its secrets are sealed for.
    pub fn place(id: &EndpointId) -> Place<'_> {
        Place { table: "webhook_endpoints", row: id.as_str(), column: "sealed" }
    }
}

#[derive(FromRow)]
struct Row {
    id: String,
    integration_id: String,
    provider: String,
    sealed: String,
    created_at: i64,
}

impl From<Row> for WebhookEndpoint {
    fn from(row: Row) -> Self {
        Self {
            id: EndpointId::trusted(row.id),
            integration: IntegrationId::trusted(row.integration_id),
            provider: row.provider,
            sealed: row.sealed,
            created_at: Timestamp(row.created_at),
        }
    }
}

impl Conn {
    /// The endpoint of an address.
    ///
    /// # Errors
    /// What the database says.
    pub async fn webhook_endpoint(
        &mut self,
        ctx: &TenantCtx,
        id: &EndpointId,
    ) -> StoreResult<Option<WebhookEndpoint>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        Ok(row.map(WebhookEndpoint::from))
    }

    /// The endpoint of an integration.
    ///
    /// # Errors
    /// What the database says.
    pub async fn webhook_endpoint_of(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
    ) -> StoreResult<Option<WebhookEndpoint>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(OF_INTEGRATION)
            .bind(ctx.tenant().as_str()).bind(integration.as_str()).fetch_optional(c).await?);
        Ok(row.map(WebhookEndpoint::from))
    }

    /// Which endpoint each integration of the tenant has.
    ///
    /// # Errors
    /// What the database says.
    pub async fn webhook_endpoint_ids(
        &mut self,
        ctx: &TenantCtx,
    ) -> StoreResult<Vec<(IntegrationId, EndpointId)>> {
        let rows: Vec<(String, String)> = on!(self, c => sqlx::query_as(OF_TENANT)
            .bind(ctx.tenant().as_str()).fetch_all(c).await?);
        let ids =
            |(integration, id)| (IntegrationId::trusted(integration), EndpointId::trusted(id));
        Ok(rows.into_iter().map(ids).collect())
    }
}

impl Tx {
    /// Adds an endpoint, or replaces its secrets.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_webhook_endpoint(
        &mut self,
        ctx: &TenantCtx,
        endpoint: &WebhookEndpoint,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(PUT)
            .bind(ctx.tenant().as_str())
            .bind(endpoint.id.as_str())
            .bind(endpoint.integration.as_str())
            .bind(&endpoint.provider)
            .bind(&endpoint.sealed)
            .bind(endpoint.created_at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }
}
