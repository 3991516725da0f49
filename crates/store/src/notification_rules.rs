//! Of which events tenants are told, and how.

use connectus_core::{
    Error, NotificationRuleId, Page, Result, TenantCtx, Timestamp, UserId,
    notification::NotificationRule, page::Listing,
};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! columns {
    ($after:literal) => {
        concat!(
            "SELECT id, name, events, severity, subjects, channel, throttle_secs, enabled, ",
            "from_seq, last_due, created_by, created_at, updated_at, version ",
            "FROM notification_rules WHERE tenant_id = $1 ",
            $after
        )
    };
}

sql! {
    INSERT = "INSERT INTO notification_rules (tenant_id, id, name, events, severity, subjects, \
                  channel, throttle_secs, enabled, from_seq, created_by, created_at, updated_at) \
              SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, event_seq, $10, $11, $11 \
              FROM tenants WHERE id = $1";
    GET = columns!("AND id = $2");
    PAGE = columns!("ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3");
    ENABLED = columns!("AND enabled = TRUE ORDER BY id");
    COUNT = "SELECT COUNT(*) FROM notification_rules WHERE tenant_id = $1";
    COUNT_ENABLED = "SELECT COUNT(*) FROM notification_rules \
                     WHERE tenant_id = $1 AND enabled = TRUE";
    UPDATE = "UPDATE notification_rules SET name = $3, events = $4, severity = $5, subjects = $6, \
                  channel = $7, throttle_secs = $8, updated_at = $9, version = version + 1, \
                  from_seq = CASE WHEN enabled = FALSE AND $10 = TRUE \
                      THEN (SELECT t.event_seq FROM tenants t WHERE t.id = $1) \
                      ELSE from_seq END, \
                  enabled = $10 \
              WHERE tenant_id = $1 AND id = $2 AND version = $11";
    DELETE = "DELETE FROM notification_rules WHERE tenant_id = $1 AND id = $2";
    GOES_OUT = "UPDATE notification_rules SET last_due = $3 WHERE tenant_id = $1 AND id = $2";
}

/// A rule, and what the engine keeps beside it.
#[derive(Clone, Debug)]
pub struct RuleRow {
    /// The rule.
    pub rule: NotificationRule,
    /// Events until here are not told.
    pub from_seq: u64,
    /// When the last notification was to go out.
    pub last_due: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: String,
    name: String,
    events: String,
    severity: String,
    subjects: String,
    channel: String,
    throttle_secs: i64,
    enabled: bool,
    from_seq: i64,
    last_due: i64,
    created_by: Option<String>,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl Row {
    fn rule(self) -> Result<RuleRow> {
        let rule = NotificationRule {
            id: NotificationRuleId::trusted(self.id),
            name: self.name,
            events: serde_json::from_str(&self.events).map_err(Error::internal)?,
            severity: self.severity.parse()?,
            subjects: serde_json::from_str(&self.subjects).map_err(Error::internal)?,
            channel: serde_json::from_str(&self.channel).map_err(Error::internal)?,
            throttle_secs: u32::try_from(self.throttle_secs).unwrap_or_default(),
            enabled: self.enabled,
            created_by: self.created_by.map(UserId::trusted),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            version: u64::try_from(self.version).unwrap_or_default(),
        };
        let from_seq = u64::try_from(self.from_seq).unwrap_or_default();
        Ok(RuleRow { rule, from_seq, last_due: Timestamp(self.last_due) })
    }
}

/// The members that are kept as JSON: events, subjects, channel.
fn texts(rule: &NotificationRule) -> [String; 3] {
    use serde_json::json;
    [json!(rule.events), json!(rule.subjects), json!(rule.channel)].map(|json| json.to_string())
}

impl Tx {
    /// Adds a rule for what happens from now on.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_rule(
        &mut self,
        ctx: &TenantCtx,
        new: &NotificationRule,
    ) -> StoreResult<()> {
        let [events, subjects, channel] = texts(new);
        on!(self, c => sqlx::query(INSERT)
            .bind(ctx.tenant().as_str())
            .bind(new.id.as_str())
            .bind(&new.name)
            .bind(&events)
            .bind(new.severity.name())
            .bind(&subjects)
            .bind(&channel)
            .bind(i64::from(new.throttle_secs))
            .bind(new.enabled)
            .bind(new.created_by.as_ref().map(UserId::as_str))
            .bind(new.created_at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Writes what a rule says. False when the version is not the one that was read. One that is
    /// enabled again tells of what happens from then on.
    ///
    /// # Errors
    /// What the database says.
    pub async fn update_rule(
        &mut self,
        ctx: &TenantCtx,
        changed: &NotificationRule,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        let [events, subjects, channel] = texts(changed);
        let touched = on!(self, c => sqlx::query(UPDATE)
            .bind(ctx.tenant().as_str())
            .bind(changed.id.as_str())
            .bind(&changed.name)
            .bind(&events)
            .bind(changed.severity.name())
            .bind(&subjects)
            .bind(&channel)
            .bind(i64::from(changed.throttle_secs))
            .bind(now)
            .bind(changed.enabled)
            .bind(i64::try_from(changed.version).unwrap_or(i64::MAX))
            .execute(c)
            .await?
            .rows_affected());
        Ok(touched == 1)
    }

    /// Deletes a rule with its notifications; false when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_rule(
        &mut self,
        ctx: &TenantCtx,
        id: &NotificationRuleId,
    ) -> StoreResult<bool> {
        let gone = on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).execute(c).await?.rows_affected());
        Ok(gone == 1)
    }

