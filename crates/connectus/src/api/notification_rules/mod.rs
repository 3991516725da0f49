//! Rules of notifications: of which events people are told, and how.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod test;
pub mod update;
mod view;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error, NotificationRuleId, Result, TenantCtx,
    access::Permission::{WebhooksRead, WebhooksRun, WebhooksWrite},
    notification::NotificationRule,
};
use connectus_engine::notifications::rules;

pub use view::{ChannelBody, RuleView};

use crate::{
    app::App,
    http::{Access::Needs, Operation, etag, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "notification_rules.list" = list, Needs(WebhooksRead);
        "notification_rules.create" = create, Needs(WebhooksWrite);
        "notification_rules.get" = get, Needs(WebhooksRead);
        "notification_rules.update" = update, Needs(WebhooksWrite);
        "notification_rules.delete" = delete, Needs(WebhooksWrite);
        "notification_rules.test" = test, Needs(WebhooksRun);
    }
}

/// A rule as an answer, with its `ETag`.
fn answer(rule: NotificationRule) -> Response {
    let tag = [(header::ETAG, etag::of(rule.version))];
    (tag, Json(RuleView::from(rule))).into_response()
}

/// The identifier that a path or parameter names.
pub(super) fn id(text: &str) -> Result<NotificationRuleId> {
    NotificationRuleId::parse(text).ok_or_else(|| Error::not_found("notification rule"))
}

/// The rule that a path names.
async fn named(app: &App, ctx: &TenantCtx, text: &str) -> Result<NotificationRule> {
    rules::find(app.store(), ctx, &id(text)?).await
}
