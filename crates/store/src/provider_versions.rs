//! Providers that people brought, in versions that never change.

use std::collections::BTreeMap;

use connectus_core::{TenantCtx, Timestamp, UserId};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! columns {
    () => {
        "tenant_id, name, version, format, digest, licence, display_name, category, auth_type, \
         view, capabilities, report, created_by, created_at"
    };
}

sql! {
    INSERT = "INSERT INTO provider_versions (tenant_id, name, version, format, digest, source, \
                  files, licence, display_name, category, auth_type, view, capabilities, report, \
                  created_by, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    NEWEST = concat!("SELECT ", columns!(), " FROM provider_versions \
                      WHERE tenant_id = $1 AND name = $2 ORDER BY version DESC LIMIT 1");
    ONE = concat!("SELECT ", columns!(), " FROM provider_versions \
                   WHERE tenant_id = $1 AND name = $2 AND version = $3");
    VERSIONS = concat!("SELECT ", columns!(), " FROM provider_versions \
                        WHERE tenant_id = $1 AND name = $2 ORDER BY version DESC");
    LIST = concat!("SELECT ", columns!(), " FROM provider_versions v WHERE v.tenant_id = $1 \
                    AND v.version = (SELECT MAX(w.version) FROM provider_versions w \
                                     WHERE w.tenant_id = $1 AND w.name = v.name) \
                    ORDER BY v.display_name, v.name");
    SOURCE = "SELECT source, files FROM provider_versions \
              WHERE tenant_id = $1 AND name = $2 AND version = $3";
    REMOVE = "DELETE FROM provider_versions WHERE tenant_id = $1 AND name = $2";
    USED = "SELECT COUNT(*) FROM integrations WHERE tenant_id = $1 AND provider = $2";
}

/// What stands for everybody in place of a tenant.
const EVERYBODY: &str = "";

/// Whose a brought provider is.
#[derive(Clone, Debug)]
pub enum Bringer {
    /// One tenant's.
    Tenant(TenantCtx),
    /// Everybody's. Only whoever runs the installation brings such.
    Everybody,
}

impl Bringer {
    fn key(&self) -> &str {
        match self {
            Self::Tenant(ctx) => ctx.tenant().as_str(),
            Self::Everybody => EVERYBODY,
        }
    }
}

/// A version of a brought provider, without its text.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderVersion {
    /// Whether every tenant sees it.
    pub for_all: bool,
    /// The stable name.
    pub name: String,
    /// Counts from 1.
    pub version: u64,
    /// `manifest`, `pack` or `openapi`.
    pub format: String,
    /// The digest of all that makes it what it is.
    pub digest: String,
    /// The licence it came with; empty when unknown.
    pub licence: String,
    /// The name people use.
    pub display_name: String,
    /// The category's stable word.
    pub category: String,
    /// The auth type's stable word.
    pub auth_type: String,
    /// The provider as the API shows it.
    pub view: Value,
    /// What Connectus can do with it.
    pub capabilities: Value,
    /// What of it runs here.
    pub report: Value,
    /// Who brought it, where a person did.
    pub created_by: Option<UserId>,
    /// When. [`Tx::insert_provider_version`] sets it by the clock.
    pub created_at: Timestamp,
}

/// The text of a version and what lies beside it, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSource {
    /// The manifest, pack or document.
    pub text: String,
    /// Files beside it.
    pub files: BTreeMap<String, String>,
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    name: String,
    version: i64,
    format: String,
    digest: String,
    licence: String,
    display_name: String,
    category: String,
    auth_type: String,
    view: String,
    capabilities: String,
    report: String,
    created_by: Option<String>,
    created_at: i64,
}