    /// Notes when the newest notification of a rule is to go out.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rule_goes_out(
        &mut self,
        ctx: &TenantCtx,
        id: &NotificationRuleId,
        due: Timestamp,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(GOES_OUT)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(due.0).execute(c).await
            .map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A rule of the tenant.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rule(
        &mut self,
        ctx: &TenantCtx,
        id: &NotificationRuleId,
    ) -> Result<Option<NotificationRule>> {
        let row: Option<Row> = self.rule_row(ctx, id).await?;
        Ok(row.map(Row::rule).transpose()?.map(|row| row.rule))
    }

    async fn rule_row(
        &mut self,
        ctx: &TenantCtx,
        id: &NotificationRuleId,
    ) -> StoreResult<Option<Row>> {
        Ok(on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?))
    }

    /// Rules of the tenant, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rules(
        &mut self,
        ctx: &TenantCtx,
        page: Page,
    ) -> Result<Listing<NotificationRule>> {
        let total_count = self.count_rules(ctx).await?;
        let rows = self.rule_page(ctx, page).await?;
        let items = rows.into_iter().map(|row| row.rule().map(|row| row.rule));
        Ok(Listing { items: items.collect::<Result<_>>()?, total_count })
    }

    async fn rule_page(&mut self, ctx: &TenantCtx, page: Page) -> StoreResult<Vec<Row>> {
        Ok(on!(self, c => sqlx::query_as(PAGE)
            .bind(ctx.tenant().as_str())
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?))
    }

    /// Rules of the tenant that tell anyone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn enabled_rules(&mut self, ctx: &TenantCtx) -> Result<Vec<RuleRow>> {
        let rows = self.enabled_rows(ctx).await?;
        rows.into_iter().map(Row::rule).collect()
    }

    async fn enabled_rows(&mut self, ctx: &TenantCtx) -> StoreResult<Vec<Row>> {
        Ok(on!(self, c => sqlx::query_as(ENABLED)
            .bind(ctx.tenant().as_str()).fetch_all(c).await?))
    }

    /// How many rules the tenant has.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_rules(&mut self, ctx: &TenantCtx) -> StoreResult<u64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Whether any rule of the tenant tells anyone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn any_rule(&mut self, ctx: &TenantCtx) -> StoreResult<bool> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT_ENABLED)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?);
        Ok(count > 0)
    }
}
