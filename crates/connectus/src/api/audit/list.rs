//! `GET /api/v1/audit`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::{Code, Error, Result, Timestamp, audit::Chained};
use connectus_store::audit::AuditFilter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Which records to list.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Filter {
    /// Only by this actor, such as `user:usr_..` or `system`.
    actor: String,
    /// Only this act, such as `integration.created`.
    action: String,
    /// Only about the object with this identifier.
    target: String,
    /// From this time on (RFC 3339, or a day).
    from: Option<String>,
    /// Before this time (RFC 3339, or a day).
    until: Option<String>,
}

/// One act.
#[derive(Serialize, ToSchema)]
pub struct AuditView {
    /// Position in the chain.
    seq: u64,
    /// Identifier.
    id: String,
    /// When it happened.
    at: String,
    /// Who did it.
    actor: String,
    /// What was done.
    action: String,
    /// The identifier of what it was done to.
    target: String,
    /// `success`, `failure` or `denied`.
    outcome: &'static str,
    /// Further facts, the request's identifier among them.
    #[schema(value_type = Object)]
    detail: Value,
    /// The chain's hash after this record.
    hash: String,
}

impl From<Chained> for AuditView {
    fn from(Chained { record, hash, .. }: Chained) -> Self {
        Self {
            seq: record.seq,
            id: record.id.to_string(),
            at: record.at.to_string(),
            actor: record.actor,
            action: record.action,
            target: record.target,
            outcome: record.outcome.name(),
            detail: record.detail,
            hash: hash.to_string(),
        }
    }
}

/// List the audit log, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(PageQuery, Filter),
    responses((status = 200, body = Paged<AuditView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(query): Query<Filter>,
) -> ApiResult<Json<Paged<AuditView>>> {
    let default = AuditFilter::default();
    let filter = AuditFilter {
        actor: query.actor,
        action: query.action,
        target: query.target,
        from: time("from", query.from)?.unwrap_or(default.from),
        until: time("until", query.until)?.unwrap_or(default.until),
    };
    let found = app.store().read().await?.audit_page(&caller.ctx, &filter, page).await?;
    Ok(Json(Paged::of(found, page, AuditView::from)))
}

fn time(name: &str, text: Option<String>) -> Result<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    let bad =
        || Error::new(Code::BadRequest, format!("`{name}` must be a time (RFC 3339) or day."));
    Timestamp::parse(&text).map(Some).ok_or_else(bad)
}
