//! Scripted faults, idempotency keys, and the ledger that accounts for both.

use super::support::{Bench, bench, bench_with};
use crate::{EffectCount, Fault, FaultKind, Limits, ObjectType, Provider};
use axum::http::StatusCode;
use serde_json::{Value, json};

const CONTACTS: &str = "/crm/v3/objects/contacts";
const LIST: &str = "/crm/v3/objects/contacts?limit=100";
const POST: &str = "/api/chat.postMessage";

fn contact(email: &str) -> Option<Value> {
    Some(json!({"properties": {"email": email}}))
}

#[tokio::test]
async fn a_repeated_key_gives_the_first_answer_and_no_second_effect() {
    let bench = bench();
    let key = [("idempotency-key", "ten/run/step-1")];
    let first = bench.hubspot_call("POST", CONTACTS, contact("k@example.com"), &key).await;
    let again = bench.hubspot_call("POST", CONTACTS, contact("k@example.com"), &key).await;
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    assert_eq!(again.header("x-connectus-sandbox-replayed"), "1");
    assert_eq!(first.header("x-connectus-sandbox-replayed"), "");
    let count = bench.handle.effect(Provider::Hubspot, "ten/run/step-1");
    assert_eq!(count, EffectCount { calls: 2, effects: 1 });
    assert_eq!(bench.handle.count(ObjectType::Contacts), 501);
}

#[tokio::test]
async fn slack_knows_a_key_by_header_and_by_client_msg_id() {
    let bench = bench();
    let by_id = json!({"channel": "general", "text": "x", "client_msg_id": "m1"});
    let plain = json!({"channel": "general", "text": "y"});
    for _ in 0..3 {
        bench.slack_call("POST", POST, Some(by_id.clone())).await;
        bench.slack_with("POST", POST, Some(plain.clone()), &[("idempotency-key", "m2")]).await;
    }
    bench.slack_call("POST", POST, Some(plain)).await;
    assert_eq!(bench.handle.messages().len(), 3);
    let summary = bench.handle.effect_summary();
    assert_eq!((summary.distinct, summary.duplicates), (2, 0));
    assert_eq!((summary.keyed_calls, summary.unkeyed), (6, 1));
}

#[tokio::test]
async fn a_provider_without_deduplication_shows_its_duplicates() {
    let bench = bench_with(|config| config.deduplicate = false);
    let body = json!({"channel": "general", "text": "x", "client_msg_id": "m1"});
    for _ in 0..3 {
        bench.slack_call("POST", POST, Some(body.clone())).await;
    }
    assert_eq!(bench.handle.effect_summary().duplicates, 2);
    assert_eq!(bench.handle.messages().len(), 3);
}

#[tokio::test]
async fn a_refused_call_does_not_use_up_its_key() {
    let bench = bench();
    let key = [("idempotency-key", "k")];
    let bad = bench.hubspot_call("POST", CONTACTS, contact("not an address"), &key).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let good = bench.hubspot_call("POST", CONTACTS, contact("good@example.com"), &key).await;
    assert_eq!(good.status, StatusCode::CREATED);
    assert_eq!(bench.handle.effect(Provider::Hubspot, "k"), EffectCount { calls: 2, effects: 1 });
}

#[tokio::test]
async fn a_fault_waits_its_turn_strikes_and_is_spent() {
    let bench = bench();
    bench.handle.fault(
        Fault::on("GET", CONTACTS, FaultKind::Status429 { retry_after: Some(7) }).skip(1).times(2),
    );
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(bench.get(LIST).await.status.as_u16());
    }
    assert_eq!(seen, [200, 429, 429, 200]);
    assert_eq!(bench.handle.pending_faults(), 0);
    assert_eq!(bench.handle.calls_of("GET", CONTACTS), 4);
    let statuses: Vec<_> = bench.handle.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [200, 429, 429, 200]);
    assert_eq!(bench.handle.calls_by_status(), [(200, 2), (429, 2)].into());
    bench.handle.clear_calls();
    assert_eq!((bench.handle.call_count(), bench.handle.calls().len()), (0, 0));
}

#[tokio::test]
async fn each_kind_spoils_the_answer_its_own_way() {
    let bench = bench_with(|config| config.limits = Limits::NONE);
    let spoilt = async |kind: FaultKind| {
        bench.handle.fault(Fault::on("", "/", kind));
        bench.get(LIST).await
    };
    let limited = spoilt(FaultKind::Status429 { retry_after: None }).await;
    assert_eq!(limited.header("retry-after"), "");
    assert_eq!(limited.json()["policyName"], "TEN_SECONDLY_ROLLING");
    assert_eq!(spoilt(FaultKind::Status { status: 503 }).await.status.as_u16(), 503);
    let html = spoilt(FaultKind::Html200).await;
    assert_eq!((html.status.as_u16(), html.text.starts_with("<!doctype")), (200, true));
    let expired = spoilt(FaultKind::ExpiredToken).await;
    assert_eq!(expired.json()["category"], "EXPIRED_AUTHENTICATION");
    let cut = spoilt(FaultKind::Truncated).await;
    assert!(cut.broken && cut.header("content-length").parse::<usize>().unwrap() > 1_000);
    assert!(spoilt(FaultKind::Drop).await.broken);
    let to = Some("electronic_mail".to_owned());
    let drift = spoilt(FaultKind::SchemaDrift { from: "email".into(), to }).await.json();
    let properties = &drift["results"][0]["properties"];
    assert!(properties.get("email").is_none() && properties["electronic_mail"].is_string());
    let plain = bench.get(LIST).await;
    assert!(plain.json()["results"][0]["properties"]["email"].is_string());
}

