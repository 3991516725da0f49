//! Salesforce: what its documentation says, against its fake.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use connectus_connect::{Access, Connection, Connector, CredentialSource, Settings, oauth, packs};
use connectus_core::{Code, Result};
use connectus_sandbox::{Fault, FaultKind, SalesforceType};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{
    fakes::{Fakes, app, distinct, read_all, survives},
    world::{access, client, secrets},
};

fn connect(fakes: &Fakes) -> Connection {
    connect_with(fakes, &json!({}))
}

fn connect_with(fakes: &Fakes, settings: &Value) -> Connection {
    let (base, token) =
        (&fakes.sandbox.salesforce_base_url, &fakes.handle().keys().salesforce_token);
    fakes.connect("salesforce", base, &[("access_token", token)], settings)
}

#[tokio::test]
async fn every_stream_is_read_by_the_system_s_time_of_change() {
    let fakes = Fakes::start_with(|config| config.salesforce_page = 60).await;
    let salesforce = connect(&fakes);
    salesforce.test().await.unwrap();
    let rows = [("contacts", 250), ("accounts", 40), ("leads", 50), ("opportunities", 40)];
    for (stream, rows) in rows.into_iter().chain([("campaigns", 2), ("campaign_members", 0)]) {
        let (records, _) = read_all(&salesforce, stream, None).await.unwrap();
        assert_eq!(records.len(), rows, "{stream}");
        let times: Vec<_> = records.iter().map(|r| r["SystemModstamp"].as_str().unwrap()).collect();
        assert!(times.is_sorted(), "{stream}");
    }
    let (_, cursor) = read_all(&salesforce, "contacts", None).await.unwrap();
    fakes.clock.advance_secs(600);
    let ids = fakes.handle().salesforce_ids(SalesforceType::Contact);
    // Nobody modified it: LastModifiedDate stands, the system's time moves.
    fakes.handle().salesforce_touch(SalesforceType::Contact, &ids[17]);
    let (changed, cursor) = read_all(&salesforce, "contacts", cursor.as_ref()).await.unwrap();
    assert_eq!(distinct(&changed, "/Id"), [json!(ids[17]).to_string()].into());
    let (none, _) = read_all(&salesforce, "contacts", cursor.as_ref()).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn a_page_behind_the_next_is_found_although_records_change() {
    let fakes = Fakes::start_with(|config| config.salesforce_page = 50).await;
    let salesforce = connect(&fakes);
    let ids = fakes.handle().salesforce_ids(SalesforceType::Contact);
    let mut reader = salesforce.read("contacts", None).unwrap();
    let (mut seen, mut pages) = (Vec::new(), 0);
    while let Some(page) = reader.next_page().await.unwrap() {
        fakes.clock.advance_secs(1);
        fakes.handle().salesforce_touch(SalesforceType::Contact, &ids[pages]);
        pages += 1;
        seen.extend(page.records);
    }
    assert_eq!((distinct(&seen, "/Id").len(), pages), (250, 5));
    let calls = fakes.handle().calls_by_path();
    assert!(calls.keys().any(|path| path.contains("/query/01g")), "{calls:?}");
}

#[tokio::test]
async fn deleted_records_are_read_from_the_recycle_bin() {
    let fakes = Fakes::start().await;
    let salesforce = connect(&fakes);
    let (none, cursor) = read_all(&salesforce, "deleted_contacts", None).await.unwrap();
    assert!(none.is_empty());
    fakes.clock.advance_secs(60);
    let id = fakes.handle().salesforce_ids(SalesforceType::Contact)[0].clone();
    let input = json!({"object": "Contact", "id": id});
    salesforce.call("delete_record", &input, "ten/run/delete").await.unwrap();
    let (gone, _) = read_all(&salesforce, "deleted_contacts", cursor.as_ref()).await.unwrap();
    assert_eq!((gone.len(), &gone[0]["Id"], &gone[0]["IsDeleted"]), (1, &json!(id), &json!(true)));
    assert_eq!(read_all(&salesforce, "contacts", None).await.unwrap().0.len(), 249);
    let error = salesforce.call("delete_record", &input, "again").await.unwrap_err();
    assert_eq!(error.extra["verdict"], "not_found");
}

#[tokio::test]
async fn two_hundred_records_a_call_and_the_refused_ones_by_their_place() {
    let fakes = Fakes::start().await;
    let salesforce = connect(&fakes);
    let mut items: Vec<Value> = (0..450)
        .map(|n| json!({"id": format!("x{n}"), "properties": {"LastName": format!("N{n}")}}))
        .collect();
    items[7] = json!({"id": "x7", "properties": {"LastName": "A", "Email": "no address"}});
    items[201] = json!({"id": "x201", "properties": {"FirstName": "Only"}});
    items[449] = json!({"id": "x449", "properties": {"LastName": "A", "Nothing__c": 1}});
    let input = json!({"object": "Contact", "id_property": "External_Id__c", "items": items});
    let outcome = salesforce.call("upsert_records", &input, "ten/run/upsert").await.unwrap();
    assert_eq!((outcome.ids.len(), outcome.calls), (447, 3));
    let places: Vec<_> = outcome.failed.iter().map(|failure| failure.index).collect();
    assert_eq!(places, [Some(7), Some(201), Some(449)]);
    assert!(outcome.failed[0].message.contains("invalid email"), "{:?}", outcome.failed[0]);
    assert!(outcome.failed[1].message.contains("LastName"), "{:?}", outcome.failed[1]);
    let before = fakes.handle().salesforce_ids(SalesforceType::Contact).len();
    let again = salesforce.call("upsert_records", &input, "ten/run/other").await.unwrap();
    assert_eq!((again.ids.len(), again.records[0]["created"].clone()), (447, json!(false)));
    assert_eq!(fakes.handle().salesforce_ids(SalesforceType::Contact).len(), before);
}

#[tokio::test]
async fn one_record_is_made_found_changed_and_asked_for() {
    let fakes = Fakes::start().await;
    let salesforce = connect(&fakes);
    let input = json!({"object": "Lead", "properties": {"LastName": "Awa", "Company": "Baobab"}});
    let made = salesforce.call("create_record", &input, "ten/run/create").await.unwrap();
    let id = &made.ids[0];
    assert!(id.starts_with("00Q") && id.len() == 18, "{id}");
    let change = json!({"object": "Lead", "id": id, "properties": {"FirstName": "Grace"}});
    salesforce.call("update_record", &change, "ten/run/update").await.unwrap();
    let look = json!({"object": "Lead", "id": id, "fields": "FirstName,Company"});
    let found = salesforce.call("get_record", &look, "k").await.unwrap();
    assert_eq!(
        (&found.records[0]["FirstName"], &found.records[0]["Company"]),
        (&json!("Grace"), &json!("Baobab"))
    );
    let soql = json!({"soql": "SELECT Id FROM Lead WHERE Company = 'Baobab' LIMIT 5"});
    assert_eq!(&salesforce.call("query", &soql, "k").await.unwrap().ids, &made.ids);
    let upsert = json!({"object": "Lead", "id_property": "External_Id__c", "id": "crm/7",
        "properties": {"LastName": "Kofi", "Company": "Volta"}});
    let first = salesforce.call("upsert_record", &upsert, "u1").await.unwrap();
    let second = salesforce.call("upsert_record", &upsert, "u2").await.unwrap();
    assert_eq!((first.ids, &second.records[0]["created"]), (second.ids.clone(), &json!(false)));
    for (soql, word) in [
        ("SELECT Nothing FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
    ] {
        let error = salesforce.call("query", &json!({"soql": soql}), "k").await.unwrap_err();
        assert_eq!(
            (&error.extra["provider_word"], error.code),
            (&json!(word), Code::ProviderRefused)
        );
    }
}

#[tokio::test]
async fn a_composite_is_one_call_and_all_or_nothing() {
    let fakes = Fakes::start().await;
    let salesforce = connect(&fakes);
    let used = || async {
        salesforce.test().await.unwrap();
        salesforce.budget().daily_remaining.unwrap()
    };
    let (before, accounts) =
        (used().await, fakes.handle().salesforce_ids(SalesforceType::Account).len());
    let path = |kind: &str| format!("/services/data/v67.0/sobjects/{kind}");
    let request = |last_name: Option<&str>| {
        json!({"requests": [
            {"method": "POST", "url": path("Account"), "referenceId": "firm",
                "body": {"Name": "Volta"}},
            {"method": "POST", "url": path("Contact"), "referenceId": "person",
                "body": {"LastName": last_name, "AccountId": "@{firm.id}"}},
        ]})
    };
    let done = salesforce.call("composite", &request(Some("Awa")), "c1").await.unwrap();
    let statuses: Vec<_> = done.records.iter().map(|one| one["httpStatusCode"].clone()).collect();
    assert_eq!(statuses, [json!(201), json!(201)]);
    let person = json!({"object": "Contact", "id": done.records[1]["body"]["id"]});
    let person = salesforce.call("get_record", &person, "k").await.unwrap();
    assert_eq!(person.records[0]["AccountId"], done.records[0]["body"]["id"]);
    let failed = salesforce.call("composite", &request(None), "c2").await.unwrap();
    assert_eq!(failed.records[0]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(fakes.handle().salesforce_ids(SalesforceType::Account).len(), accounts + 1);
    assert_eq!(before - used().await, 4, "two composites, one read, one test");
    let many: Vec<Value> = (0..26)
        .map(|n| json!({"method": "GET", "url": path("Lead"), "referenceId": n.to_string()}))
        .collect();
    let error = salesforce.call("composite", &json!({"requests": many}), "c3").await.unwrap_err();
    assert!(error.detail.contains("25"), "{error}");
}

#[tokio::test]
async fn the_usage_of_the_day_is_known_and_its_end_is_a_rate_limit() {
    let fakes = Fakes::start_with(|config| config.limits.salesforce_per_day = Some(3)).await;
    let salesforce = connect(&fakes);
    for left in [2, 1, 0] {
        salesforce.test().await.unwrap();
        let budget = salesforce.budget();
        assert_eq!((budget.daily_limit, budget.daily_remaining), (Some(3), Some(left)));
    }
    // 403, no Retry-After, no header of a rate limit: only the word tells.
    let error = salesforce.test().await.unwrap_err();
    assert_eq!((error.code, error.retry_after), (Code::RateLimited, None));
    assert_eq!(error.extra["provider_word"], "REQUEST_LIMIT_EXCEEDED");
    let told = fakes.calls.0.lock().unwrap().last().unwrap().clone();
    assert_eq!((told.status, told.daily.unwrap().remaining), (Some(403), 0));
    // The pause is long: a rolling day frees nothing within seconds.
    let error = salesforce.test().await.unwrap_err();
    assert!(error.retry_after.unwrap() >= 300, "{error:?}");
    fakes.clock.advance_secs(86_401);
    salesforce.test().await.unwrap();
}

#[tokio::test]
async fn faults_are_told_apart() {
    let fakes = Fakes::start().await;
    let salesforce = connect(&fakes);
    survives(&fakes, &salesforce, "contacts", "/services/data", "records", true).await;
    // A 403 that is not about the limit is about rights.
    let forbidden = FaultKind::Bare { status: 403 };
    fakes.handle().fault(Fault::on("", "/services/data", forbidden));
    let error = salesforce.test().await.unwrap_err();
    assert_eq!(error.extra["verdict"], "forbidden");
}

#[tokio::test]
async fn pages_that_repeat_or_lead_in_circles_do_no_harm() {
    let fakes = Fakes::start_with(|config| config.salesforce_page = 50).await;
    let salesforce = connect(&fakes);
    let next = "/services/data/v67.0/query/";
    fakes.handle().fault(Fault::on("GET", next, FaultKind::DuplicatePage));
    let (records, _) = read_all(&salesforce, "contacts", None).await.unwrap();
    assert_eq!(distinct(&records, "/Id").len(), 250);
    fakes.handle().fault(Fault::on("GET", next, FaultKind::StuckCursor).times(50));
    let error = read_all(&salesforce, "contacts", None).await.unwrap_err();
    assert!(error.detail.contains("circle"), "{error}");
}

#[tokio::test]
async fn an_integration_may_stay_with_an_earlier_version() {
    let fakes = Fakes::start().await;
    connect_with(&fakes, &json!({"api_version": "v65.0"})).test().await.unwrap();
    assert_eq!(fakes.handle().calls_of("GET", "/services/data/v65.0/limits"), 1);
    let plan = packs::find("salesforce").unwrap();
    let settings = json!({"api_version": "v12.0", "base_url": fakes.sandbox.salesforce_base_url});
    let settings = Settings::from_json(&settings).unwrap();
    let connector = Connector::new(
        client(&fakes.sandbox.salesforce_base_url),
        fakes.env.clone(),
        fakes.calls.clone(),
    );
    let source = Arc::new(connectus_connect::credential::Fixed(Access::lasting(secrets(&[]))));
    let error = connector.connect(&plan, &settings, "c", source).err().unwrap();
    assert_eq!(error.fields[0].field, "settings.api_version");
    assert!(error.fields[0].message.contains("v67.0, v66.0"), "{error:?}");
}

/// Refreshes through the fake, as the engine does under its lease.
struct Refreshing {
    fakes: Arc<Fakes>,
    held: Mutex<Access>,
}

#[async_trait]
impl CredentialSource for Refreshing {
    async fn access(&self) -> Result<Access> {
        Ok(self.held.lock().unwrap().clone())
    }

    async fn renew(&self, refused: u64) -> Result<Access> {
        let mut held = self.held.lock().unwrap().clone();
        assert_eq!(held.generation, refused);
        let (base, keys) = (&self.fakes.sandbox.salesforce_base_url, self.fakes.handle().keys());
        let plan = packs::find("salesforce")?;
        let settings = Settings::from_json(&json!({"base_url": base}))?;
        let spend = oauth::refresh_input(&plan, &held.secrets)?.clone();
        let app = app(&keys.salesforce_client_id, &keys.salesforce_client_secret);
        let now = self.fakes.env.now();
        let tokens = oauth::refresh(&client(base), &plan, &settings, &app, &spend, now).await?;
        tokens.store_in(&mut held.secrets);
        held.generation += 1;
        *self.held.lock().unwrap() = held.clone();
        Ok(held)
    }
}

#[tokio::test]
async fn a_session_that_ended_is_renewed_once_and_rotation_ends_the_old_grant() {
    let fakes = Fakes::start_with(|config| config.salesforce_token_rotation = true).await;
    let fakes = Arc::new(fakes);
    let (base, keys) = (&fakes.sandbox.salesforce_base_url, fakes.handle().keys());
    let (id, secret) = (&keys.salesforce_client_id, &keys.salesforce_client_secret);
    let tokens = fakes.sign_in("salesforce", base, id, secret).await;
    assert_eq!(tokens.settings["instance_url"], *base);
    // The answer names no lifetime.
    assert_eq!(tokens.expires_at, Some(fakes.env.now().plus_secs(7_200)));
    let old = tokens.refresh_token.clone().unwrap();
    let mut held = access(base, &[]);
    tokens.store_in(&mut held.secrets);
    let source = Arc::new(Refreshing { fakes: fakes.clone(), held: Mutex::new(held) });
    let settings = Settings::from_json(&json!({"base_url": base})).unwrap();
    let connector = Connector::new(client(base), fakes.env.clone(), fakes.calls.clone());
    let plan = packs::find("salesforce").unwrap();
    let salesforce = connector.connect(&plan, &settings, "cred", source.clone()).unwrap();
    salesforce.test().await.unwrap();
    fakes.clock.advance_secs(7_201);
    salesforce.test().await.unwrap();
    let newer = source.held.lock().unwrap().clone();
    assert_eq!(newer.generation, 1);
    assert_ne!(newer.secrets.get("refresh_token").unwrap().expose_secret(), old.expose_secret());
    let (app, now) = (app(id, secret), fakes.env.now());
    let spent = SecretString::from(old.expose_secret());
    let error =
        oauth::refresh(&client(base), &plan, &settings, &app, &spent, now).await.unwrap_err();
    assert_eq!(error.code, Code::ReauthRequired);
    assert!(oauth::revoke(&client(base), &plan, &settings, &app, &newer.secrets).await.is_ok());
}
