//! Outgoing webhooks: who is told of which events.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod replay;
pub mod rotate_secret;
pub mod samples;
pub mod update;
mod view;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error, Result, SubscriptionId, TenantCtx,
    access::Permission::{WebhooksRead, WebhooksRun, WebhooksWrite},
    delivery::Subscription,
};
use connectus_engine::deliveries::subscriptions;

pub use view::{SubscriptionView, SubscriptionWithSecret};

use crate::{
    app::App,
    http::{Access::Needs, Operation, etag, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "webhook_subscriptions.list" = list, Needs(WebhooksRead), aliases [];
        "webhook_subscriptions.create" = create, Needs(WebhooksWrite), aliases [];
        "webhook_subscriptions.samples" = samples, Needs(WebhooksRead), aliases [];
        "webhook_subscriptions.get" = get, Needs(WebhooksRead), aliases [];
        "webhook_subscriptions.update" = update, Needs(WebhooksWrite), aliases [];
        "webhook_subscriptions.delete" = delete, Needs(WebhooksWrite), aliases [];
        "webhook_subscriptions.rotate_secret" = rotate_secret, Needs(WebhooksWrite), aliases [];
        "webhook_subscriptions.replay" = replay, Needs(WebhooksRun), aliases [];
    }
}

/// A subscription as an answer, with its `ETag`.
fn answer(subscription: Subscription) -> Response {
    let tag = [(header::ETAG, etag::of(subscription.version))];
    (tag, Json(SubscriptionView::from(subscription))).into_response()
}

/// The identifier that a path or parameter names.
pub(super) fn id(text: &str) -> Result<SubscriptionId> {
    SubscriptionId::parse(text).ok_or_else(|| Error::not_found("webhook subscription"))
}

/// The subscription that a path names.
pub(super) async fn named(app: &App, ctx: &TenantCtx, text: &str) -> Result<Subscription> {
    subscriptions::find(app.store(), ctx, &id(text)?).await
}
