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
    if admission.is_some_and(|admission| admission.wait_ms.is_some()) {
        let mut refused = Refusal::rate_limited("TEN_SECONDLY_ROLLING").into_response();
        announce(refused.headers_mut(), admission, None);
        return refused;
    }
    // Only private apps have a daily budget of their own, and only they are told about it.
    let is_private_app = caller == world.config.keys.hubspot_token;
    let daily = is_private_app.then(|| world.portal().daily.admit(now)).flatten();
    let mut response = match daily {
        Some(Err(_)) => Refusal::rate_limited("DAILY").into_response(),
        _ => next.run(request).await,
    };
    announce(response.headers_mut(), admission, daily);
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

/// Says how much is left, in HubSpot's headers.
fn announce(
    headers: &mut HeaderMap,
    admission: Option<Admission>,
    daily: Option<Result<(u32, u32), u32>>,
) {
    let mut add =
        |name, value| headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    if let Some(Admission { limit, remaining, .. }) = admission {
        let secondly: u32 = limit.div_ceil(10);
        add("x-hubspot-ratelimit-max", limit);
        add("x-hubspot-ratelimit-remaining", remaining);
        add("x-hubspot-ratelimit-interval-milliseconds", 10_000);
        add("x-hubspot-ratelimit-secondly", secondly);
        add("x-hubspot-ratelimit-secondly-remaining", remaining.min(secondly));
    }
    if let Some(daily) = daily {
        let (limit, remaining) = daily.unwrap_or_else(|limit| (limit, 0));
        add("x-hubspot-ratelimit-daily", limit);
        add("x-hubspot-ratelimit-daily-remaining", remaining);
    }
}
