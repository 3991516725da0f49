//! Events of rules, gathered, on their way to people.

use connectus_core::{
    Error, NotificationId, NotificationRuleId, Page, Result, TenantCtx, TenantId, Timestamp,
    notification::{Notification, NotificationStatus},
    page::Listing,
};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "id, rule_id, status, events, last_seq, first_at, last_at, samples, attempts, ",
            "problem, due_at, finished_at ",
            $after
        )
    };
}

sql! {
    INSERT = "INSERT INTO notifications (tenant_id, id, rule_id, status, events, last_seq, \
                  first_at, last_at, samples, due_at, created_at) \
              VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10)";
    GATHERING = columns!("SELECT ", "FROM notifications WHERE tenant_id = $1 AND rule_id = $2 \
                         AND status = 'pending' AND attempts = 0 ORDER BY created_at LIMIT 1");
    GATHERED = "UPDATE notifications SET events = $3, last_seq = $4, last_at = $5, samples = $6 \
                WHERE tenant_id = $1 AND id = $2 AND status = 'pending' AND attempts = 0";
    // For the loop that tells people, which serves all tenants.
    DUE = "SELECT tenant_id, id FROM notifications WHERE status = 'pending' AND due_at <= $1 \
           ORDER BY due_at LIMIT $2";
    NEXT_DUE = "SELECT MIN(due_at) FROM notifications WHERE status = 'pending'";
    CLAIM = columns!("UPDATE notifications SET attempts = attempts + 1, due_at = $3 \
                     WHERE tenant_id = $1 AND id = $2 AND status = 'pending' AND due_at <= $4 \
                     RETURNING ", "");
    TRIED = "UPDATE notifications SET status = $4, problem = $5, due_at = $6, finished_at = $7 \
             WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND status = 'pending'";
    PAGE = columns!("SELECT ", "FROM notifications WHERE tenant_id = $1 \
                    AND ($2 = '' OR rule_id = $2) AND ($3 = '' OR status = $3) \
                    ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5");
    COUNT = "SELECT COUNT(*) FROM notifications WHERE tenant_id = $1 \
             AND ($2 = '' OR rule_id = $2) AND ($3 = '' OR status = $3)";
    FORGET = "DELETE FROM notifications WHERE (tenant_id, id) IN (\
                  SELECT tenant_id, id FROM notifications WHERE finished_at < $1 LIMIT $2)";
}

/// Which notifications.
#[derive(Clone, Debug, Default)]
pub struct NotificationFilter {
    /// Only of this rule.
    pub rule: Option<NotificationRuleId>,
    /// Only those that are so far.
    pub status: Option<NotificationStatus>,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was handed over.
    Sent,
    /// It is tried again then.
    Again(Timestamp, String),
    /// It is not tried again.
    Failed(String),
}

#[derive(FromRow)]
struct Row {
    id: String,
    rule_id: String,
    status: String,
    events: i64,
    last_seq: i64,
    first_at: i64,
    last_at: i64,
    samples: String,
    attempts: i64,
    problem: Option<String>,
    due_at: i64,
    finished_at: Option<i64>,
}

impl Row {
    fn notification(self) -> Result<Notification> {
        let status: NotificationStatus = self.status.parse()?;
        Ok(Notification {
            id: NotificationId::trusted(self.id),
            rule: NotificationRuleId::trusted(self.rule_id),
            status,
            count: positive(self.events),
            last_seq: positive(self.last_seq),
            first_at: Timestamp(self.first_at),
            last_at: Timestamp(self.last_at),
            samples: serde_json::from_str(&self.samples).map_err(Error::internal)?,
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            problem: self.problem,
            due_at: (status == NotificationStatus::Pending).then_some(Timestamp(self.due_at)),
            finished_at: self.finished_at.map(Timestamp),
        })
    }
}

