//! Google Ads: what its documentation says, against its fake.

use connectus_connect::{Connection, Settings, oauth, packs};
use connectus_core::Code;
use connectus_sandbox::{Fault, FaultKind};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    fakes::{Fakes, app, distinct, read_all, survives},
    world::{access, client},
};

const SEARCH: &str = "/v26/customers/8360000001/googleAds:search";

fn connect(fakes: &Fakes) -> Connection {
    connect_with(fakes, &json!({"customer_id": "8360000001"}))
}

fn connect_with(fakes: &Fakes, settings: &Value) -> Connection {
    let (base, keys) = (&fakes.sandbox.google_base_url, fakes.handle().keys());
    let fields = [
        ("access_token", keys.google_token.as_str()),
        ("developer_token", keys.google_developer_token.as_str()),
    ];
    fakes.connect("google_ads", base, &fields, settings)
}

#[tokio::test]
async fn campaigns_come_in_pages_and_numbers_of_64_bits_stay_text() {
    let fakes = Fakes::start_with(|config| config.google_page = 20).await;
    let google = connect(&fakes);
    google.test().await.unwrap();
    let spent = fakes.handle().google_operations();
    let (campaigns, _) = read_all(&google, "campaigns", None).await.unwrap();
    // A double would make two of these ids one.
    assert_eq!(distinct(&campaigns, "/campaign/id").len(), 45);
    assert_eq!(campaigns[0]["campaign"]["id"], "9007199254740993");
    assert_eq!(fakes.handle().calls_of("POST", SEARCH), 3);
    assert_eq!(fakes.handle().google_operations() - spent, 1, "further pages are free");
    assert_eq!(read_all(&google, "ad_groups", None).await.unwrap().0.len(), 45);
}

