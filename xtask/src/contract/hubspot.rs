//! What our HubSpot pack sends, in good and in bad.

use serde_json::{Value, json};

use super::exchange::{Exchange, Unjudged, Verdict};
use crate::{
    command::Outcome,
    sandbox::{CALLBACK, SandboxProcess},
};

/// Parts of the fake without a specification.
pub const UNJUDGED: &[Unjudged] = &[
    Unjudged {
        what: "HubSpot /oauth/v3/token and /revoke under it, the same under /oauth/2026-03",
        reason: "newer than the SDK the specification is derived from; tokens by v1's handler",
    },
    Unjudged {
        what: "HubSpot /account-info/v3/details",
        reason: "the SDK does not cover the account information API",
    },
    Unjudged {
        what: "HubSpot rate-limit headers and webhook signatures",
        reason: "response headers and deliveries are not part of the specification",
    },
];

const TOKEN: &str = "Bearer sandbox-hubspot-token";
const CLIENT: &str = "sandbox-hubspot-client";

/// An object type: its path, a property to write, its time of change, an id seeded for every run.
const TYPES: [(&str, &str, &str, &str); 3] = [
    ("contacts", "firstname", "lastmodifieddate", "100001"),
    ("companies", "name", "hs_lastmodifieddate", "200001"),
    ("deals", "dealname", "hs_lastmodifieddate", "300001"),
];

/// Every exchange, in order: later ones rely on what earlier ones created.
pub fn exchanges(sandbox: &SandboxProcess) -> Outcome<Vec<Exchange>> {
    let mut all = Vec::new();
    for (name, written, modified, id) in TYPES {
        all.extend(reads(name, written, modified, id));
        all.extend(writes(name, written, id));
        all.extend(batches(name, written, id));
    }
    all.extend(refusals());
    all.extend(gaps());
    all.extend(account());
    all.extend(oauth(sandbox)?);
    Ok(all)
}

fn call(name: impl Into<String>, method: &'static str, target: impl Into<String>) -> Exchange {
    let name = format!("HubSpot {}", name.into());
    Exchange::new(name, method, target.into()).header("authorization", TOKEN)
}

fn reads(name: &str, written: &str, modified: &str, id: &str) -> Vec<Exchange> {
    let base = format!("/crm/v3/objects/{name}");
    let search = |filter: Value| {
        json!({"filterGroups": [{"filters": [filter]}], "sorts": [modified],
               "properties": [written], "limit": 200})
    };
    let since = |at: &str| json!({"propertyName": modified, "operator": "GTE", "value": at});
    let page = format!("{base}?limit=2&after={id}&properties={written}&archived=false");
    let found = format!("{base}/{id}?properties={written}");
    vec![
        call(format!("list {name}"), "GET", format!("{base}?limit=2")),
        call(format!("next page of {name}"), "GET", page),
        call(format!("read one of {name}"), "GET", found),
        call(format!("read none of {name}"), "GET", format!("{base}/999")).answers(404),
        call(format!("search {name}"), "POST", format!("{base}/search"))
            .json(&search(since("1500000000000"))),
        call(format!("search {name} in vain"), "POST", format!("{base}/search"))
            .json(&search(since("4100000000000"))),
        call(format!("batch read {name}"), "POST", format!("{base}/batch/read")).json(
            &json!({"properties": [written], "propertiesWithHistory": [], "inputs": [{"id": id}]}),
        ),
        call(format!("batch read {name} in part"), "POST", format!("{base}/batch/read"))
            .json(&json!({"properties": [], "propertiesWithHistory": [],
                          "inputs": [{"id": id}, {"id": "999"}]}))
            .answers(207),
    ]
}

