//! Reading streams: full reads, deltas, windows, ties, circles, interruptions.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use connectus_connect::{CursorState, Daily, StreamReader};
use connectus_core::{Code, Result, Timestamp};
use serde_json::{Value, json};

use crate::{
    server::{Answer, Request, Server},
    world::connect,
};

/// Milliseconds of the first record's change.
const START: i64 = 1_700_000_000_000;

/// A HubSpot of `(id, changed)` records that pages and searches as the real one does, with small
/// caps.
#[derive(Clone)]
struct Portal {
    records: Arc<Mutex<Vec<(u64, i64)>>>,
    cap: usize,
}

impl Portal {
    fn new(records: impl IntoIterator<Item = (u64, i64)>, cap: usize) -> Self {
        Self { records: Arc::new(Mutex::new(records.into_iter().collect())), cap }
    }

    async fn serve(&self) -> Server {
        let portal = self.clone();
        Server::start(move |_, request| portal.answer(request)).await
    }

    fn answer(&self, request: &Request) -> Answer {
        let records = self.records.lock().unwrap().clone();
        if request.method == "GET" {
            let query = request.target.split_once('?').unwrap().1;
            let pairs: Vec<(String, String)> =
                url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let find = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
            let limit = find("limit").unwrap().parse().unwrap();
            let after = find("after").map_or(0, |text| text.parse().unwrap());
            return page(&records, after, limit);
        }
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let (mut after, mut equal, mut above) = (0, None, 0);
        let mut from = i64::MIN;
        for filter in body["filterGroups"][0]["filters"].as_array().unwrap() {
            let value: i64 = filter["value"].as_str().unwrap().parse().unwrap();
            match filter["operator"].as_str().unwrap() {
                "GTE" => from = value,
                "EQ" => equal = Some(value),
                "GT" => above = u64::try_from(value).unwrap(),
                other => panic!("{other}"),
            }
        }
        if let Some(text) = body["after"].as_str() {
            after = text.parse().unwrap();
        }
        let limit = usize::try_from(body["limit"].as_u64().unwrap()).unwrap().min(self.cap / 2);
        if after + limit > self.cap {
            return Answer::status(400, r#"{"category":"VALIDATION_ERROR","message":"too deep"}"#);
        }
        let mut found: Vec<(u64, i64)> = records
            .into_iter()
            .filter(|(id, at)| *at >= from && equal.is_none_or(|eq| *at == eq) && *id > above)
            .collect();
        found.sort_by_key(|(id, at)| if equal.is_some() { (0, *id) } else { (*at, *id) });
        page(&found, after, limit)
    }
}

fn page(records: &[(u64, i64)], after: usize, limit: usize) -> Answer {
    let results: Vec<Value> = records
        .iter()
        .skip(after)
        .take(limit)
        .map(|(id, at)| {
            let at = Timestamp::from_millis(*at).to_string();
            json!({"id": id.to_string(), "properties": {"lastmodifieddate": at}})
        })
        .collect();
    let mut body = json!({"results": results});
    if after + limit < records.len() {
        body["paging"] = json!({"next": {"after": (after + limit).to_string()}});
    }
    Answer::json(&body)
}

async fn drain(reader: &mut StreamReader) -> Result<(Vec<u64>, Option<CursorState>)> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    while let Some(page) = reader.next_page().await? {
        ids.extend(page.records.iter().map(|r| r["id"].as_str().unwrap().parse::<u64>().unwrap()));
        cursor = page.cursor.or(cursor);
    }
    Ok((ids, cursor))
}

fn since(millis: i64) -> CursorState {
    let since = Timestamp::from_millis(millis).to_string();
    let position = json!({"phase": "delta", "since": since});
    CursorState(json!({"v": 1, "stream": "contacts", "position": position}))
}

#[tokio::test]
async fn reads_everything_once_and_then_only_what_changed() {
    let portal = Portal::new((1..=250).map(|id| (id, START + 1_000)), 10_000);
    let server = portal.serve().await;
    let (connection, calls) = connect("hubspot", &server.url());
    let (ids, cursor) = drain(&mut connection.read("contacts", None).unwrap()).await.unwrap();
    assert_eq!(ids, (1..=250).collect::<Vec<_>>());
    assert_eq!(calls.0.lock().unwrap().len(), 3);
    let cursor = cursor.unwrap();
    assert_eq!(cursor.0["position"]["phase"], "delta");

    let nothing = drain(&mut connection.read("contacts", Some(&cursor)).unwrap()).await.unwrap();
    assert_eq!(nothing, (Vec::new(), None));

    let later = 1_790_000_500_000;
    portal.records.lock().unwrap().extend([(7, later), (900, later + 1)]);
    let (ids, cursor) =
        drain(&mut connection.read("contacts", Some(&cursor)).unwrap()).await.unwrap();
    assert_eq!(ids, [7, 900]);
    // The boundary is read again, and what was delivered is not delivered again.
    portal.records.lock().unwrap().push((901, later + 1));
    let (ids, _) = drain(&mut connection.read("contacts", cursor.as_ref()).unwrap()).await.unwrap();
    assert_eq!(ids, [901]);
}

