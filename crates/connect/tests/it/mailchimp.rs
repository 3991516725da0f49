//! Mailchimp: what its documentation says, against its fake.

use connectus_connect::{Connection, packs, quirks, webhook};
use connectus_core::{Code, Timestamp};
use connectus_sandbox::{Fault, FaultKind};
use http::HeaderMap;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    fakes::{Fakes, deliver, distinct, read_all, survives},
    world::{access, secrets},
};

const LIST: &str = "a1b2c3d4e5";

fn connect(fakes: &Fakes) -> Connection {
    let (base, key) = (&fakes.sandbox.mailchimp_base_url, &fakes.handle().keys().mailchimp_api_key);
    let settings = json!({"dc": "us6", "list_id": LIST});
    fakes.connect("mailchimp", base, &[("api_key", key)], &settings)
}

#[tokio::test]
async fn every_stream_is_read_and_members_by_changes() {
    let fakes = Fakes::start().await;
    let mailchimp = connect(&fakes);
    mailchimp.test().await.unwrap();
    for (stream, rows) in
        [("lists", 2), ("members", 300), ("campaigns", 12), ("reports", 12), ("merge_fields", 3)]
    {
        let (records, _) = read_all(&mailchimp, stream, None).await.unwrap();
        assert_eq!(records.len(), rows, "{stream}");
    }
    let (_, cursor) = read_all(&mailchimp, "members", None).await.unwrap();
    assert!(read_all(&mailchimp, "members", cursor.as_ref()).await.unwrap().0.is_empty());
    fakes.clock.advance_secs(600);
    fakes.handle().put_member(LIST, "awa@example.com", "Awa");
    let (changed, cursor) = read_all(&mailchimp, "members", cursor.as_ref()).await.unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["merge_fields"]["FNAME"], "Awa");
    // Another change in the very second that was read last.
    fakes.handle().put_member(LIST, "kofi@example.com", "Kofi");
    let (changed, _) = read_all(&mailchimp, "members", cursor.as_ref()).await.unwrap();
    assert_eq!(distinct(&changed, "/email_address"), ["\"kofi@example.com\"".into()].into());
}

/// An offset would skip a member each time another, already read, moves to the end.
#[tokio::test]
async fn nobody_is_skipped_while_members_change() {
    let fakes = Fakes::start_with(|config| config.mailchimp_members = 2_500).await;
    let mailchimp = connect(&fakes);
    let mut reader = mailchimp.read("members", None).unwrap();
    let (mut seen, mut pages) = (Vec::new(), 0);
    while let Some(page) = reader.next_page().await.unwrap() {
        pages += 1;
        if pages < 3 {
            for member in page.records.iter().take(5) {
                fakes.clock.advance_secs(1);
                let email = member["email_address"].as_str().unwrap();
                fakes.handle().put_member(LIST, email, "Moved");
            }
        }
        seen.extend(page.records);
    }
    assert_eq!(distinct(&seen, "/id").len(), 2_500);
    let moved = seen.iter().filter(|member| member["merge_fields"]["FNAME"] == "Moved").count();
    assert_eq!(moved, 10, "and who moved is read as they are now");
}

/// An import gives thousands of members one second: the time cannot move, the offset must.
#[tokio::test]
async fn more_members_than_a_page_may_share_a_second() {
    let fakes = Fakes::start_with(|config| config.mailchimp_members = 50).await;
    let mailchimp = connect(&fakes);
    let items: Vec<Value> =
        (0..2_300).map(|n| json!({"email": format!("import{n}@example.com")})).collect();
    let input = json!({"list_id": LIST, "items": items});
    let outcome = mailchimp.call("upsert_members", &input, "ten/run/import").await.unwrap();
    assert_eq!((outcome.ids.len(), outcome.calls), (2_300, 5), "500 a call");
    let (records, cursor) = read_all(&mailchimp, "members", None).await.unwrap();
    assert_eq!(distinct(&records, "/id").len(), 2_350);
    fakes.clock.advance_secs(5);
    fakes.handle().put_member(LIST, "late@example.com", "Late");
    let (records, _) = read_all(&mailchimp, "members", cursor.as_ref()).await.unwrap();
    assert!(distinct(&records, "/email_address").contains("\"late@example.com\""));
}

