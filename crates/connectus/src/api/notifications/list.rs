//! `GET /api/v1/notifications`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::notification::{Notification, Sample};
use connectus_store::notifications::NotificationFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::notification_rules,
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Which notifications.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only of this rule.
    rule_id: Option<String>,
    /// Only those that are `pending`, `sent` or `failed`.
    status: Option<String>,
}

/// Events of a rule, gathered into one message.
#[derive(Serialize, ToSchema)]
pub struct NotificationView {
    /// Identifier; each attempt and the message itself carry it.
    id: String,
    /// By which rule.
    rule_id: String,
    /// `pending` while it gathers events or waits, `sent`, or `failed` when it is not tried again.
    status: &'static str,
    /// How many events it tells of.
    count: u64,
    /// When the first of them happened.
    first_at: String,
    /// When the last of them happened.
    last_at: String,
    /// The first of them.
    events: Vec<NotifiedEvent>,
    /// Attempts to hand it over.
    attempts: u32,
    /// Why the last attempt failed.
    problem: Option<String>,
    /// When it goes out, or is tried again.
    due_at: Option<String>,
    /// When it was handed over or given up.
    finished_at: Option<String>,
}

/// An event that people are told of.
#[derive(Serialize, ToSchema)]
pub struct NotifiedEvent {
    /// Its position.
    seq: u64,
    /// Its type.
    #[serde(rename = "type")]
    kind: String,
    /// What it is about.
    subject: String,
    /// What went wrong, where it says.
    message: String,
    /// When it happened.
    at: String,
}

impl From<Sample> for NotifiedEvent {
    fn from(of: Sample) -> Self {
        let Sample { seq, kind, subject, message, at } = of;
        Self { seq, kind, subject, message, at: at.to_string() }
    }
}

impl From<Notification> for NotificationView {
    fn from(of: Notification) -> Self {
        Self {
            id: of.id.to_string(),
            rule_id: of.rule.to_string(),
            status: of.status.name(),
            count: of.count,
            first_at: of.first_at.to_string(),
            last_at: of.last_at.to_string(),
            events: of.samples.into_iter().map(Into::into).collect(),
            attempts: of.attempts,
            problem: of.problem,
            due_at: of.due_at.map(|at| at.to_string()),
            finished_at: of.finished_at.map(|at| at.to_string()),
        }
    }
}

/// List notifications, newest first. They are kept for 30 days once they have ended.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications",
    params(PageQuery, Filter), responses((status = 200, body = Paged<NotificationView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(asked): Query<Filter>,
) -> ApiResult<Json<Paged<NotificationView>>> {
    let filter = NotificationFilter {
        rule: asked.rule_id.as_deref().map(notification_rules::id).transpose()?,
        status: asked.status.as_deref().map(str::parse).transpose()?,
    };
    let found = app.store().read().await?.notifications(&caller.ctx, &filter, page).await?;
    Ok(Json(Paged::of(found, page, NotificationView::from)))
}