fn positive(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn samples(of: &Notification) -> String {
    serde_json::json!(of.samples).to_string()
}

impl Tx {
    /// Adds a notification.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_notification(
        &mut self,
        ctx: &TenantCtx,
        new: &Notification,
    ) -> StoreResult<()> {
        let now = self.env.now();
        on!(self, c => sqlx::query(INSERT)
            .bind(ctx.tenant().as_str())
            .bind(new.id.as_str())
            .bind(new.rule.as_str())
            .bind(signed(new.count))
            .bind(signed(new.last_seq))
            .bind(new.first_at.0)
            .bind(new.last_at.0)
            .bind(samples(new))
            .bind(new.due_at.unwrap_or(now).0)
            .bind(now.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Writes down what more a notification has gathered. False when an attempt has begun.
    ///
    /// # Errors
    /// What the database says.
    pub async fn notification_gathered(
        &mut self,
        ctx: &TenantCtx,
        changed: &Notification,
    ) -> StoreResult<bool> {
        let touched = on!(self, c => sqlx::query(GATHERED)
            .bind(ctx.tenant().as_str())
            .bind(changed.id.as_str())
            .bind(signed(changed.count))
            .bind(signed(changed.last_seq))
            .bind(changed.last_at.0)
            .bind(samples(changed))
            .execute(c)
            .await?
            .rows_affected());
        Ok(touched == 1)
    }

    /// Begins an attempt, until `lease`; none when someone else did or it has ended.
    ///
    /// # Errors
    /// What the database says.
    pub async fn claim_notification(
        &mut self,
        ctx: &TenantCtx,
        id: &NotificationId,
        lease: Timestamp,
    ) -> Result<Option<Notification>> {
        let row = self.claim_notification_row(ctx, id, lease).await?;
        row.map(Row::notification).transpose()
    }

    async fn claim_notification_row(
        &mut self,
        ctx: &TenantCtx,
        id: &NotificationId,
        lease: Timestamp,
    ) -> StoreResult<Option<Row>> {
        let now = self.env.now();
        Ok(on!(self, c => sqlx::query_as(CLAIM)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(lease.0).bind(now.0)
            .fetch_optional(c).await?))
    }

    /// Writes down what the attempt `claimed` came to. False when another one has begun meanwhile.
    ///
    /// # Errors
    /// What the database says.
    pub async fn notification_tried(
        &mut self,
        ctx: &TenantCtx,
        claimed: &Notification,
        told: &Told,
    ) -> StoreResult<bool> {
        let now = self.env.now();
        let (status, problem, due, finished) = match told {
            Told::Sent => (NotificationStatus::Sent, None, now, Some(now)),
            Told::Again(due, why) => (NotificationStatus::Pending, Some(why), *due, None),
            Told::Failed(why) => (NotificationStatus::Failed, Some(why), now, Some(now)),
        };
        let touched = on!(self, c => sqlx::query(TRIED)
            .bind(ctx.tenant().as_str())
            .bind(claimed.id.as_str())
            .bind(i64::from(claimed.attempts))
            .bind(status.name())
            .bind(problem.map(String::as_str))
            .bind(due.0)
            .bind(finished.map(|at| at.0))
            .execute(c)
            .await?
            .rows_affected());
        Ok(touched == 1)
    }

    /// Forgets notifications that ended before a time, `limit` at most. Returns how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_notifications(
        &mut self,
        before: Timestamp,
        limit: u32,
    ) -> StoreResult<u64> {
        Ok(on!(self, c => sqlx::query(FORGET)
            .bind(before.0).bind(i64::from(limit)).execute(c).await?.rows_affected()))
    }
}

impl Conn {
    /// The notification of a rule that still gathers events.
    ///
    /// # Errors
    /// What the database says.
    pub async fn gathering(
        &mut self,
        ctx: &TenantCtx,
        rule: &NotificationRuleId,
    ) -> Result<Option<Notification>> {
        let row = self.gathering_row(ctx, rule).await?;
        row.map(Row::notification).transpose()
    }

    async fn gathering_row(
        &mut self,
        ctx: &TenantCtx,
        rule: &NotificationRuleId,
    ) -> StoreResult<Option<Row>> {
        Ok(on!(self, c => sqlx::query_as(GATHERING)
            .bind(ctx.tenant().as_str()).bind(rule.as_str()).fetch_optional(c).await?))
    }

    /// Notifications that are due, of all tenants.
    ///
    /// # Errors
    /// What the database says.
    pub async fn notifications_due(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<(TenantId, NotificationId)>> {
        let rows: Vec<(String, String)> = on!(self, c => sqlx::query_as(DUE)
            .bind(now.0).bind(i64::from(limit)).fetch_all(c).await?);
        let due = |(tenant, id)| (TenantId::trusted(tenant), NotificationId::trusted(id));
        Ok(rows.into_iter().map(due).collect())
    }

    /// When a notification is due next.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_notification_due(&mut self) -> StoreResult<Option<Timestamp>> {
        let (due,): (Option<i64>,) = on!(self, c => sqlx::query_as(NEXT_DUE).fetch_one(c).await?);
        Ok(due.map(Timestamp))
    }

    /// Notifications of the tenant, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn notifications(
        &mut self,
        ctx: &TenantCtx,
        filter: &NotificationFilter,
        page: Page,
    ) -> Result<Listing<Notification>> {
        let (rows, total_count) = self.notification_page(ctx, filter, page).await?;
        let items = rows.into_iter().map(Row::notification).collect::<Result<_>>()?;
        Ok(Listing { items, total_count })
    }

    async fn notification_page(
        &mut self,
        ctx: &TenantCtx,
        filter: &NotificationFilter,
        page: Page,
    ) -> StoreResult<(Vec<Row>, u64)> {
        let tenant = ctx.tenant().as_str();
        let rule = filter.rule.as_ref().map_or("", NotificationRuleId::as_str);
        let status = filter.status.map_or("", NotificationStatus::name);
        let (total,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(tenant).bind(rule).bind(status).fetch_one(c).await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(PAGE)
            .bind(tenant)
            .bind(rule)
            .bind(status)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        Ok((rows, positive(total)))
    }
}