#[tokio::test]
async fn members_are_written_under_the_md5_of_their_address() {
    let fakes = Fakes::start().await;
    let mailchimp = connect(&fakes);
    let before = fakes.handle().members(LIST);
    let input = json!({"list_id": LIST, "email": "Urist.McVankab@freddiesjokes.com",
        "merge_fields": {"FNAME": "Urist"}});
    for _ in 0..2 {
        let made = mailchimp.call("upsert_member", &input, "ten/run/one").await.unwrap();
        assert_eq!(made.ids, ["62eeb292278cc15f5817cb78f7790b08"]);
        assert_eq!(made.records[0]["status"], "subscribed");
    }
    assert_eq!(fakes.handle().members(LIST), before + 1);
    let one = json!({"list_id": LIST, "email": "URIST.mcvankab@freddiesjokes.com"});
    let tags = json!([{"name": "Founder", "status": "active"}]);
    let tagged =
        json!({"list_id": LIST, "email": "urist.mcvankab@freddiesjokes.com", "tags": tags});
    mailchimp.call("tag_member", &tagged, "ten/run/tag").await.unwrap();
    let found = mailchimp.call("get_member", &one, "k").await.unwrap();
    assert_eq!(found.records[0]["tags"][0]["name"], "Founder");
    let (segments, _) = read_all(&mailchimp, "segments", None).await.unwrap();
    assert_eq!((&segments[0]["type"], &segments[0]["member_count"]), (&json!("static"), &json!(1)));
    mailchimp.call("archive_member", &one, "ten/run/gone").await.unwrap();
    assert_eq!(fakes.handle().members(LIST), before);
    let nobody = json!({"list_id": LIST, "email": "nobody@example.com"});
    let error = mailchimp.call("get_member", &nobody, "k").await.unwrap_err();
    assert_eq!(error.extra["verdict"], "not_found");
}

#[tokio::test]
async fn refused_members_of_a_batch_are_named_by_their_place() {
    let fakes = Fakes::start().await;
    let mailchimp = connect(&fakes);
    let mut items: Vec<Value> =
        (0..510).map(|n| json!({"email": format!("batch{n}@example.com")})).collect();
    items[3] = json!({"email": "no address"});
    items[505] = json!({"email": "batch500@example.com"});
    let input = json!({"list_id": LIST, "items": items});
    let outcome = mailchimp.call("upsert_members", &input, "ten/run/batch").await.unwrap();
    assert_eq!(outcome.ids.len(), 508);
    let places: Vec<_> = outcome.failed.iter().map(|failure| failure.index).collect();
    assert_eq!(places, [Some(3), Some(500)], "the first of two with one address is named");
    assert!(outcome.failed[0].message.contains("valid"), "{:?}", outcome.failed);
}

#[tokio::test]
async fn no_more_than_ten_calls_at_once() {
    let fakes = Fakes::start().await;
    let mailchimp = connect(&fakes);
    for _ in 0..40 {
        let slow = FaultKind::Delay { millis: 20 };
        fakes.handle().fault(Fault::on("GET", "/3.0/ping", slow));
    }
    let tests = (0..40).map(|_| mailchimp.test());
    assert!(futures::future::join_all(tests).await.iter().all(Result::is_ok));
    assert_eq!(fakes.handle().calls_by_status().into_iter().collect::<Vec<_>>(), [(200, 40)]);
    // The fake does refuse an eleventh: without the cap some of these would have been.
    let rough = json!({"dc": "us6", "list_id": LIST, "rate_limits": "off"});
    let (base, key) = (&fakes.sandbox.mailchimp_base_url, &fakes.handle().keys().mailchimp_api_key);
    let rough = fakes.connect("mailchimp", base, &[("api_key", key)], &rough);
    for _ in 0..14 {
        let slow = FaultKind::Delay { millis: 200 };
        fakes.handle().fault(Fault::on("GET", "/3.0/ping", slow));
    }
    let outcomes = futures::future::join_all((0..14).map(|_| rough.test())).await;
    let limited = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    let limited: Vec<_> = limited.map(|error| error.code).collect();
    assert!(!limited.is_empty() && limited.iter().all(|code| *code == Code::RateLimited));
}

#[tokio::test]
async fn faults_are_told_apart() {
    let fakes = Fakes::start().await;
    let mailchimp = connect(&fakes);
    survives(&fakes, &mailchimp, "members", "/3.0/lists", "members", true).await;
    // A bare 403 is the network in front at high volume, a 403 with a document is about rights.
    fakes.handle().fault(Fault::on("", "/3.0/lists", FaultKind::Bare { status: 403 }));
    let error = mailchimp.read("lists", None).unwrap().next_page().await.unwrap_err();
    assert_eq!((error.code, &error.extra["verdict"]), (Code::RateLimited, &json!("rate_limited")));
    fakes.clock.advance_secs(3_700);
    fakes.handle().fault(Fault::on("", "/3.0/lists", FaultKind::Status { status: 403 }));
    let error = mailchimp.read("lists", None).unwrap().next_page().await.unwrap_err();
    assert_eq!(error.extra["verdict"], "forbidden");
    let items =
        json!({"items": [{"email": "x@example.com", "status": "cleaned"}], "list_id": LIST});
    mailchimp.call("upsert_members", &items, "k1").await.unwrap();
    let again = json!({"list_id": LIST, "email": "x@example.com", "status": "subscribed"});
    let error = mailchimp.call("upsert_member", &again, "k2").await.unwrap_err();
    assert_eq!(error.extra["verdict"], "refused");
    assert!(error.detail.contains("must subscribe again by themselves"), "{error}");
}

