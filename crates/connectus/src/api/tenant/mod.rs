//! The caller's own tenant. There is no other: the credential says which one it is.

pub mod get;
pub mod update;
mod view;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::access::Permission::{AccountRead, TenantWrite};
use connectus_store::tenants::Tenant;

pub use view::TenantView;

use crate::http::{Access::Needs, Operation, etag, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "tenant.get" = get, Needs(AccountRead), aliases ["/tenant"];
        "tenant.update" = update, Needs(TenantWrite), aliases ["/tenant"];
    }
}

/// The time of the last change serves as the version: it moves with every change.
fn version(tenant: &Tenant) -> u64 {
    u64::try_from(tenant.updated_at.0).unwrap_or_default()
}

fn answer(tenant: Tenant) -> Response {
    let tag = [(header::ETAG, etag::of(version(&tenant)))];
    (tag, Json(TenantView::from(tenant))).into_response()
}
