//! The account itself: `GET /crm/v3/owners`, `GET /account-info/v3/details`

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{PORTAL_ID, body::Params, iso, refusal::Refusal};
use crate::{people, random::Random, world::World};

const OWNERS: u32 = 3;

pub(crate) async fn owners(
    State(world): State<Arc<World>>,
    params: Params,
) -> Result<Json<Value>, Refusal> {
    params.limit(500)?;
    let since = iso(connectus_core::Timestamp::from_secs(1_700_000_000));
    let mut random = Random::new(world.config.seed, 9);
    let results: Vec<_> = (0..OWNERS)
        .map(|index| {
            let person = people::person(&mut random, index);
            json!({
                "id": (700_001 + index).to_string(),
                "email": person.email,
                "type": "PERSON",
                "firstName": person.first,
                "lastName": person.last,
                "userId": 800_001 + index,
                "createdAt": since,
                "updatedAt": since,
                "archived": false,
            })
        })
        .filter(|owner| params.get("email").is_none_or(|email| owner["email"] == email))
        .collect();
    Ok(Json(json!({"results": results})))
}

/// HubSpot knows sandbox accounts too, and this is what it calls them.
pub(crate) async fn details(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({
        "portalId": PORTAL_ID,
        "accountType": "SANDBOX",
        "portalName": world.config.label,
        "timeZone": "UTC",
        "companyCurrency": "EUR",
        "additionalCurrencies": [],
        "utcOffset": "+00:00",
        "utcOffsetMilliseconds": 0,
        "uiDomain": "sandbox.example.com",
        "dataHostingLocation": "none",
    }))
}
