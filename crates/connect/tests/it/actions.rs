//! Performing actions: batches, keys, refusals, unknown outcomes.

use std::sync::Arc;

use connectus_connect::{Access, CredentialSource, credential::Fixed, plan::outcome_unknown};
use connectus_core::{Code, Result};
use serde_json::{Value, json};

use crate::{
    server::{Answer, Server},
    world::{access, connect, connect_with},
};

#[tokio::test]
async fn a_long_batch_is_cut_and_refused_items_are_named() {
    let server = Server::start(|n, request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let inputs = body["inputs"].as_array().unwrap();
        let results: Vec<Value> = inputs.iter().map(|i| json!({"id": i["id"]})).collect();
        if n == 0 {
            return Answer::json(&json!({"results": results}));
        }
        Answer {
            status: 207,
            ..Answer::json(&json!({
                "results": results[1..],
                "errors": [{"message": "Property does not exist",
                    "context": {"objectWriteTraceId": [inputs[0]["objectWriteTraceId"]]}}],
            }))
        }
    })
    .await;
    let (connection, _) = connect("hubspot", &server.url());
    let items: Vec<Value> = (0..150)
        .map(|n| json!({"id": format!("{n}@example.com"), "properties": {"firstname": "A"}}))
        .collect();
    let outcome =
        connection.call("upsert_contacts", &json!({"items": items}), "run_1/step").await.unwrap();
    assert_eq!((outcome.calls, outcome.ids.len(), outcome.failed.len()), (2, 149, 1));
    assert_eq!(outcome.failed[0].index, Some(100));
    assert_eq!(outcome.failed[0].message, "Property does not exist");
    let seen = server.requests();
    let first: Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(first["inputs"].as_array().unwrap().len(), 100);
    let expected = json!({"idProperty": "email", "id": "0@example.com", "objectWriteTraceId": "0",
        "properties": {"firstname": "A"}});
    assert_eq!(first["inputs"][0], expected);
    assert_eq!(seen[0].header("idempotency-key"), Some("run_1/step"));
    assert_eq!(seen[1].header("idempotency-key"), Some("run_1/step~1"));
    assert_eq!(seen[0].header("authorization"), Some("Bearer pasted-token-canary"));
}

