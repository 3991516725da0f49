//! A tenant's connections to providers.

pub mod create;
pub mod delete;
pub mod disconnect;
pub mod get;
pub mod health_summary;
pub mod list;
pub mod streams;
pub mod sync_now;
pub mod test_connection;
pub mod update;
mod view;
mod write_only;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error, IntegrationId, Result,
    access::Permission::{
        FlowsRun, HealthRead, IntegrationsRead, IntegrationsTest, IntegrationsWrite,
    },
};
use connectus_engine::connections::Connections;
use connectus_store::integrations::IntegrationView as Stored;

pub use view::IntegrationView;
pub use write_only::WriteOnly;

use crate::{
    app::App,
    http::{Access::Needs, Operation, etag, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "integrations.list" = list, Needs(IntegrationsRead),
            aliases ["/integrations/integrations"];
        "integrations.create" = create, Needs(IntegrationsWrite),
            aliases ["/integrations/integrations"];
        "integrations.health_summary" = health_summary, Needs(HealthRead),
            aliases ["/integrations/integrations/health_summary"];
        "integrations.get" = get, Needs(IntegrationsRead),
            aliases ["/integrations/integrations/{id}"];
        "integrations.update" = update, Needs(IntegrationsWrite),
            aliases ["/integrations/integrations/{id}"];
        "integrations.delete" = delete, Needs(IntegrationsWrite),
            aliases ["/integrations/integrations/{id}"];
        "integrations.disconnect" = disconnect, Needs(IntegrationsWrite),
            aliases ["/integrations/integrations/{id}/disconnect"];
        "integrations.test_connection" = test_connection, Needs(IntegrationsTest),
            aliases ["/integrations/integrations/{id}/test_connection"];
        "integrations.streams" = streams, Needs(IntegrationsRead), aliases [];
        "integrations.sync_now" = sync_now, Needs(FlowsRun),
            aliases ["/integrations/integrations/{id}/sync_now"];
    }
}

fn connections(app: &App) -> &Connections {
    &app.engine_parts.connections
}

/// The identifier that a path or a filter names.
pub(super) fn id(text: &str) -> Result<IntegrationId> {
    IntegrationId::parse(text).ok_or_else(|| Error::not_found("integration"))
}

/// An integration as an answer, with its `ETag`.
fn answer(app: &App, stored: Stored) -> Response {
    let tag = [(header::ETAG, etag::of(stored.integration.version))];
    (tag, Json(IntegrationView::of(app, stored))).into_response()
}
