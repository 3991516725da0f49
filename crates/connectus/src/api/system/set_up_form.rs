//! `GET /setup`: the page behind the one-time link that `connectus serve` prints.

use axum::extract::Query;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::docs::{
    Page,
    setup::{self, Entered},
};

/// What the link holds.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Link {
    /// The one-time token.
    #[serde(default)]
    token: String,
}

/// The form of the first owner.
#[utoipa::path(get, path = "/setup", tag = "system", params(Link),
    responses((status = 200, body = String, content_type = "text/html")))]
pub async fn handle(Query(link): Query<Link>) -> Page {
    setup::form(Entered { token: &link.token, ..Entered::default() })
}