fn writes(name: &str, written: &str, id: &str) -> Vec<Exchange> {
    let base = format!("/crm/v3/objects/{name}");
    let one = format!("{base}/{id}");
    let body = json!({"properties": {written: "Écrit"}});
    let unknown = json!({"properties": {"nonsense": "1"}});
    vec![
        call(format!("create one of {name}"), "POST", base.clone()).json(&body).answers(201),
        call(format!("create nonsense in {name}"), "POST", base).json(&unknown).answers(400),
        call(format!("change one of {name}"), "PATCH", one).json(&body),
        call(format!("archive none of {name}"), "DELETE", format!("/crm/v3/objects/{name}/999"))
            .answers(204),
    ]
}

fn batches(name: &str, written: &str, id: &str) -> Vec<Exchange> {
    let path = |verb: &str| format!("/crm/v3/objects/{name}/batch/{verb}");
    let good = json!({"properties": {written: "a"}});
    let traced = |trace: &str, property: &str| {
        let properties = json!({property: "a"});
        json!({"properties": properties, "objectWriteTraceId": trace})
    };
    let upsert = |key: &str, property: &str, trace: &str| {
        json!({"id": key, "idProperty": "external_id", "properties": {property: "a"},
               "objectWriteTraceId": trace})
    };
    let partly = json!({"inputs": [traced("1", written), traced("2", "nonsense")]});
    let change = json!({"inputs": [{"id": id, "properties": {written: "b"}}]});
    let missing = json!({"inputs": [{"id": "999", "properties": {written: "b"}}]});
    let twice = json!({"inputs": [upsert("k1", written, "1"), upsert("k2", written, "2")]});
    let upsert_partly =
        json!({"inputs": [upsert("k1", written, "1"), upsert("k3", "nonsense", "2")]});
    let many: Vec<_> = (0..101).map(|n| json!({"id": n.to_string()})).collect();
    vec![
        call(format!("batch create {name}"), "POST", path("create"))
            .json(&json!({"inputs": [good]}))
            .answers(201),
        call(format!("batch create {name} in part"), "POST", path("create"))
            .json(&partly)
            .answers(207),
        call(format!("batch update {name}"), "POST", path("update")).json(&change),
        call(format!("batch update no {name}"), "POST", path("update")).json(&missing).answers(404),
        call(format!("batch upsert new {name}"), "POST", path("upsert")).json(&twice),
        call(format!("batch upsert known {name}"), "POST", path("upsert")).json(&twice),
        call(format!("batch upsert {name} in part"), "POST", path("upsert"))
            .json(&upsert_partly)
            .answers(207),
        call(format!("batch archive {name}"), "POST", path("archive"))
            .json(&json!({"inputs": [{"id": "999"}]}))
            .answers(204),
        call(format!("too many {name}"), "POST", path("archive"))
            .json(&json!({"inputs": many}))
            .answers(400),
    ]
}

fn refusals() -> Vec<Exchange> {
    let contacts = "/crm/v3/objects/contacts";
    let email = json!({"properties": {"email": "twice@example.com"}});
    let fault = |kind: Value| json!({"path_prefix": "/crm", "kind": kind});
    let mut nobody = call("list without a token", "GET", contacts).answers(401);
    nobody.request.headers.clear();
    vec![
        nobody.judged(Verdict::BadRequest),
        call("an expired token", "GET", contacts)
            .after(fault(json!({"name": "expired_token"})))
            .answers(401),
        call("the rate limit", "GET", contacts)
            .after(fault(json!({"name": "status429", "retry_after": null})))
            .answers(429),
        call("a breakdown", "GET", contacts)
            .after(fault(json!({"name": "status", "status": 503})))
            .answers(503),
        call("a page too large", "GET", format!("{contacts}?limit=500")).answers(400),
        call("a new address", "POST", contacts).json(&email).answers(201),
        call("a known address", "POST", contacts).json(&email).answers(409),
        call("a broken address", "POST", contacts)
            .json(&json!({"properties": {"email": "nobody"}}))
            .answers(400),
        call("a search past its end", "POST", format!("{contacts}/search"))
            .json(&json!({"limit": 200, "after": "9900"}))
            .answers(400),
        call("an unknown filter", "POST", format!("{contacts}/search"))
            .json(&json!({"filterGroups": [{"filters": [
                {"propertyName": "nonsense", "operator": "EQ", "value": "1"}]}]}))
            .answers(400),
        call("a body of the wrong shape", "POST", format!("{contacts}/batch/upsert"))
            .json(&json!({"inputs": "all"}))
            .answers(400)
            .judged(Verdict::BadRequest),
        call("an error without its id", "GET", format!("{contacts}/999"))
            .after(fault(json!({"name": "schema_drift", "from": "correlationId", "to": null})))
            .answers(404)
            .judged(Verdict::Caught),
        call("an answer without results", "GET", contacts)
            .after(fault(json!({"name": "schema_drift", "from": "results", "to": "rows"})))
            .judged(Verdict::Caught),
    ]
}