#[tokio::test]
async fn an_interrupted_full_read_goes_on_where_it_stopped() {
    let server = Portal::new((1..=350).map(|id| (id, START)), 10_000).serve().await;
    let (connection, _) = connect("hubspot", &server.url());
    let mut reader = connection.read("contacts", None).unwrap();
    let first = reader.next_page().await.unwrap().unwrap();
    let second = reader.next_page().await.unwrap().unwrap();
    assert_eq!((first.records.len(), second.records.len(), second.calls), (100, 100, 1));
    drop(reader);
    let mut resumed = connection.read("contacts", second.cursor.as_ref()).unwrap();
    let (ids, _) = drain(&mut resumed).await.unwrap();
    assert_eq!(ids, (201..=350).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cap_on_results_is_passed_by_going_on_from_the_last_time() {
    // The pack says 10,000; 25,000 records in steps of 3 a millisecond cross it twice.
    let portal = Portal::new((1..=25_000).map(|id| (id, START + (id / 3) as i64)), 10_000);
    let server = portal.serve().await;
    let (connection, _) = connect("hubspot", &server.url());
    let mut reader = connection.read("contacts", Some(&since(START))).unwrap();
    let mut last = Timestamp(0);
    let mut ids = Vec::new();
    while let Some(page) = reader.next_page().await.unwrap() {
        ids.extend(page.records.iter().map(|r| r["id"].as_str().unwrap().to_owned()));
        let cursor = page.cursor.unwrap();
        let at = Timestamp::parse(cursor.0["position"]["since"].as_str().unwrap()).unwrap();
        assert!(at >= last, "the cursor moved back");
        last = at;
        assert!(cursor.0.to_string().len() < 64 * 1024, "the cursor stays small");
    }
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len()), (25_000, 25_000));
}

#[tokio::test]
async fn more_records_at_one_time_than_the_cap_are_read_by_id() {
    let crowd = (1..=12_000).map(|id| (id, START + 5));
    let around = [(20_001, START), (20_002, START + 6)];
    let server = Portal::new(crowd.chain(around), 10_000).serve().await;
    let (connection, _) = connect("hubspot", &server.url());
    let mut reader = connection.read("contacts", Some(&since(START))).unwrap();
    let (ids, cursor) = drain(&mut reader).await.unwrap();
    let distinct: BTreeSet<u64> = ids.into_iter().collect();
    assert_eq!(distinct.len(), 12_002, "every record arrives");
    let position = &cursor.unwrap().0["position"];
    assert_eq!(position["ties"], Value::Null);
    assert_eq!(position["since"], Timestamp::from_millis(START + 6).to_string());
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_end_in_an_error() {
    let server = Server::start(|n, _| {
        let after = ["a", "b", "c"][n % 3];
        Answer::json(&json!({"results": [{"id": n}], "paging": {"next": {"after": after}}}))
    })
    .await;
    let (connection, _) = connect("hubspot", &server.url());
    let error = drain_err(&mut connection.read("contacts", None).unwrap()).await;
    assert_eq!(error.code, Code::ProviderRefused);
    assert!(error.detail.contains("circle"), "{error}");
    assert!(server.requests().len() < 12, "{}", server.requests().len());
}

async fn drain_err(reader: &mut StreamReader) -> connectus_core::Error {
    loop {
        match reader.next_page().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended without an error"),
            Err(error) => return error,
        }
    }
}

