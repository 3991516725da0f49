//! Sealed credentials of integrations, and the lease under which one process refreshes one.

use connectus_core::{CredentialId, Error, IntegrationId, TenantCtx, Timestamp};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    seal::Place,
    sql::{on, sql},
};

sql! {
    GET = "SELECT id, kind, state, sealed, fields, origin, expires_at, refreshing_since, \
                  refresh_attempts, generation, created_at, updated_at \
           FROM credentials WHERE tenant_id = $1 AND integration_id = $2";
    PUT = "INSERT INTO credentials (tenant_id, integration_id, id, kind, state, sealed, fields, \
               origin, expires_at, created_at, updated_at) \
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) \
           ON CONFLICT (tenant_id, integration_id) DO UPDATE SET id = excluded.id, \
               kind = excluded.kind, state = excluded.state, sealed = excluded.sealed, \
               fields = excluded.fields, origin = excluded.origin, \
               expires_at = excluded.expires_at, refreshing_since = NULL, refresh_attempts = 0, \
               generation = credentials.generation + 1, updated_at = excluded.updated_at";
    LEASE = "UPDATE credentials SET refreshing_since = $4, \
                 refresh_attempts = refresh_attempts + 1 \
             WHERE tenant_id = $1 AND integration_id = $2 AND generation = $3 \
             AND state <> 'pending' AND (refreshing_since IS NULL OR refreshing_since < $5) \
             RETURNING refresh_attempts";
    RELEASE = "UPDATE credentials SET refreshing_since = NULL, refresh_attempts = 0 \
               WHERE tenant_id = $1 AND integration_id = $2 AND generation = $3 \
               AND refreshing_since = $4";
    REFRESHED = "UPDATE credentials SET state = 'active', sealed = $5, fields = $6, \
                     expires_at = $7, refreshing_since = NULL, refresh_attempts = 0, \
                     generation = generation + 1, updated_at = $8 \
                 WHERE tenant_id = $1 AND integration_id = $2 AND generation = $3 \
                 AND refreshing_since = $4";
    RETIRE = "UPDATE credentials SET state = 'reauth', refreshing_since = NULL, \
                  refresh_attempts = 0, updated_at = $4 \
              WHERE tenant_id = $1 AND integration_id = $2 AND generation = $3 \
              AND state = 'active'";
    REVIVE = "UPDATE credentials SET state = 'active' \
              WHERE tenant_id = $1 AND integration_id = $2 AND state = 'reauth'";
    REMOVE = "DELETE FROM credentials WHERE tenant_id = $1 AND integration_id = $2";
    GENERATION = "SELECT generation, state FROM credentials \
                  WHERE tenant_id = $1 AND integration_id = $2";
}

/// Whether a credential can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// An app that a person has not authorised yet.
    Pending,
    /// Usable.
    Active,
    /// The provider no longer accepts it.
    Reauth,
}

impl CredentialState {
    /// The stable word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Reauth => "reauth",
        }
    }

    pub(crate) fn read(text: &str) -> StoreResult<Self> {
        [Self::Pending, Self::Active, Self::Reauth]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| Error::internal(format!("credential state `{text}`")).into())
    }
}

/// A credential as stored: its secrets sealed.
#[derive(Clone, Debug)]
pub struct SealedCredential {
    /// Identifier; part of the place the value is sealed for.
    pub id: CredentialId,
    /// The pack's sign-in method it belongs to.
    pub kind: String,
    /// Whether it can be used.
    pub state: CredentialState,
    /// The sealed JSON object of its fields.
    pub sealed: String,
    /// Names of the fields that hold something.
    pub fields: Vec<String>,
    /// The origin it was entered for, where that is not the provider's own.
    pub origin: Option<String>,
    /// When the access token ends, where it does.
    pub expires_at: Option<Timestamp>,
    /// Since when a process has been refreshing it.
    pub refreshing_since: Option<Timestamp>,
    /// Refreshes begun whose end nobody recorded.
    pub refresh_attempts: u32,
    /// Grows with every change of the secrets.
    pub generation: u64,
    /// When the integration got its first credential.
    pub created_at: Timestamp,
    /// When the secrets last changed.
    pub updated_at: Timestamp,
}

impl SealedCredential {
    /// The place its secrets are sealed for.
    pub fn place(id: &CredentialId) -> Place<'_> {
        Place { table: "credentials", row: id.as_str(), column: "sealed" }
    }
}

/// A credential to store.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// Identifier; the secrets must be sealed for its [`SealedCredential::place`].
    pub id: CredentialId,
    /// The pack's sign-in method it belongs to.
    pub kind: String,
    /// Whether it can be used.
    pub state: CredentialState,
    /// The sealed JSON object of its fields.
    pub sealed: String,
    /// Names of the fields that hold something.
    pub fields: Vec<String>,
    /// The origin it was entered for, where that is not the provider's own.
    pub origin: Option<String>,
    /// When the access token ends, where it does.
    pub expires_at: Option<Timestamp>,
}

/// The right to refresh one generation of a credential. The database honours it only as long as
/// nobody took it over.
#[derive(Clone, Copy, Debug)]
pub struct RefreshLease {
    /// When it was taken: its fencing token.
    pub since: Timestamp,
    /// The generation it is for.
    pub generation: u64,
    /// How many times the refresh of this generation has been begun, this one included.
    pub attempts: u32,
}

