//! The verified caller of an operation. Only the authorisation layer of the router makes one, so a
//! handler that takes a [`Caller`] cannot run unauthorised.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use connectus_core::{Error, LoginId, Result, TenantCtx, TokenFamilyId, UserId};

use super::problem::Problem;
use crate::auth::credential::{SERVICE_SECRET, SERVICE_USER};

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

/// The headers that prove who calls, for operations that outlive their request: what was proven may
/// be revoked meanwhile.
#[derive(Clone)]
pub struct Proof(pub HeaderMap);

impl Proof {
    /// Those of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        let kept = PROVING.iter().flat_map(|name| {
            headers.get_all(name).iter().map(move |value| (name.clone(), value.clone()))
        });
        let mut proof = HeaderMap::new();
        for (name, value) in kept {
            proof.append(name, value);
        }
        Self(proof)
    }
}

/// The headers that a credential can be in.
static PROVING: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static(SERVICE_SECRET),
    HeaderName::from_static(SERVICE_USER),
];

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
