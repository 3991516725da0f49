//! The verified caller of an operation. Only the authorisation layer of the router makes one, so a
//! handler that takes a [`Caller`] cannot run unauthorised.

use axum::{extract::FromRequestParts, http::request::Parts};
use connectus_core::{Error, TenantCtx};

use super::problem::Problem;

/// Who calls, verified and allowed to call this operation.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant and the actor.
    pub ctx: TenantCtx,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Problem(Error::internal("an operation takes a caller but is declared public"))
        })
    }
}