#[tokio::test]
async fn the_account_is_where_the_key_or_the_metadata_says() {
    let fakes = Fakes::start().await;
    let keys = fakes.handle().keys();
    let revealed =
        quirks::settings_of("mailchimp", &secrets(&[("api_key", &keys.mailchimp_api_key)]));
    assert_eq!(revealed["dc"], "us6");
    let base = &fakes.sandbox.mailchimp_base_url;
    let (id, secret) = (&keys.mailchimp_client_id, &keys.mailchimp_client_secret);
    let tokens = fakes.sign_in("mailchimp", base, id, secret).await;
    assert_eq!(tokens.settings["dc"], "us6");
    assert_eq!((tokens.expires_at, tokens.refresh_token.is_some()), (None, false));
    let held = access(base, &[("access_token", tokens.access_token.expose_secret())]);
    let settings = json!({"dc": "us6", "list_id": LIST});
    let mailchimp = fakes.connect_as("mailchimp", base, held, &settings);
    mailchimp.test().await.unwrap();
    fakes.clock.advance_secs(10 * 365 * 86_400);
    mailchimp.test().await.unwrap();
    fakes.handle().revoke_grants();
    assert_eq!(mailchimp.test().await.unwrap_err().code, Code::ReauthRequired);
}

#[tokio::test]
async fn a_batch_is_handed_over_and_looked_after() {
    let fakes = Fakes::start().await;
    let mailchimp = connect(&fakes);
    let path = format!("/lists/{LIST}/members");
    let body = json!({"email_address": "async@example.com", "status": "subscribed"});
    let items = json!({"items": [
        {"method": "POST", "path": path, "body": body},
        {"method": "GET", "path": "/lists/none"},
    ]});
    let started = mailchimp.call("start_batch", &items, "ten/run/batch").await.unwrap();
    assert_eq!(started.records[0]["status"], "pending");
    let look = json!({"id": started.ids[0]});
    mailchimp.call("get_batch", &look, "k").await.unwrap();
    let done = mailchimp.call("get_batch", &look, "k").await.unwrap();
    let batch = &done.records[0];
    assert_eq!((&batch["status"], &batch["errored_operations"]), (&json!("finished"), &json!(1)));
    assert!(fakes.handle().member(LIST, "async@example.com").is_some());
}

#[tokio::test]
async fn webhooks_are_proven_by_their_address() {
    let fakes = Fakes::start().await;
    let mailchimp = connect(&fakes);
    let url = "https://connectus.example/hooks/ten_1/hook_1?secret=s3cret-canary";
    let input = json!({"list_id": LIST, "url": url});
    assert_eq!(mailchimp.call("create_webhook", &input, "k").await.unwrap().ids.len(), 1);
    let held = [("webhook_secret", "s3cret-canary")];
    let data = [("id", "abc"), ("list_id", LIST), ("email", "awa@example.com")];
    let signed = fakes.handle().mailchimp_webhook(url, "subscribe", &data);
    let first = deliver(&fakes, "mailchimp", &signed, &held).unwrap().remove(0);
    assert_eq!((first.name.as_str(), first.object_id.as_deref()), ("subscribe", Some("abc")));
    assert_eq!(first.occurred_at, Some(Timestamp::from_secs(fakes.env.now().secs())));
    // A delivery that is repeated is the same event; another person in the same second is not.
    let again = deliver(&fakes, "mailchimp", &signed, &held).unwrap().remove(0);
    assert_eq!(first.id, again.id);
    let data = [("id", "def"), ("list_id", LIST), ("email", "kofi@example.com")];
    let other = fakes.handle().mailchimp_webhook(url, "subscribe", &data);
    assert_ne!(deliver(&fakes, "mailchimp", &other, &held).unwrap()[0].id, first.id);
    let data = [("email", "x@example.com"), ("reason", "hard"), ("campaign_id", "c1")];
    let cleaned = fakes.handle().mailchimp_webhook(url, "cleaned", &data);
    assert_eq!(deliver(&fakes, "mailchimp", &cleaned, &held).unwrap()[0].name, "cleaned");
    for wrong in ["?secret=other", "?secret=", ""] {
        let url = format!("https://connectus.example/hooks/ten_1/hook_1{wrong}");
        let forged = fakes.handle().mailchimp_webhook(&url, "subscribe", &data);
        let error = deliver(&fakes, "mailchimp", &forged, &held).unwrap_err();
        assert_eq!(error.code, Code::BadSignature, "{wrong}");
    }
    // The validating GET carries no secret and is answered all the same.
    let plan = packs::find("mailchimp").unwrap();
    let triggers = plan.pack.triggers.as_ref().unwrap();
    let headers = HeaderMap::new();
    let get = webhook::Delivery {
        method: "GET",
        url: "https://x.example/",
        headers: &headers,
        body: b"",
    };
    let reply = webhook::challenge(triggers, &secrets(&held), get, fakes.env.now()).unwrap();
    assert!(reply.is_some());
}
