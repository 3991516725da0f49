//! What a receiver gets, and by which secrets it is signed.

use connectus_connect::{
    Secrets,
    webhook::{self, EXCERPT_BYTES},
};
use connectus_core::{
    Timestamp,
    delivery::{DeliveryStatus, SIGN_ALONG_SECS},
    event::EventType,
    provider::Triggers,
};
use connectus_engine::deliveries::subscriptions;
use connectus_testkit::both;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{
    Post,
    server::{Answer, Request},
};

/// Whether the receiver, who knows this secret, takes the request for ours.
fn verifies(request: &Request, secret: &SecretString, now: Timestamp) -> bool {
    let triggers: Triggers = serde_json::from_value(json!({
        "signatures": [{"kind": "standard_webhooks", "secret": "key"}],
        "envelope": {"id": "id", "name": "type"}, "events": [],
    }))
    .unwrap();
    let mut secrets = Secrets::new();
    secrets.set("key", secret.clone());
    let headers: HeaderMap = request
        .headers
        .iter()
        .map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        })
        .collect();
    let delivery = webhook::Delivery {
        method: "POST",
        url: "https://x.example/",
        headers: &headers,
        body: request.body.as_bytes(),
    };
    webhook::verify(&triggers, &secrets, delivery, now).is_ok()
}

both! {
    async fn what_is_wanted_arrives_signed_and_nothing_else(db: TestStore) {
        let post = Post::open(&db, |_, _| Answer::status(202, &"x".repeat(9_000))).await;
        post.emit(EventType::RunFailed, "run_before").await;
        let (subscription, secret) = post.subscribe(&["run.*"]).await;
        post.emit(EventType::RunFailed, "run_1").await;
        post.emit(EventType::WorkflowCreated, "wf_1").await;
        post.deliver().await;
        post.deliver().await;
        let requests = post.receiver.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        let request = &requests[0];
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/hooks?a=b"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        let now = db.sim.env.now();
        assert!(verifies(request, &secret, now));
        assert!(!verifies(request, &webhook::new_secret(&db.sim.env), now));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["type"], "run.failed");
        assert_eq!(body["subject"], "run_1");
        assert_eq!(body["data"], json!({"n": 1}));
        assert_eq!(body["timestamp"], now.to_string());

        let deliveries = post.deliveries(&subscription.id).await;
        assert_eq!(deliveries.len(), 1);
        let delivery = &deliveries[0];
        assert_eq!(delivery.status, DeliveryStatus::Delivered);
        assert_eq!(request.header("webhook-id"), Some(delivery.id.as_str()));
        let attempts = post.attempts(delivery).await;
        assert_eq!((attempts.len(), attempts[0].number, attempts[0].status), (1, 1, Some(202)));
        assert_eq!(attempts[0].response.len(), EXCERPT_BYTES);
    }

    async fn two_secrets_sign_for_a_day_and_neither_is_stored_readable(db: TestStore) {
        let post = Post::open(&db, |_, _| Answer::status(200, "")).await;
        let (subscription, old) = post.subscribe(&["run.failed"]).await;
        let store = &post.rig.parts.store;
        let rotated = subscriptions::rotate_secret(store, post.ctx(), &subscription.id).await;
        let (changed, new) = rotated.unwrap();
        let now = db.sim.env.now();
        assert_eq!(changed.previous_secret_until, Some(now.plus_secs(SIGN_ALONG_SECS)));
        for (wait, signs_along) in [(SIGN_ALONG_SECS - 1, true), (1, false)] {
            let now = db.sim.clock.advance_secs(wait);
            post.emit(EventType::RunFailed, "run_1").await;
            post.deliver().await;
            let requests = post.receiver.requests();
            let request = requests.last().unwrap();
            let signatures = request.header("webhook-signature").unwrap().split(' ').count();
            assert_eq!(signatures, if signs_along { 2 } else { 1 });
            assert!(verifies(request, &new, now));
            assert_eq!(verifies(request, &old, now), signs_along);
        }
        // A second rotation keeps the newest two.
        let rotated = subscriptions::rotate_secret(store, post.ctx(), &subscription.id).await;
        let (_, newest) = rotated.unwrap();
        post.emit(EventType::RunFailed, "run_2").await;
        post.deliver().await;
        let requests = post.receiver.requests();
        let (request, now) = (requests.last().unwrap(), db.sim.env.now());
        assert_eq!(
            [&newest, &new, &old].map(|secret| verifies(request, secret, now)),
            [true, true, false]
        );
        for table in store.read().await.unwrap().everything().await.unwrap() {
            for row in table.rows {
                for secret in [&old, &new, &newest] {
                    assert!(!row.contains(secret.expose_secret()), "{}: {row}", table.table);
                }
            }
        }
    }
}
