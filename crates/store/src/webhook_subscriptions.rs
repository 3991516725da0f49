//! Who wants to be told of which events, with the sealed secrets that sign deliveries.

use connectus_core::{
    Error, Page, Result, SubscriptionId, TenantCtx, Timestamp, UserId,
    delivery::{DisabledReason, Subscription},
    page::Listing,
};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    rotation::Rotation,
    seal::Place,
    sql::{on, sql},
};

macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "id, url, events, description, enabled, disabled, failing_since, previous_until, ",
            "created_by, created_at, updated_at, version ",
            $after
        )
    };
}

sql! {
    INSERT = "INSERT INTO webhook_subscriptions (tenant_id, id, url, events, description, sealed, \
                  event_seq, created_by, created_at, updated_at) \
              SELECT $1, $2, $3, $4, $5, $6, event_seq, $7, $8, $8 FROM tenants WHERE id = $1";
    GET = columns!("SELECT ", "FROM webhook_subscriptions WHERE tenant_id = $1 AND id = $2");
    PAGE = columns!("SELECT ", "FROM webhook_subscriptions WHERE tenant_id = $1 \
                    ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3");
    COUNT = "SELECT COUNT(*) FROM webhook_subscriptions WHERE tenant_id = $1";
    UPDATE = "UPDATE webhook_subscriptions SET url = $3, events = $4, description = $5, \
                  enabled = $6, disabled = $7, failing_since = $8, updated_at = $9, \
                  version = version + 1 \
              WHERE tenant_id = $1 AND id = $2 AND version = $10";
    DELETE = "DELETE FROM webhook_subscriptions WHERE tenant_id = $1 AND id = $2";
    SECRETS = "SELECT sealed, previous, previous_until FROM webhook_subscriptions \
               WHERE tenant_id = $1 AND id = $2";
    ROTATE = "UPDATE webhook_subscriptions SET sealed = $3, previous = $4, previous_until = $5, \
                  updated_at = $6, version = version + 1 \
              WHERE tenant_id = $1 AND id = $2 AND sealed = $7";
    SUCCEEDED = "UPDATE webhook_subscriptions SET failing_since = NULL \
                 WHERE tenant_id = $1 AND id = $2 AND failing_since IS NOT NULL";
    FAILED = "UPDATE webhook_subscriptions SET failing_since = COALESCE(failing_since, $3) \
              WHERE tenant_id = $1 AND id = $2 AND enabled = TRUE RETURNING failing_since";
    DISABLE = "UPDATE webhook_subscriptions SET enabled = FALSE, disabled = $3, updated_at = $4, \
                   version = version + 1 WHERE tenant_id = $1 AND id = $2 AND enabled = TRUE";
    // For the loop that delivers, which serves all tenants.
    ANY_ENABLED = "SELECT COUNT(*) FROM (\
                       SELECT 1 AS one FROM webhook_subscriptions WHERE enabled = TRUE LIMIT 1) e";
}

/// The sealed secrets of a subscription.
#[derive(Clone, Debug, FromRow)]
pub struct SealedSecrets {
    /// The present one.
    pub sealed: String,
    /// The one before it.
    pub previous: Option<String>,
    previous_until: Option<i64>,
}

impl SealedSecrets {
    /// The secret before the present one, as long as it signs along.
    pub fn previous_at(&self, now: Timestamp) -> Option<&str> {
        let until = Timestamp(self.previous_until?);
        self.previous.as_deref().filter(|_| now < until)
    }

    /// The place the present secret is sealed for.
    pub fn place(id: &SubscriptionId) -> Place<'_> {
        Place { table: "webhook_subscriptions", row: id.as_str(), column: "sealed" }
    }

    /// The place the secret before it is sealed for.
    pub fn previous_place(id: &SubscriptionId) -> Place<'_> {
        Place { table: "webhook_subscriptions", row: id.as_str(), column: "previous" }
    }
}