fn gaps() -> Vec<Exchange> {
    let sorts = json!({"sorts": [{"propertyName": "createdate", "direction": "ASCENDING"}]});
    vec![
        call("sorts as objects", "POST", "/crm/v3/objects/contacts/search").json(&sorts).judged(
            Verdict::Gap {
                place: "request.body.sorts",
                reason: "the SDK types them as text; the guide shows objects, and both are taken",
            },
        ),
        call("a property without a value", "GET", "/crm/v3/objects/contacts/100001?properties=zip")
            .judged(Verdict::Gap {
                place: "response.body.properties.zip",
                reason: "the SDK types values as text; HubSpot sends null where there is none",
            }),
    ]
}

fn account() -> Vec<Exchange> {
    let mut all = vec![
        call("owners", "GET", "/crm/v3/owners/?limit=100"),
        call("an owner by address", "GET", "/crm/v3/owners/?email=nobody@example.com"),
    ];
    for (name, written, ..) in TYPES {
        let base = format!("/crm/v3/properties/{name}");
        all.push(call(format!("properties of {name}"), "GET", base.clone()));
        all.push(call(format!("a property of {name}"), "GET", format!("{base}/{written}")));
        all.push(call(format!("no property of {name}"), "GET", format!("{base}/no")).answers(404));
    }
    all
}

fn oauth(sandbox: &SandboxProcess) -> Outcome<Vec<Exchange>> {
    let fresh = || sandbox.authorization_code(&sandbox.hubspot, "/oauth/authorize", CLIENT);
    let token = |name: &str, pairs: &[(&str, &str)]| {
        let app = [("client_id", CLIENT), ("client_secret", "sandbox-hubspot-secret")];
        call(name, "POST", "/oauth/v1/token").form(&[&app, pairs].concat())
    };
    let by_code = |code: &str| {
        token(
            "a code for a token",
            &[("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", code)],
        )
    };
    // One pair of tokens for the exchanges that read them.
    let direct = crate::http::send(&sandbox.hubspot, &by_code(&fresh()?).request)?;
    let granted: Value = serde_json::from_str(&direct.body)
        .map_err(|_| format!("no token from the sandbox: {}", direct.body))?;
    let text = |name: &str| granted.get(name).and_then(Value::as_str).unwrap_or_default();
    let (access, refresh) = (text("access_token"), text("refresh_token"));
    let about_refresh = format!("/oauth/v1/refresh-tokens/{refresh}");
    let renew = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    Ok(vec![
        by_code(&fresh()?),
        by_code("made-up").answers(400),
        token("a refresh", &renew),
        call("about a token", "GET", format!("/oauth/v1/access-tokens/{access}")),
        call("about no token", "GET", "/oauth/v1/access-tokens/made-up").answers(404),
        call("about a refresh token", "GET", about_refresh.clone()),
        call("a revocation", "DELETE", about_refresh).answers(204),
        token("a refresh after revocation", &renew).answers(400),
    ])
}
