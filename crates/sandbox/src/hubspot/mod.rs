//! HubSpot CRM v3, as much of it as Connectus uses, answering as HubSpot does.

mod account;
mod batch;
mod body;
mod filter;
mod gate;
mod list;
mod oauth;
mod object;
mod portal;
mod properties;
mod refusal;
mod search;
mod single;

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};

pub use object::ObjectType;
pub(crate) use object::{Values, iso};
pub(crate) use portal::Portal;
pub(crate) use refusal::{Refusal, misfortune};

use crate::world::World;

/// Id of the one portal.
pub(crate) const PORTAL_ID: u64 = 83_600_001;

/// All routes.
pub(crate) fn router(world: &Arc<World>) -> Router {
    let guarded = Router::new()
        .route("/crm/v3/objects/{type}", get(list::list).post(single::create))
        .route("/crm/v3/objects/{type}/search", post(search::search))
        .route("/crm/v3/objects/{type}/batch/read", post(batch::read))
        .route("/crm/v3/objects/{type}/batch/create", post(batch::create))
        .route("/crm/v3/objects/{type}/batch/update", post(batch::update))
        .route("/crm/v3/objects/{type}/batch/upsert", post(batch::upsert))
        .route("/crm/v3/objects/{type}/batch/archive", post(batch::archive))
        .route(
            "/crm/v3/objects/{type}/{id}",
            get(single::read).patch(single::update).delete(single::archive),
        )
        .route("/crm/v3/properties/{type}", get(properties::list))
        .route("/crm/v3/properties/{type}/{name}", get(properties::read))
        .route("/crm/v3/owners", get(account::owners))
        .route("/crm/v3/owners/", get(account::owners))
        .route("/account-info/v3/details", get(account::details))
        .layer(from_fn_with_state(Arc::clone(world), gate::gate));
    let open = Router::new()
        .route("/oauth/authorize", get(oauth::authorize))
        .route("/oauth/v1/token", post(oauth::token))
        .route("/oauth/v3/token", post(oauth::token))
        .route("/oauth/2026-03/token", post(oauth::token))
        .route("/oauth/v3/token/revoke", post(oauth::revoke))
        .route("/oauth/2026-03/token/revoke", post(oauth::revoke))
        .route("/oauth/v1/access-tokens/{token}", get(oauth::access_token))
        .route(
            "/oauth/v1/refresh-tokens/{token}",
            get(oauth::refresh_token).delete(oauth::revoke_v1),
        );
    guarded.merge(open).fallback(refusal::no_such_path).with_state(Arc::clone(world))
}
