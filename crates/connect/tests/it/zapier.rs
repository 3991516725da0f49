//! Zapier: what its documentation says, against its fake.

use connectus_connect::{
    Connection, packs,
    webhook::{self, Delivery},
};
use connectus_core::Code;
use connectus_sandbox::{Fault, FaultKind};
use http::HeaderMap;
use serde_json::json;

use crate::{fakes::Fakes, world::secrets};

fn connect(fakes: &Fakes, path: &str) -> Connection {
    let base = &fakes.sandbox.zapier_base_url;
    let hook = format!("{base}{path}");
    fakes.connect("zapier", base, &[("webhook_url", hook.as_str())], &json!({}))
}

#[tokio::test]
async fn an_object_is_caught_by_the_zap_as_it_was_sent() {
    let fakes = Fakes::start().await;
    let path = fakes.handle().keys().zapier_hook_path.clone();
    let zapier = connect(&fakes, &path);
    let payload = json!({"event": "lead", "person": {"name": "Awa", "tags": ["a", 1, null]}});
    let input = json!({"payload": payload});
    let outcome = zapier.call("send", &input, "ten/run/step").await.unwrap();
    assert_eq!((outcome.ids.len(), &outcome.records[0]["status"]), (1, &json!("success")));
    assert_eq!(fakes.handle().zapier_caught(&path), [payload]);
    let calls = fakes.calls.0.lock().unwrap();
    assert!(!format!("{calls:?}").contains(&path), "the address is the secret");
}

#[tokio::test]
async fn what_may_have_arrived_is_not_sent_again() {
    let fakes = Fakes::start().await;
    let path = fakes.handle().keys().zapier_hook_path.clone();
    let zapier = connect(&fakes, &path);
    let input = json!({"payload": {"n": 1}});
    for (kind, code, unknown) in [
        (FaultKind::Status { status: 500 }, Code::ProviderUnavailable, true),
        (FaultKind::Truncated, Code::ProviderUnavailable, true),
        (FaultKind::Drop, Code::ProviderUnavailable, true),
        (FaultKind::Html200, Code::ProviderUnavailable, true),
        (FaultKind::Status429 { retry_after: Some(60) }, Code::RateLimited, false),
    ] {
        fakes.handle().fault(Fault::on("POST", "/hooks", kind.clone()));
        let error = zapier.call("send", &input, "k").await.unwrap_err();
        assert_eq!(error.code, code, "{kind:?}");
        assert_eq!(connectus_connect::plan::outcome_unknown(&error), unknown, "{kind:?}");
        fakes.clock.advance_secs(3_700);
    }
    let plan = packs::find("zapier").unwrap();
    assert_eq!(plan.pack.action("send").unwrap().idempotency.name(), "at_most_once");
    // A Zap that is off, and a hook that never was.
    fakes.handle().zapier_turn_off(&path);
    let error = zapier.call("send", &input, "k2").await.unwrap_err();
    assert_eq!((error.code, &error.extra["verdict"]), (Code::ProviderRefused, &json!("not_found")));
    let nowhere = connect(&fakes, "/hooks/catch/1/nowhere/");
    assert_eq!(nowhere.call("send", &input, "k3").await.unwrap_err().code, Code::ProviderRefused);
}

#[tokio::test]
async fn a_zap_s_post_is_proven_by_the_secret_in_the_address() {
    let plan = packs::find("zapier").unwrap();
    let triggers = plan.pack.triggers.as_ref().unwrap();
    let held = secrets(&[("webhook_secret", "s3cret-canary")]);
    let fakes = Fakes::start().await;
    let (headers, now) = (HeaderMap::new(), fakes.env.now());
    let body = br#"{"id": "zap-1", "event": "lead", "occurred_at": "2026-11-21T10:00:00Z"}"#;
    let check = |url: &str| {
        let delivery = Delivery { method: "POST", url, headers: &headers, body };
        webhook::verify(triggers, &held, delivery, now)
    };
    check("https://connectus.example/hooks/a/b?secret=s3cret-canary").unwrap();
    for wrong in ["", "?secret=", "?secret=other", "?Secret=s3cret-canary"] {
        let url = format!("https://connectus.example/hooks/a/b{wrong}");
        assert_eq!(check(&url).unwrap_err().code, Code::BadSignature, "{wrong}");
    }
    let events = webhook::events(triggers, body).unwrap();
    assert_eq!((events[0].id.as_str(), events[0].name.as_str()), ("zap-1", "lead"));
    // A form, as Zapier's "Form" payload type sends it.
    let events = webhook::events(triggers, b"id=zap-2&event=lead&note=a%20b").unwrap();
    assert_eq!(events[0].payload["note"], "a b");
    assert!(webhook::events(triggers, br#"{"event": "lead"}"#).is_err(), "an id is needed");
}
