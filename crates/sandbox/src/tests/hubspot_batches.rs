//! Batches: whole, partial, undone.

use super::support::{Bench, bench};
use crate::ObjectType;
use axum::http::StatusCode;
use serde_json::{Value, json};

const UPSERT: &str = "/crm/v3/objects/contacts/batch/upsert";

fn upsert(email: &str, properties: &Value) -> Value {
    json!({"id": email, "idProperty": "email", "properties": properties})
}

fn count(bench: &Bench) -> usize {
    bench.handle.count(ObjectType::Contacts)
}

#[tokio::test]
async fn an_upsert_creates_then_changes() {
    let bench = bench();
    let body = json!({"inputs": [upsert("a@example.com", &json!({"city": "Dakar"}))]});
    let first = bench.post(UPSERT, body.clone()).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.json()["results"][0]["new"], true);
    assert_eq!(first.json()["results"][0]["properties"]["email"], "a@example.com");
    let second = bench.post(UPSERT, body).await.json();
    assert_eq!(second["results"][0]["new"], false);
    assert_eq!(second["results"][0]["id"], first.json()["results"][0]["id"]);
    assert_eq!(count(&bench), 501);
}

#[tokio::test]
async fn without_trace_ids_one_bad_input_undoes_all() {
    let bench = bench();
    let some = bench.handle.ids(ObjectType::Contacts)[3];
    let before = bench.handle.record(ObjectType::Contacts, some).unwrap();
    let email = before["properties"]["email"].as_str().unwrap();
    let body = json!({"inputs": [
        upsert("new@example.com", &json!({})),
        upsert(email, &json!({"city": "Elsewhere"})),
        upsert("bad@example.com", &json!({"nope": "1"})),
    ]});
    let answer = bench.post(UPSERT, body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(count(&bench), 500);
    assert_eq!(bench.handle.record(ObjectType::Contacts, some).unwrap(), before);
    // The undone address is free again.
    bench.handle.add(ObjectType::Contacts, &[("email", "new@example.com")]).unwrap();
}

#[tokio::test]
async fn with_trace_ids_the_good_inputs_stay_and_the_bad_are_named() {
    let bench = bench();
    let traced = |trace: &str, email: &str, properties: &Value| {
        let mut input = upsert(email, properties);
        input["objectWriteTraceId"] = trace.into();
        input
    };
    let body = json!({"inputs": [
        traced("t1", "new@example.com", &json!({})),
        traced("t2", "bad@example.com", &json!({"lifecyclestage": "alien"})),
    ]});
    let answer = bench.post(UPSERT, body).await;
    assert_eq!(answer.status, StatusCode::MULTI_STATUS);
    let body = answer.json();
    assert_eq!(body["results"][0]["objectWriteTraceId"], "t1");
    assert_eq!(body["numErrors"], 1);
    assert_eq!(body["errors"][0]["context"]["objectWriteTraceId"], json!(["t2"]));
    assert_eq!(count(&bench), 501);
}

#[tokio::test]
async fn create_update_read_and_archive_in_batches() {
    let bench = bench();
    let path = |verb: &str| format!("/crm/v3/objects/deals/batch/{verb}");
    let inputs: Vec<_> = (0..100)
        .map(|n| json!({"properties": {"dealname": format!("Deal {n}"), "amount": n}}))
        .collect();
    let created = bench.post(&path("create"), json!({"inputs": inputs})).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let created = created.json();
    assert_eq!(created["results"].as_array().unwrap().len(), 100);
    assert_eq!(created["results"][7]["properties"]["amount"], "7");

    let id = created["results"][7]["id"].clone();
    let change = json!({"inputs": [{"id": id, "properties": {"amount": "70"}}]});
    assert_eq!(bench.post(&path("update"), change).await.status, StatusCode::OK);

    let wanted = json!({"properties": ["amount"], "propertiesWithHistory": [],
        "inputs": [{"id": id}, {"id": "999"}]});
    let read = bench.post(&path("read"), wanted).await;
    assert_eq!(read.status, StatusCode::MULTI_STATUS);
    assert_eq!(read.json()["results"][0]["properties"]["amount"], "70");
    assert_eq!(read.json()["errors"][0]["context"]["ids"], json!(["999"]));

    let archive = json!({"inputs": [{"id": id}, {"id": "999"}]});
    assert_eq!(bench.post(&path("archive"), archive).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.handle.count(ObjectType::Deals), 80 + 99);
}

#[tokio::test]
async fn batches_of_the_wrong_size_or_with_repeats_are_refused() {
    let bench = bench();
    let many: Vec<_> = (0..101).map(|n| upsert(&format!("n{n}@example.com"), &json!({}))).collect();
    let twice = [upsert("A@example.com", &json!({})), upsert("a@example.com", &json!({}))];
    let no_such_key =
        json!({"id": "x", "idProperty": "firstname", "properties": {"lastname": "Diop"}});
    for inputs in [json!(many), json!([]), json!(twice), json!([no_such_key])] {
        let answer = bench.post(UPSERT, json!({"inputs": inputs})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    }
    assert_eq!(count(&bench), 500);
    let unknown = json!({"inputs": [{"id": "1", "properties": {"city": "x"}}]});
    let answer = bench.post("/crm/v3/objects/contacts/batch/update", unknown).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
