//! Lists, searches and writes of the HubSpot fake.

use std::collections::BTreeSet;

use super::support::{Bench, bench, bench_with};
use crate::{Limits, ObjectType};
use axum::http::StatusCode;
use serde_json::{Value, json};

fn ids(page: &Value) -> Vec<String> {
    let results = page["results"].as_array().unwrap();
    results.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn list_all(bench: &Bench, path: &str) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), String::new());
    for _ in 0..1_000 {
        let page = bench.get(&format!("{path}&after={after}")).await.json();
        all.extend(ids(&page));
        match page["paging"]["next"]["after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return all,
        }
    }
    panic!("the list does not end")
}

#[tokio::test]
async fn a_list_gives_every_record_once_and_ends() {
    let bench = bench_with(|config| config.limits = Limits::NONE);
    for (object_type, count) in ObjectType::ALL.into_iter().zip([500, 60, 80]) {
        let path = format!("/crm/v3/objects/{}?limit=33", object_type.name());
        let first = bench.get(&path).await;
        assert_eq!(first.status, StatusCode::OK);
        assert_eq!(first.header("x-connectus-sandbox"), "1");
        let all = list_all(&bench, &path).await;
        assert_eq!(all.len(), count);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), count);
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_portal_and_another_seed_another() {
    let path = "/crm/v3/objects/contacts?limit=100&properties=email,phone,company";
    let with_seed = |seed| bench_with(move |config| config.seed = seed);
    let first = with_seed(1).get(path).await.text;
    assert_eq!(first, with_seed(1).get(path).await.text);
    assert_ne!(first, with_seed(2).get(path).await.text);
}

#[tokio::test]
async fn wanted_properties_come_with_nulls_and_unknown_ones_are_left_out() {
    let bench = bench();
    let page = bench.get("/crm/v3/objects/contacts?limit=1&properties=email,zip,nonsense").await;
    let properties = page.json()["results"][0]["properties"].clone();
    assert!(properties["email"].as_str().unwrap().contains("@example."));
    assert_eq!(properties["zip"], Value::Null);
    assert!(properties["lastmodifieddate"].is_string() && properties["hs_object_id"].is_string());
    assert!(properties.get("nonsense").is_none() && properties.get("firstname").is_none());
}

#[tokio::test]
async fn records_added_while_listing_move_no_page() {
    let bench = bench();
    let first = bench.get("/crm/v3/objects/contacts?limit=100").await.json();
    let first_ids = ids(&first);
    let after = first["paging"]["next"]["after"].as_str().unwrap().to_owned();
    assert!(bench.handle.delete(ObjectType::Contacts, first_ids[0].parse().unwrap()));
    bench.handle.add(ObjectType::Contacts, &[("email", "late@example.com")]).unwrap();
    let second = bench.get(&format!("/crm/v3/objects/contacts?limit=100&after={after}")).await;
    assert!(ids(&second.json()).iter().all(|id| !first_ids.contains(id)));
    let archived = bench.get("/crm/v3/objects/contacts?limit=100&archived=true").await.json();
    assert_eq!(ids(&archived), [first_ids[0].clone()]);
    assert!(archived["results"][0]["archivedAt"].is_string());
}