#[tokio::test]
async fn slack_faults_speak_slack() {
    let bench = bench();
    let spoilt = async |kind: FaultKind| {
        bench.handle.fault(Fault::on("POST", "/api/", kind));
        bench.slack_call("POST", "/api/auth.test", None).await
    };
    let limited = spoilt(FaultKind::Status429 { retry_after: Some(30) }).await;
    assert_eq!((limited.status.as_u16(), limited.header("retry-after")), (429, "30"));
    assert_eq!(limited.json()["error"], "ratelimited");
    let expired = spoilt(FaultKind::ExpiredToken).await;
    assert_eq!(
        (expired.status.as_u16(), expired.json()["error"].clone()),
        (200, json!("token_expired"))
    );
}

#[tokio::test]
async fn a_lost_answer_leaves_the_effect_and_the_key_recovers_it() {
    let bench = bench();
    bench.handle.fault(Fault::on("POST", CONTACTS, FaultKind::Drop).after_effect());
    let key = [("idempotency-key", "lost")];
    let lost = bench.hubspot_call("POST", CONTACTS, contact("l@example.com"), &key).await;
    assert!(lost.broken);
    assert_eq!(bench.handle.count(ObjectType::Contacts), 501);
    let again = bench.hubspot_call("POST", CONTACTS, contact("l@example.com"), &key).await;
    assert_eq!(again.status, StatusCode::CREATED);
    let count = bench.handle.effect(Provider::Hubspot, "lost");
    assert_eq!(count, EffectCount { calls: 2, effects: 1 });
}

async fn walk(bench: &Bench, most: usize) -> (Vec<String>, bool) {
    let (mut ids, mut after) = (Vec::new(), String::new());
    for _ in 0..most {
        let page = bench.get(&format!("{LIST}&after={after}")).await.json();
        for row in page["results"].as_array().unwrap() {
            ids.push(row["id"].as_str().unwrap().to_owned());
        }
        match page["paging"]["next"]["after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return (ids, true),
        }
    }
    (ids, false)
}

#[tokio::test]
async fn a_duplicate_page_repeats_rows_and_loses_none() {
    let bench = bench();
    let (clean, _) = walk(&bench, 10).await;
    bench.handle.fault(Fault::on("GET", CONTACTS, FaultKind::DuplicatePage).skip(2));
    let (doubled, ended) = walk(&bench, 10).await;
    assert!(ended);
    assert_eq!(doubled.len(), clean.len() + 100);
    assert_eq!(doubled[100..200], doubled[200..300]);
    let mut unique = doubled;
    unique.dedup();
    let unique: std::collections::BTreeSet<_> = unique.into_iter().collect();
    assert_eq!(unique.len(), clean.len());
}

#[tokio::test]
async fn a_stuck_cursor_leads_back_to_the_same_page() {
    let bench = bench_with(|config| config.limits = Limits::NONE);
    bench.handle.fault(Fault::on("GET", CONTACTS, FaultKind::StuckCursor).skip(1).times(50));
    let (ids, ended) = walk(&bench, 20).await;
    assert!(!ended);
    assert_eq!(ids[100..200], ids[200..300]);
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_waited_for() {
    let bench = bench();
    bench.handle.fault(Fault::on("GET", CONTACTS, FaultKind::Delay { millis: 30_000 }));
    let before = tokio::time::Instant::now();
    assert_eq!(bench.get(LIST).await.status, StatusCode::OK);
    assert_eq!(before.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_during_a_late_answer_has_had_its_effect() {
    let bench = bench();
    let late = Fault::on("POST", POST, FaultKind::Delay { millis: 30_000 }).after_effect();
    bench.handle.fault(late);
    let body = json!({"channel": "general", "text": "x", "client_msg_id": "m1"});
    let second = std::time::Duration::from_secs(1);
    let call = bench.slack_call("POST", POST, Some(body.clone()));
    assert!(tokio::time::timeout(second, call).await.is_err());
    assert_eq!(bench.handle.effect(Provider::Slack, "m1"), EffectCount { calls: 1, effects: 1 });
    bench.slack_call("POST", POST, Some(body)).await;
    assert_eq!(bench.handle.effect(Provider::Slack, "m1"), EffectCount { calls: 2, effects: 1 });
    assert_eq!(bench.handle.messages().len(), 1);
}