impl Row {
    fn version(self) -> StoreResult<ProviderVersion> {
        Ok(ProviderVersion {
            for_all: self.tenant_id == EVERYBODY,
            name: self.name,
            version: u64::try_from(self.version).unwrap_or_default(),
            format: self.format,
            digest: self.digest,
            licence: self.licence,
            display_name: self.display_name,
            category: self.category,
            auth_type: self.auth_type,
            view: serde_json::from_str(&self.view)?,
            capabilities: serde_json::from_str(&self.capabilities)?,
            report: serde_json::from_str(&self.report)?,
            created_by: self.created_by.map(UserId::trusted),
            created_at: Timestamp(self.created_at),
        })
    }
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

impl Conn {
    /// A version of a provider that a tenant or somebody for all has brought; the newest when none
    /// is named. A tenant's own comes first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn brought_provider(
        &mut self,
        ctx: &TenantCtx,
        name: &str,
        version: Option<u64>,
    ) -> StoreResult<Option<ProviderVersion>> {
        for owner in [ctx.tenant().as_str(), EVERYBODY] {
            if let Some(found) = self.version_of(owner, name, version).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The same of one bringer alone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn brought_by(
        &mut self,
        bringer: &Bringer,
        name: &str,
    ) -> StoreResult<Option<ProviderVersion>> {
        self.version_of(bringer.key(), name, None).await
    }

    async fn version_of(
        &mut self,
        owner: &str,
        name: &str,
        version: Option<u64>,
    ) -> StoreResult<Option<ProviderVersion>> {
        let row: Option<Row> = match version {
            None => on!(self, c => sqlx::query_as(NEWEST)
                .bind(owner).bind(name).fetch_optional(c).await?),
            Some(version) => on!(self, c => sqlx::query_as(ONE)
                .bind(owner).bind(name).bind(signed(version)).fetch_optional(c).await?),
        };
        row.map(Row::version).transpose()
    }

    /// The newest versions of all that a tenant can use, its own and everybody's.
    ///
    /// # Errors
    /// What the database says.
    pub async fn brought_providers(
        &mut self,
        ctx: &TenantCtx,
    ) -> StoreResult<Vec<ProviderVersion>> {
        let mut all = self.brought_all(&Bringer::Tenant(ctx.clone())).await?;
        let everybody = self.brought_all(&Bringer::Everybody).await?;
        let own: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
        all.extend(everybody.into_iter().filter(|one| !own.contains(&one.name)));
        Ok(all)
    }

    /// The newest versions of all that one bringer brought.
    ///
    /// # Errors
    /// What the database says.
    pub async fn brought_all(&mut self, bringer: &Bringer) -> StoreResult<Vec<ProviderVersion>> {
        let rows: Vec<Row> =
            on!(self, c => sqlx::query_as(LIST).bind(bringer.key()).fetch_all(c).await?);
        rows.into_iter().map(Row::version).collect()
    }

    /// All versions of a provider that a tenant can use, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn provider_versions(
        &mut self,
        ctx: &TenantCtx,
        name: &str,
    ) -> StoreResult<Vec<ProviderVersion>> {
        for owner in [ctx.tenant().as_str(), EVERYBODY] {
            let rows: Vec<Row> = on!(self, c => sqlx::query_as(VERSIONS)
                .bind(owner).bind(name).fetch_all(c).await?);
            if !rows.is_empty() {
                return rows.into_iter().map(Row::version).collect();
            }
        }
        Ok(Vec::new())
    }

    /// The text of a version that a tenant can use.
    ///
    /// # Errors
    /// What the database says.
    pub async fn provider_source(
        &mut self,
        ctx: &TenantCtx,
        of: &ProviderVersion,
    ) -> StoreResult<Option<ProviderSource>> {
        let owner = if of.for_all { EVERYBODY } else { ctx.tenant().as_str() };
        let row: Option<(String, String)> = on!(self, c => sqlx::query_as(SOURCE)
            .bind(owner).bind(&of.name).bind(signed(of.version)).fetch_optional(c).await?);
        let Some((text, files)) = row else { return Ok(None) };
        Ok(Some(ProviderSource { text, files: serde_json::from_str(&files)? }))
    }

    /// How many of a tenant's integrations use a provider.
    ///
    /// # Errors
    /// What the database says.
    pub async fn provider_uses(&mut self, ctx: &TenantCtx, name: &str) -> StoreResult<u64> {
        let (uses,): (i64,) = on!(self, c => sqlx::query_as(USED)
            .bind(ctx.tenant().as_str()).bind(name).fetch_one(c).await?);
        Ok(u64::try_from(uses).unwrap_or_default())
    }
}

impl Tx {
    /// Adds a version. Its name must be held already ([`Tx::hold_provider_name`]).
    ///
    /// # Errors
    /// What the database says; also when there is this version.
    pub async fn insert_provider_version(
        &mut self,
        bringer: &Bringer,
        new: &ProviderVersion,
        source: &ProviderSource,
    ) -> StoreResult<()> {
        let now = self.env().now().0;
        let files = serde_json::to_string(&source.files)?;
        let (view, capabilities) = (new.view.to_string(), new.capabilities.to_string());
        let report = new.report.to_string();
        on!(self, c => sqlx::query(INSERT)
            .bind(bringer.key())
            .bind(&new.name)
            .bind(signed(new.version))
            .bind(&new.format)
            .bind(&new.digest)
            .bind(&source.text)
            .bind(&files)
            .bind(&new.licence)
            .bind(&new.display_name)
            .bind(&new.category)
            .bind(&new.auth_type)
            .bind(&view)
            .bind(&capabilities)
            .bind(&report)
            .bind(new.created_by.as_ref().map(UserId::as_str))
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Removes all versions. Says how many there were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn remove_provider(&mut self, bringer: &Bringer, name: &str) -> StoreResult<u64> {
        Ok(on!(self, c => sqlx::query(REMOVE)
            .bind(bringer.key()).bind(name).execute(c).await?.rows_affected()))
    }
}