#[tokio::test]
async fn bad_list_parameters_are_refused_in_hubspots_shape() {
    let bench = bench();
    for query in ["limit=101", "limit=0", "limit=ten", "after=nowhere"] {
        let answer = bench.get(&format!("/crm/v3/objects/contacts?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        let body = answer.json();
        assert_eq!(body["category"], "VALIDATION_ERROR", "{query}");
        assert_eq!(body["correlationId"].as_str().unwrap().len(), 36);
    }
    assert_eq!(bench.get("/crm/v3/objects/spaceships").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.get("/crm/v9/anything").await.status, StatusCode::NOT_FOUND);
}

fn condition(property: &str, operator: &str, value: &str) -> Value {
    json!({"propertyName": property, "operator": operator, "value": value})
}

fn since(property: &str, operator: &str, value: &str) -> Value {
    json!({
        "filterGroups": [{"filters": [condition(property, operator, value)]}],
        "sorts": [{"propertyName": property, "direction": "ASCENDING"}],
        "limit": 200,
    })
}

#[tokio::test]
async fn a_search_by_time_of_change_finds_what_changed_and_nothing_else() {
    let bench = bench_with(|config| config.limits = Limits::NONE);
    for object_type in ObjectType::ALL {
        let property = match object_type {
            ObjectType::Contacts => "lastmodifieddate",
            _ => "hs_lastmodifieddate",
        };
        let name = object_type.name();
        bench.clock.advance_millis(5);
        let mark = bench.handle.ids(object_type);
        bench.handle.edit(object_type, mark[7], &[("external_id", "seven")]).unwrap();
        let changed_at = bench.handle.record(object_type, mark[7]).unwrap()["updatedAt"].clone();
        let millis =
            connectus_core::Timestamp::parse(changed_at.as_str().unwrap()).unwrap().millis();
        for (operator, value, found) in [
            ("GTE", millis.to_string(), 1),
            ("GTE", changed_at.as_str().unwrap().to_owned(), 1),
            ("GT", (millis - 1).to_string(), 1),
            ("GT", millis.to_string(), 0),
            ("LTE", millis.to_string(), bench.handle.count(object_type)),
            ("LT", millis.to_string(), bench.handle.count(object_type) - 1),
        ] {
            let body = since(property, operator, &value);
            let answer = bench.post(&format!("/crm/v3/objects/{name}/search"), body).await.json();
            assert_eq!(answer["total"], found, "{name} {operator} {value}");
        }
    }
}

#[tokio::test]
async fn a_search_is_sorted_and_pages_to_its_end() {
    let bench = bench_with(|config| config.limits = Limits::NONE);
    let (mut dates, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut body = since("lastmodifieddate", "GTE", "0");
        body["limit"] = 150.into();
        body["after"] = after;
        let page = bench.post("/crm/v3/objects/contacts/search", body).await.json();
        for row in page["results"].as_array().unwrap() {
            dates.push(row["updatedAt"].as_str().unwrap().to_owned());
        }
        match page["paging"]["next"]["after"].as_str() {
            Some(next) => after = next.into(),
            None => break,
        }
    }
    assert_eq!(dates.len(), 500);
    assert!(dates.is_sorted());
}

#[tokio::test]
async fn a_search_ends_at_ten_thousand_results() {
    let bench = bench();
    let search = |after: u32, limit: u32| {
        let body = json!({"limit": limit, "after": after.to_string()});
        bench.post("/crm/v3/objects/contacts/search", body)
    };
    assert_eq!(search(9_800, 200).await.status, StatusCode::OK);
    let refused = search(9_900, 200).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.json()["message"].as_str().unwrap().contains("10000"));
    assert_eq!(search(0, 201).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn filters_compare_by_the_kind_of_the_property() {
    let bench = bench_with(|config| {
        config.limits = Limits::NONE;
        (config.companies, config.contacts) = (0, 0);
    });
    for (name, staff) in [("Ébène", "9"), ("Kapok", "80"), ("Iroko", "700")] {
        let properties = [("name", name), ("numberofemployees", staff)];
        bench.handle.add(ObjectType::Companies, &properties).unwrap();
    }
    let find = async |filter: Value| {
        let body = json!({"filterGroups": [{"filters": [filter]}], "properties": ["name"]});
        let page = bench.post("/crm/v3/objects/companies/search", body).await.json();
        let rows = page["results"].as_array().unwrap_or_else(|| panic!("{page}")).clone();
        let name = |row: &Value| row["properties"]["name"].as_str().unwrap().to_owned();
        rows.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    let staff = |operator, value| condition("numberofemployees", operator, value);
    assert_eq!(find(staff("GT", "9")).await, "Kapok Iroko");
    let between = json!({"propertyName": "numberofemployees", "operator": "BETWEEN",
        "value": "9", "highValue": "80"});
    assert_eq!(find(between).await, "Ébène Kapok");
    let name = |operator, value| condition("name", operator, value);
    assert_eq!(find(name("EQ", "kapok")).await, "Kapok");
    assert_eq!(find(name("NEQ", "kapok")).await, "Ébène Iroko");
    assert_eq!(find(name("CONTAINS_TOKEN", "*ro*")).await, "Iroko");
    let one_of = json!({"propertyName": "name", "operator": "IN", "values": ["kapok", "iroko"]});
    assert_eq!(find(one_of).await, "Kapok Iroko");
    let without = json!({"propertyName": "domain", "operator": "NOT_HAS_PROPERTY"});
    assert_eq!(find(without).await, "Ébène Kapok Iroko");
}

#[tokio::test]
async fn searches_that_make_no_sense_are_refused() {
    let bench = bench_with(|config| config.limits = Limits::NONE);
    let filter = condition("email", "EQ", "a");
    let group = json!({"filters": [filter]});
    let only = |filter: Value| json!({"filterGroups": [{"filters": [filter]}]});
    for body in [
        only(condition("nope", "EQ", "1")),
        only(condition("email", "LIKE", "1")),
        only(json!({"propertyName": "email", "operator": "EQ"})),
        only(condition("createdate", "GT", "soon")),
        json!({"filterGroups": vec![group; 6]}),
        json!({"filterGroups": [{"filters": vec![filter; 11]}]}),
        json!({"sorts": ["nope"]}),
        json!({"after": "x"}),
        json!([1]),
    ] {
        let answer = bench.post("/crm/v3/objects/contacts/search", body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn a_lagging_index_shows_a_change_only_later() {
    let bench = bench_with(|config| config.search_lag_ms = 3_000);
    let id = bench.handle.add(ObjectType::Contacts, &[("email", "new@example.com")]).unwrap();
    let body = json!({"filterGroups": [{"filters": [
        {"propertyName": "email", "operator": "EQ", "value": "new@example.com"}]}]});
    let path = "/crm/v3/objects/contacts/search";
    assert_eq!(bench.post(path, body.clone()).await.json()["total"], 0);
    bench.clock.advance_millis(3_000);
    assert_eq!(ids(&bench.post(path, body).await.json()), [id.to_string()]);
}

#[tokio::test]
async fn one_record_is_created_read_changed_and_archived() {
    let bench = bench();
    let path = "/crm/v3/objects/contacts";
    let body = json!({"properties": {"email": "Awa@example.com", "firstname": "Awa"}});
    let created = bench.post(path, body.clone()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let id = created.json()["id"].as_str().unwrap().to_owned();

    let again = bench.post(path, body).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.json()["message"].as_str().unwrap().contains(&id));

    bench.clock.advance_millis(50);
    let change = json!({"properties": {"firstname": "", "city": "Thiès"}});
    let one = format!("{path}/{id}");
    let changed = bench.hubspot_call("PATCH", &one, Some(change), &[]).await.json();
    assert!(changed["updatedAt"].as_str() > created.json()["updatedAt"].as_str());
    let by_email = format!("{path}/awa@example.com?idProperty=email&properties=firstname,city");
    let read = bench.get(&by_email).await.json();
    assert_eq!(read["id"], *id);
    assert_eq!(read["properties"]["city"], "Thiès");
    assert_eq!(read["properties"]["firstname"], Value::Null);

    for _ in 0..2 {
        let gone = bench.hubspot_call("DELETE", &one, None, &[]).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
    }
    let missing = bench.get(&one).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(missing.json()["category"], "OBJECT_NOT_FOUND");
}

#[tokio::test]
async fn values_hubspot_would_refuse_are_refused() {
    let bench = bench();
    for (properties, code) in [
        (json!({"nope": "1"}), "PROPERTY_DOESNT_EXIST"),
        (json!({"email": "not an address"}), "INVALID_EMAIL"),
        (json!({"lifecyclestage": "alien"}), "INVALID_OPTION"),
        (json!({"createdate": "2020-01-01"}), "READ_ONLY_VALUE"),
    ] {
        let body = json!({"properties": properties});
        let answer = bench.post("/crm/v3/objects/contacts", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["errors"][0]["code"], code);
    }
    assert_eq!(bench.handle.count(ObjectType::Contacts), 500);
}