#[tokio::test]
async fn bad_input_is_refused_before_anything_is_sent() {
    let server = Server::start(|_, _| Answer::json(&json!({}))).await;
    let (connection, _) = connect("hubspot", &server.url());
    for (action, input, code) in [
        ("upsert_contacts", json!({}), Code::Invalid),
        ("upsert_contacts", json!({"items": 3}), Code::Invalid),
        ("upsert_contacts", json!({"items": [], "more": 1}), Code::Invalid),
        ("upsert_contacts", json!([]), Code::Invalid),
        ("update_contact", json!({"id": "..", "properties": {}}), Code::Invalid),
        ("update_contact", json!({"id": null, "properties": {}}), Code::Invalid),
        ("explode", json!({}), Code::NotFound),
    ] {
        let error = connection.call(action, &input, "k").await.unwrap_err();
        assert_eq!(error.code, code, "{action} {input}");
    }
    let none = connection.call("upsert_contacts", &json!({"items": []}), "k").await.unwrap();
    assert_eq!(none.calls, 0);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn slack_says_no_with_status_200_and_keeps_the_key() {
    let server = Server::start(|n, _| match n {
        0 => Answer::json(&json!({"ok": true, "ts": "1.2", "channel": "C1"})),
        1 => Answer::json(&json!({"ok": false, "error": "channel_not_found"})),
        2 => Answer::json(&json!({"ok": false, "error": "ratelimited"})).header("retry-after", "3"),
        _ => Answer::json(&json!({"ok": false, "error": "token_revoked"})),
    })
    .await;
    let (connection, _) = connect("slack", &server.url());
    let input = json!({"channel": "C1", "text": "Hello"});
    let outcome = connection.call("post_message", &input, "run_1/notify").await.unwrap();
    assert_eq!(outcome.ids, ["1.2"]);
    let body: Value = serde_json::from_str(&server.requests()[0].body).unwrap();
    assert_eq!((&body["channel"], &body["text"]), (&json!("C1"), &json!("Hello")));
    assert_eq!(body["client_msg_id"].as_str().unwrap().len(), 36);
    assert!(body.get("blocks").is_none(), "what was not given is not sent");

    let refused = connection.call("post_message", &input, "k").await.unwrap_err();
    assert_eq!(refused.code, Code::ProviderRefused);
    assert!(refused.detail.contains("channel_not_found") && refused.detail.contains("may see it"));
    assert_eq!(refused.extra["verdict"], "not_found");
    let limited = connection.call("post_message", &input, "k").await.unwrap_err();
    assert_eq!((limited.code, limited.retry_after), (Code::RateLimited, Some(3)));
}

#[tokio::test]
async fn the_secret_url_is_the_address_and_needs_no_header() {
    let server =
        Server::start(|_, _| Answer::status(200, "ok").header("content-type", "text/html")).await;
    let base = server.url();
    let url = format!("{base}/services/T0/B0/secret-canary");
    let source = Fixed(access(&base, &[("webhook_url", &url)]));
    let (connection, _) = connect_with("slack", &base, Arc::new(source));
    let outcome = connection.call("send_webhook", &json!({"text": "Hi"}), "k").await.unwrap();
    assert_eq!(outcome.records, [json!("ok")]);
    let seen = &server.requests()[0];
    assert_eq!(seen.target, "/services/T0/B0/secret-canary");
    assert_eq!(seen.header("authorization"), None);
    let input = json!({"channel": "C1", "text": "Hi"});
    let wrong = connection.call("post_message", &input, "k").await.unwrap_err();
    assert_eq!(wrong.code, Code::Forbidden, "a secret URL is no bot token");
}

#[tokio::test]
async fn an_unknown_outcome_says_so_and_a_refusal_does_not() {
    let server = Server::start(|n, _| match n {
        0 => Answer { drop: true, ..Answer::default() },
        1 => Answer::status(502, "bad gateway"),
        2 => Answer::status(200, "<html>"),
        3 => Answer::status(400, "{}"),
        _ => Answer::status(429, "{}"),
    })
    .await;
    let (connection, _) = connect("hubspot", &server.url());
    let input = json!({"properties": {"dealname": "X"}});
    for expected in [true, true, true, false, false] {
        let error = connection.call("create_deal", &input, "k").await.unwrap_err();
        assert_eq!(outcome_unknown(&error), expected, "{error}");
    }
}

#[tokio::test]
async fn a_provider_that_repeats_our_secret_is_not_repeated() {
    let server = Server::start(|_, request| {
        let said = request.header("authorization").unwrap().to_owned();
        Answer { status: 400, ..Answer::json(&json!({"message": format!("bad {said}")})) }
    })
    .await;
    let (connection, _) = connect("hubspot", &server.url());
    let error = connection.test().await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("[redacted]") && !shown.contains("canary"), "{shown}");
}

/// Hands out a new token when the old one is refused.
struct Renewing(String);

#[async_trait::async_trait]
impl CredentialSource for Renewing {
    async fn access(&self) -> Result<Access> {
        let fields = [("access_token", "old-token"), ("client_id", "id")];
        Ok(Access { generation: 1, ..access(&self.0, &fields) })
    }

    async fn renew(&self, refused: u64) -> Result<Access> {
        assert_eq!(refused, 1);
        let fields = [("access_token", "new-token"), ("client_id", "id")];
        Ok(Access { generation: 2, ..access(&self.0, &fields) })
    }
}

#[tokio::test]
async fn a_token_that_ended_is_refreshed_once() {
    let expired = r#"{"status":"error","category":"EXPIRED_AUTHENTICATION","message":"expired"}"#;
    let server = Server::start(move |_, request| match request.header("authorization") {
        Some("Bearer new-token") => Answer::json(&json!({"results": []})),
        _ => Answer::status(401, expired),
    })
    .await;
    let base = server.url();
    let (connection, _) = connect_with("hubspot", &base, Arc::new(Renewing(base.clone())));
    assert!(connection.test().await.is_ok());
    assert_eq!(server.requests().len(), 2);

    let dead = Server::start(move |_, _| Answer::status(401, expired)).await;
    let base = dead.url();
    let (connection, _) = connect_with("hubspot", &base, Arc::new(Renewing(base.clone())));
    assert_eq!(connection.test().await.unwrap_err().code, Code::ReauthRequired);
    assert_eq!(dead.requests().len(), 2, "once, not for ever");
}

#[tokio::test]
async fn a_credential_of_another_place_is_not_sent() {
    let server = Server::start(|_, _| Answer::json(&json!({"results": []}))).await;
    let elsewhere = access("http://127.0.0.1:9", &[("access_token", "canary")]);
    let (connection, _) = connect_with("hubspot", &server.url(), Arc::new(Fixed(elsewhere)));
    assert_eq!(connection.test().await.unwrap_err().code, Code::EgressDenied);
    assert!(server.requests().is_empty());
}