#[derive(FromRow)]
struct Row {
    id: String,
    url: String,
    events: String,
    description: String,
    enabled: bool,
    disabled: Option<String>,
    failing_since: Option<i64>,
    previous_until: Option<i64>,
    created_by: Option<String>,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl Row {
    fn subscription(self) -> Result<Subscription> {
        let disabled = match (self.enabled, self.disabled) {
            (true, _) => None,
            (false, reason) => Some(match reason {
                Some(reason) => reason.parse()?,
                None => DisabledReason::Person,
            }),
        };
        Ok(Subscription {
            id: SubscriptionId::trusted(self.id),
            url: self.url,
            events: serde_json::from_str(&self.events).map_err(Error::internal)?,
            description: self.description,
            disabled,
            failing_since: self.failing_since.map(Timestamp),
            previous_secret_until: self.previous_until.map(Timestamp),
            created_by: self.created_by.map(UserId::trusted),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            version: u64::try_from(self.version).unwrap_or_default(),
        })
    }
}

fn patterns(subscription: &Subscription) -> String {
    serde_json::json!(subscription.events).to_string()
}

impl Tx {
    /// Adds a subscription for what happens from now on.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_subscription(
        &mut self,
        ctx: &TenantCtx,
        new: &Subscription,
        sealed: &str,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(INSERT)
            .bind(ctx.tenant().as_str())
            .bind(new.id.as_str())
            .bind(&new.url)
            .bind(patterns(new))
            .bind(&new.description)
            .bind(sealed)
            .bind(new.created_by.as_ref().map(UserId::as_str))
            .bind(new.created_at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Writes address, events, description and whether it is enabled. False when the version is not
    /// the one that was read.
    ///
    /// # Errors
    /// What the database says.
    pub async fn update_subscription(
        &mut self,
        ctx: &TenantCtx,
        changed: &Subscription,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        let touched = on!(self, c => sqlx::query(UPDATE)
            .bind(ctx.tenant().as_str())
            .bind(changed.id.as_str())
            .bind(&changed.url)
            .bind(patterns(changed))
            .bind(&changed.description)
            .bind(changed.disabled.is_none())
            .bind(changed.disabled.map(DisabledReason::name))
            .bind(changed.failing_since.map(|at| at.0))
            .bind(now)
            .bind(i64::try_from(changed.version).unwrap_or(i64::MAX))
            .execute(c)
            .await?
            .rows_affected());
        Ok(touched == 1)
    }

    /// Deletes a subscription with its deliveries; false when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_subscription(
        &mut self,
        ctx: &TenantCtx,
        id: &SubscriptionId,
    ) -> StoreResult<bool> {
        let gone = on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).execute(c).await?.rows_affected());
        Ok(gone == 1)
    }

    /// Puts a secret in place of the present one, which becomes `previous`. False when another
    /// rotation was faster.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rotate_subscription(
        &mut self,
        ctx: &TenantCtx,
        id: &SubscriptionId,
        rotation: Rotation<'_>,
    ) -> StoreResult<bool> {
        self.rotate(ROTATE, ctx, id.as_str(), rotation).await
    }

    /// Notes that an attempt succeeded.
    ///
    /// # Errors
    /// What the database says.
    pub async fn subscription_succeeded(
        &mut self,
        ctx: &TenantCtx,
        id: &SubscriptionId,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(SUCCEEDED)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Notes that an attempt failed; since when all have. `None` when it is disabled already.
    ///
    /// # Errors
    /// What the database says.
    pub async fn subscription_failed(
        &mut self,
        ctx: &TenantCtx,
        id: &SubscriptionId,
    ) -> StoreResult<Option<Timestamp>> {
        let now = self.env.now().0;
        let since: Option<(i64,)> = on!(self, c => sqlx::query_as(FAILED)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(now).fetch_optional(c).await?);
        Ok(since.map(|(since,)| Timestamp(since)))
    }

    /// Disables a subscription; false when it is already.
    ///
    /// # Errors
    /// What the database says.
    pub async fn disable_subscription(
        &mut self,
        ctx: &TenantCtx,
        id: &SubscriptionId,
        reason: DisabledReason,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        let touched = on!(self, c => sqlx::query(DISABLE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(reason.name()).bind(now)
            .execute(c).await?.rows_affected());
        Ok(touched == 1)
    }
}

impl Conn {
    /// A subscription of the tenant.
    ///
    /// # Errors
    /// What the database says.
    pub async fn subscription(
        &mut self,
        ctx: &TenantCtx,
        id: &SubscriptionId,
    ) -> StoreResult<Option<Subscription>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        Ok(row.map(Row::subscription).transpose()?)
    }

    /// The tenant's subscriptions, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn subscriptions(
        &mut self,
        ctx: &TenantCtx,
        page: Page,
    ) -> StoreResult<Listing<Subscription>> {
        let total_count = self.count_subscriptions(ctx).await?;
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(PAGE)
            .bind(ctx.tenant().as_str())
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().map(Row::subscription).collect::<Result<_>>()?;
        Ok(Listing { items, total_count })
    }

    /// How many subscriptions the tenant has.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_subscriptions(&mut self, ctx: &TenantCtx) -> StoreResult<u64> {
        let (total,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?);
        Ok(u64::try_from(total).unwrap_or_default())
    }

    /// The sealed secrets of a subscription.
    ///
    /// # Errors
    /// What the database says.
    pub async fn subscription_secrets(
        &mut self,
        ctx: &TenantCtx,
        id: &SubscriptionId,
    ) -> StoreResult<Option<SealedSecrets>> {
        Ok(on!(self, c => sqlx::query_as(SECRETS)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?))
    }

    /// Whether any tenant has an enabled subscription.
    ///
    /// # Errors
    /// What the database says.
    pub async fn any_subscription(&mut self) -> StoreResult<bool> {
        let (found,): (i64,) = on!(self, c => sqlx::query_as(ANY_ENABLED).fetch_one(c).await?);
        Ok(found > 0)
    }
}
