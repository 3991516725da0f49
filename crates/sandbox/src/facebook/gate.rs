//! Who may call, and how much: a rolling hour of the ad account, told in percent.

use axum::{
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Refusal, account::ACCOUNT};
use crate::{asked::Asked, oauth::Standing, world::World};

pub(super) fn pass(
    world: &World,
    asked: &Asked,
    answer: impl FnOnce() -> Result<Response, Refusal>,
) -> Response {
    let now = world.now();
    if let Err(refusal) = check_token(world, asked, now) {
        return refusal.into_response();
    }
    let admission = world.facebook().calls.admit("account", now);
    let refused = admission.and_then(|admission| admission.wait_ms);
    let outcome = if refused.is_some() { Err(Refusal::limited()) } else { answer() };
    let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
    let Some(admission) = admission else { return response };
    let used = 100 * (admission.limit - admission.remaining) / admission.limit.max(1);
    let wait_minutes = refused.map_or(0, |wait_ms| (wait_ms + 59_999) / 60_000);
    let usage = json!({ACCOUNT: [{
        "type": "ads_management",
        "call_count": used,
        "total_cputime": used / 4,
        "total_time": used / 4,
        "estimated_time_to_regain_access": wait_minutes,
        "ads_api_access_tier": "standard_access",
    }]});
    // Of the account alone: a percentage with a fraction, and a time in seconds.
    let account = json!({"acc_id_util_pct": f64::from(used) / 10.0, "reset_time_duration": 120,
        "ads_api_access_tier": "standard_access"});
    for (name, value) in [("x-business-use-case-usage", usage), ("x-ad-account-usage", account)] {
        if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn check_token(world: &World, asked: &Asked, now: Timestamp) -> Result<(), Refusal> {
    let given = asked.params.get("access_token").and_then(Value::as_str);
    let token = asked.credential(&["Bearer", "OAuth"]).or(given);
    let token = token.ok_or_else(|| Refusal::new(104, "An access token is required."))?;
    check_proof(world, asked, token)?;
    let keys = &world.config.keys;
    match world.facebook().grants.standing(token, now) {
        Standing::Valid { .. } => Ok(()),
        _ if token == keys.facebook_token => Ok(()),
        Standing::Expired { .. } => Err(Refusal::token(463, "Session has expired.")),
        Standing::Unknown => Err(Refusal::token(0, "The session is invalid.")),
    }
}

/// The proof that the caller knows the app's secret: asked for where the app says so, and never
/// wrong.
fn check_proof(world: &World, asked: &Asked, token: &str) -> Result<(), Refusal> {
    let proof = asked.param("appsecret_proof");
    if proof.is_empty() && !world.config.facebook_requires_proof {
        return Ok(());
    }
    let secret = world.config.keys.facebook_client_secret.as_bytes();
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok().map(|mut mac| {
        mac.update(token.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    });
    if mac.as_deref() == Some(proof) {
        return Ok(());
    }
    Err(Refusal::parameter(if proof.is_empty() {
        "API calls from the server require an appsecret_proof argument"
    } else {
        "Invalid appsecret_proof provided in the API argument"
    }))
}
