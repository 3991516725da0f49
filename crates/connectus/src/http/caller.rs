//! The verified caller of an operation. Only the authorisation layer of the router makes one, so a
//! handler that takes a [`Caller`] cannot run unauthorised.

use axum::{extract::FromRequestParts, http::request::Parts};
use connectus_core::{Error, LoginId, Result, TenantCtx, TokenFamilyId, UserId};

use super::problem::Problem;

/// Who calls, verified and allowed to call this operation.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant and the actor.
    pub ctx: TenantCtx,
    /// The tenant's plan.
    pub plan: String,
    /// By which kind of credential.
    pub via: Via,
}

/// The kind of credential a caller came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// The session cookie.
    Console {
        /// The login it belongs to.
        login: LoginId,
        /// What calls that change something must carry.
        csrf_token: String,
    },
    /// An access token.
    Token {
        /// The chain of refresh tokens it ends with; `None` for a token issued elsewhere.
        family: Option<TokenFamilyId>,
    },
    /// An API key.
    ApiKey,
    /// A partner service on behalf of a person.
    Service,
}

impl Caller {
    /// The person who calls, or for whom.
    ///
    /// # Errors
    /// `not_found` for an API key that belongs to nobody in particular.
    pub fn user(&self) -> Result<&UserId> {
        self.ctx.actor().user().ok_or_else(|| Error::not_found("user"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Problem(Error::internal("an operation takes a caller but is declared public"))
        })
    }
}