#[tokio::test]
async fn figures_stream_in_chunks_and_are_read_again_while_conversions_arrive() {
    let fakes = Fakes::start_with(|config| config.google_page = 50).await;
    let google = connect(&fakes);
    let (figures, cursor) = read_all(&google, "campaign_metrics", None).await.unwrap();
    assert_eq!(figures.len(), 5 * 91, "five campaigns, today and ninety days");
    assert!(figures[0]["metrics"]["costMicros"].is_string());
    assert!(figures[0]["metrics"]["conversions"].is_number());
    assert_eq!(fakes.handle().calls_of("POST", &format!("{SEARCH}Stream")), 1, "one call");
    let day = fakes.env.now().plus_secs(-20 * 86_400).day();
    fakes.handle().google_late_conversions("9007199254740993", &day, 1_000.0);
    let (again, _) = read_all(&google, "campaign_metrics", cursor.as_ref()).await.unwrap();
    assert_eq!(again.len(), 5 * 31, "thirty days and today");
    let late = again
        .iter()
        .find(|row| row["segments"]["date"] == *day && row["campaign"]["id"] == "9007199254740993");
    assert!(late.unwrap()["metrics"]["conversions"].as_f64().unwrap() >= 1_000.0);
    // A customer without campaigns: a list without chunks.
    let managed = json!({"customer_id": "8360000002", "login_customer_id": "8360000000"});
    let managed = connect_with(&fakes, &managed);
    assert!(read_all(&managed, "campaign_metrics", None).await.unwrap().0.is_empty());
    assert!(read_all(&managed, "campaigns", None).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn changes_are_read_in_order_and_once() {
    let fakes = Fakes::start().await;
    let google = connect(&fakes);
    let (none, cursor) = read_all(&google, "changes", None).await.unwrap();
    assert!(none.is_empty());
    fakes.clock.advance_secs(3_600);
    let name = "customers/8360000001/campaigns/9007199254740993";
    let pause = json!({"items": [{"resource_name": name, "fields": {"status": "PAUSED"}}]});
    google.call("update_campaigns", &pause, "ten/run/pause").await.unwrap();
    fakes.clock.advance_secs(5);
    let (changed, cursor) = read_all(&google, "changes", cursor.as_ref()).await.unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["changeStatus"]["campaign"], name);
    assert!(read_all(&google, "changes", cursor.as_ref()).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn operations_stand_for_themselves_and_the_refused_are_named() {
    let fakes = Fakes::start().await;
    let google = connect(&fakes);
    let (campaigns, _) = read_all(&google, "campaigns", None).await.unwrap();
    let name = |n: usize| campaigns[n]["campaign"]["resourceName"].clone();
    let items = json!({"items": [
        {"resource_name": name(0), "fields": {"status": "PAUSED"}},
        {"resource_name": name(1), "fields": {"status": "ASLEEP"}},
        {"resource_name": name(2), "fields": {"name": "Renamed", "status": "ENABLED"}},
        {"resource_name": "customers/8360000001/campaigns/1", "fields": {"status": "PAUSED"}},
    ]});
    let outcome = google.call("update_campaigns", &items, "ten/run/mutate").await.unwrap();
    assert_eq!(outcome.ids, [name(0).as_str().unwrap(), name(2).as_str().unwrap()]);
    let failed: Vec<_> =
        outcome.failed.iter().map(|one| (one.index.unwrap(), one.message.as_str())).collect();
    assert_eq!(
        failed,
        [(1, "Enum value 'status' cannot be used."), (3, "Resource was not found."),]
    );
    let (campaigns, _) = read_all(&google, "campaigns", None).await.unwrap();
    assert_eq!(campaigns[2]["campaign"]["name"], "Renamed");
    let gaql =
        json!({"query": "SELECT campaign.id FROM campaign WHERE campaign.status = 'PAUSED'"});
    assert_eq!(google.call("search", &gaql, "k").await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn conversions_are_uploaded_two_thousand_a_call_and_count_once() {
    let fakes = Fakes::start().await;
    let google = connect(&fakes);
    let mut items: Vec<Value> = (0..2_100)
        .map(|n| {
            json!({"gclid": format!("g{n}"), "conversion_action": "customers/1/conversionActions/2",
            "conversion_date_time": "2026-11-21 12:00:00+00:00", "value": 1.5, "currency": "XOF"})
        })
        .collect();
    items[2_050] = json!({"gclid": "", "conversion_action": "a", "conversion_date_time": "b"});
    let input = json!({"items": items});
    let outcome = google.call("upload_conversions", &input, "ten/run/c1").await.unwrap();
    assert_eq!((outcome.calls, fakes.handle().google_conversions()), (2, 2_099));
    let places: Vec<_> = outcome.failed.iter().map(|failure| failure.index).collect();
    assert_eq!(places, [Some(2_050)], "the place in the list, not in the call");
    google.call("upload_conversions", &input, "ten/run/c2").await.unwrap();
    assert_eq!(fakes.handle().google_conversions(), 2_099);
}

#[tokio::test]
async fn faults_are_told_apart() {
    let fakes = Fakes::start().await;
    let google = connect(&fakes);
    // A list that is gone is a list that is empty: only a renamed one can be told.
    survives(&fakes, &google, "campaign_metrics", SEARCH, "results", false).await;
    survives(&fakes, &google, "campaigns", SEARCH, "results", false).await;
}

#[tokio::test]
async fn pages_that_repeat_or_lead_in_circles_do_no_harm() {
    let fakes = Fakes::start_with(|config| config.google_page = 20).await;
    let google = connect(&fakes);
    fakes.handle().fault(Fault::on("POST", SEARCH, FaultKind::DuplicatePage).skip(1));
    let (records, _) = read_all(&google, "campaigns", None).await.unwrap();
    assert_eq!((records.len(), distinct(&records, "/campaign/id").len()), (65, 45));
    fakes.handle().fault(Fault::on("POST", SEARCH, FaultKind::StuckCursor).times(50));
    let error = read_all(&google, "campaigns", None).await.unwrap_err();
    assert!(error.detail.contains("circle"), "{error}");
}

#[tokio::test]
async fn the_wait_stands_in_the_body_of_the_refusal() {
    let fakes = Fakes::start_with(|config| config.limits.google_per_day = Some(2)).await;
    let google = connect(&fakes);
    google.test().await.unwrap();
    google.test().await.unwrap();
    let error = google.test().await.unwrap_err();
    assert_eq!(
        (error.code, &error.extra["provider_word"]),
        (Code::RateLimited, &json!("RESOURCE_EXHAUSTED"))
    );
    // It says hours; an hour is believed, then it is asked again.
    let wait = google.budget().paused_until.unwrap().secs() - fakes.env.now().secs();
    assert_eq!(wait, 3_600);
    fakes.clock.advance_secs(86_400);
    google.test().await.unwrap();
    // A scripted one says thirty seconds, in a stream as well.
    fakes.handle().fault(Fault::on("", "/v26", FaultKind::Status429 { retry_after: None }));
    google.test().await.unwrap_err();
    let wait = google.budget().paused_until.unwrap().secs() - fakes.env.now().secs();
    assert_eq!(wait, 30);
}

#[tokio::test]
async fn refusals_say_what_is_wrong_in_google_s_words() {
    let fakes = Fakes::start().await;
    let google = connect(&fakes);
    for (query, said) in [
        ("SELECT campaign.id, segments.date FROM campaign", "finite range"),
        ("SELECT nothing.id FROM campaign", "Unrecognized field: nothing.id"),
        ("SELECT campaign.id FROM nothing", "`nothing`"),
        ("SELECT change_status.campaign FROM change_status", "finite"),
    ] {
        let error = google.call("search", &json!({"query": query}), "k").await.unwrap_err();
        assert_eq!(error.code, Code::ProviderRefused, "{query}");
        assert!(error.detail.contains(said), "{query}: {error}");
    }
    // The manager must be named.
    let managed = connect_with(&fakes, &json!({"customer_id": "8360000002"}));
    let error = read_all(&managed, "campaigns", None).await.unwrap_err();
    assert_eq!(error.extra["verdict"], "forbidden");
    assert!(error.detail.contains("login-customer-id"), "{error}");
    // In a stream the refusal is a list, too.
    let error = read_all(&managed, "campaign_metrics", None).await.unwrap_err();
    assert_eq!(error.extra["verdict"], "forbidden");
}

#[tokio::test]
async fn access_lasts_an_hour_and_the_refresh_token_stays() {
    let fakes = Fakes::start().await;
    let (base, keys) = (&fakes.sandbox.google_base_url, fakes.handle().keys());
    let (id, secret) = (&keys.google_client_id, &keys.google_client_secret);
    let tokens = fakes.sign_in("google_ads", base, id, secret).await;
    assert_eq!(tokens.expires_at, Some(fakes.env.now().plus_secs(3_599)));
    let developer = ("developer_token", keys.google_developer_token.as_str());
    let mut held = access(base, &[developer]);
    tokens.store_in(&mut held.secrets);
    let settings = json!({"customer_id": "8360000001"});
    fakes.connect_as("google_ads", base, held.clone(), &settings).test().await.unwrap();
    fakes.clock.advance_secs(3_600);
    let dead = fakes.connect_as("google_ads", base, held.clone(), &settings);
    assert_eq!(dead.test().await.unwrap_err().code, Code::ReauthRequired);
    let plan = packs::find("google_ads").unwrap();
    let site = Settings::from_json(&json!({"base_url": base, "customer_id": "1"})).unwrap();
    let (http, app, now) = (client(base), app(id, secret), fakes.env.now());
    for _ in 0..2 {
        let spend = oauth::refresh_input(&plan, &held.secrets).unwrap().clone();
        let renewed = oauth::refresh(&http, &plan, &site, &app, &spend, now).await.unwrap();
        assert!(renewed.refresh_token.is_none(), "the old one stays");
        renewed.store_in(&mut held.secrets);
    }
    fakes.connect_as("google_ads", base, held.clone(), &settings).test().await.unwrap();
    assert!(oauth::revoke(&http, &plan, &site, &app, &held.secrets).await.unwrap());
    // Without the developer's token nothing works, and nobody need connect again.
    let token = held.secrets.get("access_token").unwrap().expose_secret().to_owned();
    let fields = [("access_token", token.as_str()), ("developer_token", "wrong")];
    let wrong = fakes.connect("google_ads", base, &fields, &settings);
    assert_eq!(wrong.test().await.unwrap_err().extra["verdict"], "forbidden");
}