#[tokio::test]
async fn a_failed_page_can_be_asked_for_again() {
    let server = Server::start(|n, request| match n {
        1 => Answer::status(503, "{}"),
        2 => Answer::status(200, "<html>maintenance</html>"),
        3 => Answer { cut: Some(5), ..Answer::json(&json!({"results": []})) },
        _ if request.target.contains("after=x") => Answer::json(&json!({"results": [{"id": "2"}]})),
        _ => Answer::json(&json!({"results": [{"id": "1"}], "paging": {"next": {"after": "x"}}})),
    })
    .await;
    let (connection, calls) = connect("hubspot", &server.url());
    let mut reader = connection.read("contacts", None).unwrap();
    assert_eq!(reader.next_page().await.unwrap().unwrap().records.len(), 1);
    for _ in 0..3 {
        let error = reader.next_page().await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
    let page = reader.next_page().await.unwrap().unwrap();
    assert_eq!(page.records[0]["id"], "2");
    assert!(reader.next_page().await.unwrap().is_none());
    let failed = calls.0.lock().unwrap().iter().filter(|call| call.error.is_some()).count();
    assert_eq!(failed, 3, "failures are counted");
}

#[tokio::test]
async fn an_answer_of_another_shape_is_not_an_empty_page() {
    for body in [json!({"items": []}), json!({"results": 3}), json!([])] {
        let server = Server::start(move |_, _| Answer::json(&body)).await;
        let (connection, _) = connect("hubspot", &server.url());
        let error = connection.read("contacts", None).unwrap().next_page().await.unwrap_err();
        assert_eq!(error.code, Code::ProviderUnavailable, "{error}");
    }
}

#[tokio::test]
async fn offsets_count_up_and_end_at_a_page_that_is_not_full() {
    let server = Server::start(|_, request| {
        let first = if request.target.contains("offset=1000") { 1_000 } else { 0 };
        let rows = if first == 0 { 1_000 } else { 3 };
        let lists: Vec<Value> = (first..first + rows).map(|id| json!({"id": id})).collect();
        Answer::json(&json!({"lists": lists, "total_items": 1_003}))
    })
    .await;
    let base = server.url();
    let source = crate::world::access(&base, &[("api_key", "key-us6")]);
    let source = Arc::new(connectus_connect::credential::Fixed(source));
    let mut settings = crate::world::settings(&base);
    settings.config.insert("dc".into(), json!("us6"));
    let (env, _) = crate::world::env();
    let sink = Arc::new(connectus_connect::governor::NoSink);
    let connector = connectus_connect::Connector::new(crate::world::client(&base), env, sink);
    let plan = connectus_connect::packs::find("mailchimp").unwrap();
    let connection = connector.connect(&plan, &settings, "cred", source).unwrap();
    let mut reader = connection.read("lists", None).unwrap();
    let mut rows = 0;
    while let Some(page) = reader.next_page().await.unwrap() {
        rows += page.records.len();
    }
    assert_eq!(rows, 1_003);
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert!(!seen[0].target.contains("offset") && seen[1].target.contains("offset=1000"));
    assert!(seen[0].header("authorization").unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn what_a_provider_says_of_its_day_goes_with_the_call() {
    const HUBSPOT: &[(&str, &str)] = &[
        ("x-hubspot-ratelimit-daily", "650000"),
        ("x-hubspot-ratelimit-daily-remaining", "649988"),
    ];
    const SALESFORCE: &[(&str, &str)] =
        &[("sforce-limit-info", "api-usage=12/650000; api-bursts=1/750")];
    for (pack, headers) in [("hubspot", HUBSPOT), ("salesforce", SALESFORCE)] {
        let server = Server::start(move |n, _| {
            let status = if n == 1 { 400 } else { 200 };
            let answer = Answer { status, ..Answer::json(&json!({})) };
            let told = if n < 2 { headers } else { &[] };
            told.iter().fold(answer, |answer, (name, value)| answer.header(name, *value))
        })
        .await;
        let (connection, calls) = connect(pack, &server.url());
        let outcomes = [connection.test().await, connection.test().await, connection.test().await];
        assert_eq!(outcomes.map(|outcome| outcome.is_ok()), [true, false, true], "{pack}");
        let told: Vec<_> = calls.0.lock().unwrap().iter().map(|call| call.daily).collect();
        let said = Some(Daily { max: 650_000, remaining: 649_988 });
        assert_eq!(told, [said, said, None], "{pack}: in a refusal too, and never made up");
    }
}

#[tokio::test]
async fn the_next_url_is_followed_within_the_provider_only() {
    let evil = Server::start(|_, _| Answer::json(&json!({"records": [], "done": true}))).await;
    let away = evil.url() + "/next";
    let server = Server::start(move |n, _| {
        let next =
            if n == 0 { "/services/data/v67.0/query/01g-2000".to_owned() } else { away.clone() };
        let record = json!({"Id": n.to_string(), "SystemModstamp": "2026-01-01T00:00:00.000+0000"});
        Answer::json(&json!({"records": [record], "nextRecordsUrl": next}))
    })
    .await;
    let (connection, _) = connect("salesforce", &server.url());
    let mut reader = connection.read("contacts", None).unwrap();
    for _ in 0..2 {
        assert_eq!(reader.next_page().await.unwrap().unwrap().records.len(), 1);
    }
    assert_eq!(reader.next_page().await.unwrap_err().code, Code::EgressDenied);
    let seen = server.requests();
    assert!(seen[0].target.contains("SystemModstamp+%3E%3D+1970-01-01T00%3A00%3A00Z"), "{seen:?}");
    assert_eq!(seen[1].target, "/services/data/v67.0/query/01g-2000");
    assert!(evil.requests().is_empty(), "the credential would have travelled along");
}
