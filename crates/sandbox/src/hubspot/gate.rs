//! Who may call, and how often.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;

use super::refusal::Refusal;
use crate::{oauth::Standing, window::Admission, world::World};

/// Checks the bearer token, then the rolling window, then lets the call through.
pub(crate) async fn gate(
    State(world): State<Arc<World>>,
    request: Request,
    next: Next,
) -> Response {
    let now = world.now();
    let caller = match caller(&world, request.headers(), now) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    if request.uri().path().ends_with("/search") {
        // Searches have a limit of their own and no rate-limit headers.
        let admission = world.portal().searches.admit(&caller, now);
        if admission.is_some_and(|admission| admission.wait_ms.is_some()) {
            return Refusal::rate_limited("SECONDLY").into_response();
        }
        return next.run(request).await;
    }
    let admission = world.portal().calls.admit(&caller, now);
    let mut response = match admission {
        Some(Admission { wait_ms: Some(_), .. }) => {
            Refusal::rate_limited("TEN_SECONDLY_ROLLING").into_response()
        }
        _ => next.run(request).await,
    };
    if let Some(admission) = admission {
        announce(response.headers_mut(), admission);
    }
    response
}

/// The token, when it is good.
fn caller(world: &World, headers: &HeaderMap, now: Timestamp) -> Result<String, Refusal> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(Refusal::unauthenticated)?;
    if token == world.config.keys.hubspot_token {
        return Ok(token.to_owned());
    }
    match world.portal().grants.standing(token, now) {
        Standing::Valid { .. } => Ok(token.to_owned()),
        Standing::Expired { secs_ago } => Err(Refusal::expired_token(secs_ago)),
        Standing::Unknown => Err(Refusal::unauthenticated()),
    }
}

fn announce(headers: &mut HeaderMap, admission: Admission) {
    let secondly = admission.limit.div_ceil(10);
    for (name, value) in [
        ("x-hubspot-ratelimit-max", admission.limit),
        ("x-hubspot-ratelimit-remaining", admission.remaining),
        ("x-hubspot-ratelimit-interval-milliseconds", 10_000),
        ("x-hubspot-ratelimit-secondly", secondly),
        ("x-hubspot-ratelimit-secondly-remaining", admission.remaining.min(secondly)),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}
