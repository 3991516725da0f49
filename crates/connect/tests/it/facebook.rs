//! Facebook Ads: what its documentation says, against its fake.

use std::time::Duration;

use connectus_connect::{Connection, oauth, packs};
use connectus_core::Code;
use connectus_sandbox::{Fault, FaultKind};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    fakes::{Fakes, app, deliver, distinct, read_all, survives},
    world::{access, client},
};

const CAMPAIGN: &str = "23850000000000000";

fn settings() -> Value {
    json!({"ad_account_id": "836000001", "page_id": "836000002", "lead_form_id": "836000003"})
}

fn connect(fakes: &Fakes) -> Connection {
    let (base, keys) = (&fakes.sandbox.facebook_base_url, fakes.handle().keys());
    let fields = [
        ("access_token", keys.facebook_token.as_str()),
        ("client_secret", keys.facebook_client_secret.as_str()),
    ];
    fakes.connect("facebook_ads", base, &fields, &settings())
}

#[tokio::test]
async fn objects_are_read_in_cursor_pages_and_by_changes() {
    let fakes = Fakes::start().await;
    let facebook = connect(&fakes);
    facebook.test().await.unwrap();
    for (stream, rows) in
        [("campaigns", 60), ("adsets", 60), ("ads", 60), ("lead_forms", 1), ("leads", 30)]
    {
        let (records, _) = read_all(&facebook, stream, None).await.unwrap();
        assert_eq!(records.len(), rows, "{stream}");
    }
    let (_, cursor) = read_all(&facebook, "campaigns", None).await.unwrap();
    let (none, cursor) = read_all(&facebook, "campaigns", cursor.as_ref()).await.unwrap();
    assert!(none.is_empty());
    fakes.clock.advance_secs(60);
    let pause = json!({"id": CAMPAIGN, "fields": {"status": "PAUSED"}});
    facebook.call("update_object", &pause, "ten/run/pause").await.unwrap();
    let (changed, _) = read_all(&facebook, "campaigns", cursor.as_ref()).await.unwrap();
    assert_eq!((changed.len(), &changed[0]["status"]), (1, &json!("PAUSED")));
    let wrong = json!({"id": CAMPAIGN, "fields": {"status": "ASLEEP"}});
    let error = facebook.call("update_object", &wrong, "k").await.unwrap_err();
    assert_eq!((error.code, &error.extra["provider_word"]), (Code::ProviderRefused, &json!("100")));
}