#[derive(FromRow)]
struct Row {
    id: String,
    kind: String,
    state: String,
    sealed: String,
    fields: String,
    origin: Option<String>,
    expires_at: Option<i64>,
    refreshing_since: Option<i64>,
    refresh_attempts: i64,
    generation: i64,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn credential(self) -> StoreResult<SealedCredential> {
        Ok(SealedCredential {
            id: CredentialId::trusted(self.id),
            kind: self.kind,
            state: CredentialState::read(&self.state)?,
            sealed: self.sealed,
            fields: serde_json::from_str(&self.fields)?,
            origin: self.origin,
            expires_at: self.expires_at.map(Timestamp),
            refreshing_since: self.refreshing_since.map(Timestamp),
            refresh_attempts: u32::try_from(self.refresh_attempts).unwrap_or(u32::MAX),
            generation: u64::try_from(self.generation).unwrap_or_default(),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

fn signed(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(i64::MAX)
}

impl Conn {
    /// The sealed credential of an integration.
    ///
    /// # Errors
    /// What the database says.
    pub async fn credential(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
    ) -> StoreResult<Option<SealedCredential>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(integration.as_str()).fetch_optional(c).await?);
        row.map(Row::credential).transpose()
    }

    /// The generation and state of a credential, without its secrets.
    ///
    /// # Errors
    /// What the database says.
    pub async fn credential_generation(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
    ) -> StoreResult<Option<(u64, CredentialState)>> {
        let row: Option<(i64, String)> = on!(self, c => sqlx::query_as(GENERATION)
            .bind(ctx.tenant().as_str()).bind(integration.as_str()).fetch_optional(c).await?);
        row.map(|(generation, state)| {
            Ok((u64::try_from(generation).unwrap_or_default(), CredentialState::read(&state)?))
        })
        .transpose()
    }
}

impl Tx {
    /// Stores a credential in place of the one there was. Ends any refresh of the old one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_credential(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
        new: &NewCredential,
    ) -> StoreResult<()> {
        let now = self.env().now().0;
        let fields = serde_json::to_string(&new.fields)?;
        on!(self, c => sqlx::query(PUT)
            .bind(ctx.tenant().as_str())
            .bind(integration.as_str())
            .bind(new.id.as_str())
            .bind(&new.kind)
            .bind(new.state.name())
            .bind(&new.sealed)
            .bind(&fields)
            .bind(new.origin.as_deref())
            .bind(new.expires_at.map(|at| at.0))
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Takes the right to refresh a generation; `None` when another process has it, or the
    /// credential is no longer of this generation. A lease older than `stale_before` is taken over.
    ///
    /// # Errors
    /// What the database says.
    pub async fn lease_refresh(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
        generation: u64,
        stale_before: Timestamp,
    ) -> StoreResult<Option<RefreshLease>> {
        let since = self.env().now();
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as(LEASE)
            .bind(ctx.tenant().as_str())
            .bind(integration.as_str())
            .bind(signed(generation))
            .bind(since.0)
            .bind(stale_before.0)
            .fetch_optional(c)
            .await?);
        Ok(row.map(|(attempts,)| RefreshLease {
            since,
            generation,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        }))
    }

    /// Gives a lease back after a refresh that is known to have changed nothing.
    ///
    /// # Errors
    /// What the database says.
    pub async fn release_refresh(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
        lease: RefreshLease,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(RELEASE)
            .bind(ctx.tenant().as_str())
            .bind(integration.as_str())
            .bind(signed(lease.generation))
            .bind(lease.since.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Stores refreshed secrets and ends the lease. `false`: the lease was lost; nothing changed.
    ///
    /// # Errors
    /// What the database says.
    pub async fn store_refreshed(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
        lease: RefreshLease,
        sealed: &str,
        fields: &[String],
        expires_at: Option<Timestamp>,
    ) -> StoreResult<bool> {
        let now = self.env().now().0;
        let fields = serde_json::to_string(fields)?;
        let rows = on!(self, c => sqlx::query(REFRESHED)
            .bind(ctx.tenant().as_str())
            .bind(integration.as_str())
            .bind(signed(lease.generation))
            .bind(lease.since.0)
            .bind(sealed)
            .bind(&fields)
            .bind(expires_at.map(|at| at.0))
            .bind(now)
            .execute(c)
            .await?
            .rows_affected());
        Ok(rows > 0)
    }

    /// Marks a generation as no longer accepted by the provider. Says whether it was usable until
    /// now, so that the alarm is raised once.
    ///
    /// # Errors
    /// What the database says.
    pub async fn retire_credential(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
        generation: u64,
    ) -> StoreResult<bool> {
        let now = self.env().now().0;
        let rows = on!(self, c => sqlx::query(RETIRE)
            .bind(ctx.tenant().as_str())
            .bind(integration.as_str())
            .bind(signed(generation))
            .bind(now)
            .execute(c)
            .await?
            .rows_affected());
        Ok(rows > 0)
    }

    /// Erases a credential. Says whether there was one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn remove_credential(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
    ) -> StoreResult<bool> {
        self.on_credential(REMOVE, ctx, integration).await
    }

    /// Makes a credential usable again that the provider accepted after all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn revive_credential(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
    ) -> StoreResult<bool> {
        self.on_credential(REVIVE, ctx, integration).await
    }

    /// Whether a statement about one credential met it.
    async fn on_credential(
        &mut self,
        statement: &'static str,
        ctx: &TenantCtx,
        integration: &IntegrationId,
    ) -> StoreResult<bool> {
        let rows = on!(self, c => sqlx::query(statement)
            .bind(ctx.tenant().as_str())
            .bind(integration.as_str())
            .execute(c)
            .await?
            .rows_affected());
        Ok(rows > 0)
    }
}
