//! Over real sockets: two addresses, dropped connections, the bulk mode, the control routes.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::{Fault, FaultKind, HubspotEvent, Running, Sandbox};
use serde_json::{Value, json};

/// One plain HTTP/1.1 exchange; an empty text when the connection ends without an answer.
fn exchange(base_url: &str, method: &str, path: &str, body: &str) -> String {
    let host = base_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         authorization: Bearer sandbox-hubspot-token\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    // A cut connection is an error or an early end, depending on timing; both are no answer.
    let _cut = stream.read_to_string(&mut text);
    text
}

async fn call(running: &Running, method: &'static str, path: &str, body: Value) -> String {
    let (base_url, path) = (running.hubspot_base_url.clone(), path.to_owned());
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = tokio::task::spawn_blocking(move || exchange(&base_url, method, &path, &body));
    answer.await.unwrap()
}

fn json_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn each_fake_has_its_own_address_and_stops_when_dropped() {
    let running = Sandbox::start(super::support::config().1).await.unwrap();
    assert_ne!(running.hubspot_base_url, running.slack_base_url);
    let answer = call(&running, "GET", "/crm/v3/objects/deals?limit=2", Value::Null).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-connectus-sandbox: 1"));
    assert_eq!(json_of(&answer)["results"].as_array().unwrap().len(), 2);

    let taken = running.hubspot_base_url.strip_prefix("http://").unwrap().parse().unwrap();
    let (_, mut second) = super::support::config();
    second.hubspot_listen = taken;
    let error = Sandbox::start(second).await.unwrap_err();
    assert_eq!(error.code, connectus_core::Code::Unavailable);

    drop(running);
    // The port is free again once the server has noticed.
    let freed = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while tokio::net::TcpListener::bind(taken).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    freed.await.unwrap();
}

#[tokio::test]
async fn a_dropped_connection_carries_no_byte_of_an_answer() {
    let running = Sandbox::start(super::support::config().1).await.unwrap();
    let path = "/crm/v3/objects/contacts?limit=1";
    running.handle.fault(Fault::on("GET", "/crm", FaultKind::Drop));
    assert_eq!(call(&running, "GET", path, Value::Null).await, "");
    running.handle.fault(Fault::on("GET", "/crm", FaultKind::Truncated));
    let cut = call(&running, "GET", path, Value::Null).await;
    let (head, body) = cut.split_once("\r\n\r\n").unwrap();
    let promised = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(body.len() < promised.parse().unwrap(), "{head}");
    assert!(call(&running, "GET", path, Value::Null).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_bulk_mode_serves_every_row_by_list_and_by_search() {
    let (_, mut config) = super::support::config();
    (config.bulk_contacts, config.contacts) = (1_050, 0);
    let running = Sandbox::start(config).await.unwrap();
    let (mut ids, mut after) = (std::collections::BTreeSet::new(), String::new());
    loop {
        let path = format!("/crm/v3/objects/contacts?limit=100&after={after}");
        let page = json_of(&call(&running, "GET", &path, Value::Null).await);
        ids.extend(page["results"].as_array().unwrap().iter().map(|row| row["id"].to_string()));
        match page["paging"]["next"]["after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(ids.len(), 1_050);
    let search = json!({"limit": 200, "after": "1000", "filterGroups": [{"filters": [
        {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "0"}]}]});
    let page = json_of(&call(&running, "POST", "/crm/v3/objects/contacts/search", search).await);
    assert_eq!((&page["total"], page["results"].as_array().unwrap().len()), (&json!(1_050), 50));
    assert!(page.get("paging").is_none());
    let companies = call(&running, "GET", "/crm/v3/objects/companies?limit=1", Value::Null).await;
    assert_eq!(json_of(&companies)["results"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn another_process_can_inspect_and_script_when_allowed() {
    let closed = Sandbox::start(super::support::config().1).await.unwrap();
    let refused = call(&closed, "GET", "/_sandbox/state", Value::Null).await;
    assert!(refused.starts_with("HTTP/1.1 404"));

    let (_, mut config) = super::support::config();
    config.control = true;
    let running = Sandbox::start(config).await.unwrap();
    let fault = json!({"path_prefix": "/crm", "kind": {"name": "status", "status": 500}});
    let scripted = call(&running, "POST", "/_sandbox/faults", fault).await;
    assert!(scripted.starts_with("HTTP/1.1 204"), "{scripted}");
    let failed = call(&running, "GET", "/crm/v3/objects/deals", Value::Null).await;
    assert!(failed.starts_with("HTTP/1.1 500"));
    let added =
        call(&running, "POST", "/_sandbox/contacts", json!({"email": "c@example.com"})).await;
    let id = json_of(&added)["id"].as_u64().unwrap();
    let state = json_of(&call(&running, "GET", "/_sandbox/state", Value::Null).await);
    assert_eq!(state["records"]["contacts"], 501);
    assert_eq!(state["calls_by_path"]["GET /crm/v3/objects/deals"], 1);

    let url = "http://127.0.0.1:8360/hooks/t/h";
    let order = json!({"url": url, "subscription_type": "contact.creation", "object_id": id,
        "event_id": 1});
    let made = json_of(&call(&running, "POST", "/_sandbox/hubspot-webhook", order).await);
    let event = HubspotEvent::new("contact.creation", id, 1);
    let direct = running.handle.hubspot_webhook(url, &[event]);
    assert_eq!(made["body"], direct.body);
    assert_eq!(made["headers"]["x-hubspot-signature-v3"], direct.headers[1].1);
}