#[tokio::test]
async fn pages_that_repeat_or_lead_in_circles_do_no_harm() {
    let fakes = Fakes::start().await;
    let facebook = connect(&fakes);
    // The pack asks for 100 a page: more than that are needed for a second.
    for n in 0..250 {
        fakes.handle().facebook_lead(&format!("lead{n}@example.com"));
    }
    let path = "/v26.0/836000003/leads";
    fakes.handle().fault(Fault::on("GET", path, FaultKind::DuplicatePage).skip(1));
    let (records, _) = read_all(&facebook, "leads", None).await.unwrap();
    assert_eq!(distinct(&records, "/id").len(), 280);
    fakes.handle().fault(Fault::on("GET", path, FaultKind::StuckCursor).times(50));
    let error = read_all(&facebook, "leads", None).await.unwrap_err();
    assert!(error.detail.contains("circle"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn figures_are_gathered_by_a_report_and_read_again_while_conversions_arrive() {
    let fakes = Fakes::start().await;
    let facebook = connect(&fakes);
    let (figures, cursor) = read_all(&facebook, "insights", None).await.unwrap();
    assert_eq!(figures.len(), 6 * 91, "six campaigns, today and ninety days");
    assert_eq!(distinct(&figures, "/date_start").len(), 91);
    assert!(figures[0]["impressions"].is_string() && figures[0]["spend"].is_string());
    // Conversions of ten days ago arrive now: the day's row is delivered again, as it is now.
    let day = fakes.env.now().plus_secs(-10 * 86_400).day();
    fakes.handle().facebook_late_conversions(CAMPAIGN, &day, 1_000);
    let (again, _) = read_all(&facebook, "insights", cursor.as_ref()).await.unwrap();
    assert_eq!(again.len(), 6 * 29, "four weeks");
    let late = again.iter().find(|row| row["date_start"] == *day && row["campaign_id"] == CAMPAIGN);
    let value = late.unwrap()["actions"][0]["value"].as_str().unwrap().parse::<u32>().unwrap();
    assert!(value >= 1_000);
    // The same range at once is too much.
    let (since, until) = (fakes.env.now().plus_secs(-90 * 86_400).day(), fakes.env.now().day());
    let path = format!(
        "/v26.0/act_836000001/insights?level=campaign&time_increment=1&time_range=\
                        {{\"since\":\"{since}\",\"until\":\"{until}\"}}"
    );
    let url = format!("{}{path}", fakes.sandbox.facebook_base_url);
    let request = connectus_connect::http::GuardedRequest::new(http::Method::GET, url)
        .header("authorization", &format!("Bearer {}", fakes.handle().keys().facebook_token))
        .unwrap();
    let answer = client(&fakes.sandbox.facebook_base_url).send(request).await.unwrap();
    assert_eq!(answer.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_report_is_started_once_whoever_goes_on_with_it() {
    let fakes = Fakes::start().await;
    let facebook = connect(&fakes);
    let created = |fakes: &Fakes| fakes.handle().calls_of("POST", "/v26.0/act_836000001/insights");
    let mut reader = facebook.read("insights", None).unwrap();
    // The first page holds nothing but the report's id, to be kept before anything waits for it.
    let first = reader.next_page().await.unwrap().unwrap();
    assert!(first.records.is_empty() && created(&fakes) == 1);
    drop(reader);
    let (figures, _) = read_all(&facebook, "insights", first.cursor.as_ref()).await.unwrap();
    assert_eq!((figures.len(), created(&fakes)), (6 * 91, 1));
    // A report that is gone by then is made again; one that fails is an error, and then made again.
    let mut reader = facebook.read("insights", None).unwrap();
    let first = reader.next_page().await.unwrap().unwrap();
    fakes.handle().facebook_forget_reports();
    let (figures, _) = read_all(&facebook, "insights", first.cursor.as_ref()).await.unwrap();
    assert_eq!((figures.len(), created(&fakes)), (6 * 91, 3));
    fakes.handle().facebook_fail_reports(1);
    let mut reader = facebook.read("insights", None).unwrap();
    reader.next_page().await.unwrap().unwrap();
    let started = tokio::time::Instant::now();
    let error = reader.next_page().await.unwrap_err();
    assert!(error.is_transient() && error.detail.contains("Job Failed"), "{error}");
    assert!(started.elapsed() >= Duration::from_secs(10), "it is asked after with pauses");
    let mut rows = 0;
    while let Some(page) = reader.next_page().await.unwrap() {
        rows += page.records.len();
    }
    assert_eq!((rows, created(&fakes)), (6 * 91, 5));
}

#[tokio::test]
async fn faults_are_told_apart_by_code() {
    let fakes = Fakes::start().await;
    let facebook = connect(&fakes);
    survives(&fakes, &facebook, "campaigns", "/v26.0/act_", "data", true).await;
    // Unknown object, and a token that is no longer one: both 400.
    let error = facebook.call("get_lead", &json!({"id": "1"}), "k").await.unwrap_err();
    assert_eq!(error.extra["verdict"], "refused");
    let base = &fakes.sandbox.facebook_base_url;
    let unknown = fakes.connect("facebook_ads", base, &[("access_token", "EAAx")], &settings());
    assert_eq!(unknown.test().await.unwrap_err().code, Code::ReauthRequired);
}

#[tokio::test]
async fn usage_in_percent_closes_the_budget_for_as_long_as_it_says() {
    let fakes = Fakes::start_with(|config| config.limits.facebook_per_hour = Some(4)).await;
    let facebook = connect(&fakes);
    for _ in 0..3 {
        facebook.test().await.unwrap();
    }
    assert_eq!(facebook.budget().paused_until, None, "seconds in the header are no percentages");
    facebook.test().await.unwrap();
    // The fourth says 100 %: nothing more is sent, and so nothing is refused.
    let error = facebook.test().await.unwrap_err();
    assert_eq!(error.code, Code::RateLimited);
    assert_eq!(fakes.handle().call_count(), 4);
    fakes.clock.advance_secs(301);
    // Too early: the code of the refusal and the minutes of its header say so.
    let error = facebook.test().await.unwrap_err();
    assert_eq!((error.code, &error.extra["provider_word"]), (Code::RateLimited, &json!("80004")));
    let wait = facebook.budget().paused_until.unwrap().secs() - fakes.env.now().secs();
    assert!((3_200..=3_600).contains(&wait), "{wait}");
    fakes.clock.advance_secs(3_601);
    facebook.test().await.unwrap();
}

#[tokio::test]
async fn a_token_is_exchanged_for_sixty_days_and_a_dead_one_is_lost() {
    let fakes = Fakes::start_with(|config| config.facebook_requires_proof = true).await;
    let (base, keys) = (&fakes.sandbox.facebook_base_url, fakes.handle().keys());
    let (id, secret) = (&keys.facebook_client_id, &keys.facebook_client_secret);
    let first = fakes.sign_in("facebook_ads", base, id, secret).await;
    let (plan, now) = (packs::find("facebook_ads").unwrap(), fakes.env.now());
    assert_eq!(first.expires_at, Some(now.plus_secs(5_400)));
    assert!(first.refresh_token.is_none());
    assert!(oauth::is_due(&plan, first.expires_at, now), "two hours are exchanged at once");
    let mut held = access(base, &[("client_secret", secret)]);
    first.store_in(&mut held.secrets);
    let spend = oauth::refresh_input(&plan, &held.secrets).unwrap().clone();
    let (http, app) = (client(base), app(id, secret));
    let settings_of = connectus_connect::Settings::from_json(&{
        let mut given = settings();
        given["base_url"] = base.as_str().into();
        given
    })
    .unwrap();
    let long = oauth::refresh(&http, &plan, &settings_of, &app, &spend, now).await.unwrap();
    assert_eq!(long.expires_at, Some(now.plus_secs(5_183_944)));
    assert!(!oauth::is_due(&plan, long.expires_at, now));
    long.store_in(&mut held.secrets);
    let facebook = fakes.connect_as("facebook_ads", base, held.clone(), &settings());
    facebook.test().await.unwrap();
    // Every call proves that it knows the app's secret; without it the app's calls are refused.
    held.secrets.remove("client_secret");
    let bare = fakes.connect_as("facebook_ads", base, held.clone(), &settings());
    let error = bare.test().await.unwrap_err();
    assert!(error.detail.contains("appsecret_proof"), "{error}");
    let seen = format!("{:?}", fakes.handle().calls());
    assert!(!seen.contains(long.access_token.expose_secret()), "no token in an address");
    // Due two weeks before the end; at the end nothing helps but a person.
    assert!(oauth::is_due(&plan, long.expires_at, now.plus_secs(5_183_944 - 1_209_600)));
    fakes.clock.advance_secs(5_183_944);
    let spend = oauth::refresh_input(&plan, &held.secrets).unwrap().clone();
    let now = fakes.env.now();
    let error = oauth::refresh(&http, &plan, &settings_of, &app, &spend, now).await.unwrap_err();
    assert_eq!(error.code, Code::ReauthRequired);
}

#[tokio::test]
async fn people_of_an_audience_leave_as_hashes_only() {
    let fakes = Fakes::start().await;
    let facebook = connect(&fakes);
    let made = facebook.call("create_audience", &json!({"name": "Buyers"}), "k1").await.unwrap();
    let id = &made.ids[0];
    let people = json!({"audience_id": id, "items": [
        {"email": " Awa.Diop@Example.com", "phone": "+221 555 010 203"},
        {"email": "awa.diop@example.com", "phone": "00221 555 010 203"},
        {"phone": "+33 (555) 010-203"},
        {"email": "kofi@example.com"},
        {},
    ]});
    let outcome = facebook.call("add_to_audience", &people, "k2").await.unwrap();
    assert_eq!(outcome.records[0]["num_received"], 5);
    assert_eq!(outcome.records[0]["num_invalid_entries"], 1, "somebody without anything");
    assert_eq!(fakes.handle().facebook_audience(id).len(), 4);
    let calls = format!("{:?}", fakes.handle().calls());
    assert!(!calls.contains("awa.diop") && !calls.contains("kofi@"), "{calls}");
    let gone = json!({"audience_id": id, "items": [{"email": "KOFI@example.com "}]});
    facebook.call("remove_from_audience", &gone, "k3").await.unwrap();
    assert_eq!(fakes.handle().facebook_audience(id).len(), 3);
    let (audiences, _) = read_all(&facebook, "custom_audiences", None).await.unwrap();
    assert_eq!(audiences[0]["name"], "Buyers");
}

#[tokio::test]
async fn every_lead_of_a_delivery_is_an_event_of_its_own() {
    let fakes = Fakes::start().await;
    let secret = fakes.handle().keys().facebook_client_secret.clone();
    let held = [("client_secret", secret.as_str())];
    let url = "https://connectus.example/hooks/ten_1/hook_1";
    let signed = fakes.handle().facebook_webhook(url, &[&["1", "2"], &["3"]]);
    let events = deliver(&fakes, "facebook_ads", &signed, &held).unwrap();
    let ids: Vec<_> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert!(events.iter().all(|event| event.name == "leadgen"));
    assert_eq!(events[0].occurred_at.unwrap().secs(), fakes.env.now().secs());
    let mut forged = signed.clone();
    forged.body = forged.body.replace("\"1\"", "\"9\"");
    let error = deliver(&fakes, "facebook_ads", &forged, &held).unwrap_err();
    assert_eq!(error.code, Code::BadSignature);
    // The lead a webhook names can be read.
    let facebook = connect(&fakes);
    let id = fakes.handle().facebook_lead("awa@example.com");
    let lead = facebook.call("get_lead", &json!({"id": id}), "k").await.unwrap();
    assert_eq!(lead.records[0]["field_data"][0]["values"][0], "awa@example.com");
}
