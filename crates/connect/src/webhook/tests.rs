use connectus_core::{
    Code, Timestamp,
    provider::{SignatureScheme, Triggers},
};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{digest::hmac_sha256, *};
use crate::Secrets;

const HUBSPOT_SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
const HUBSPOT_URL: &str = "https://www.example.com/webhook_uri";
const HUBSPOT_V1_BODY: &str = concat!(
    r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"#,
    r#""subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"#,
    r#""changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#,
);
const HUBSPOT_V3: (&str, &str, &str) = (
    "{'example_field':'example_value'}",
    "1693657560000",
    "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
);
const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const SLACK_BODY: &str = concat!(
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow",
    "&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner",
    "&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands",
    "%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN",
    "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
);
const SLACK_SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

struct Case {
    schemes: serde_json::Value,
    secret: &'static str,
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    now_ms: i64,
}

impl Case {
    fn run(&self) -> connectus_core::Result<()> {
        let headers: HeaderMap = self
            .headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let mut secrets = Secrets::new();
        secrets.set("key", SecretString::from(self.secret));
        let body = self.body.as_bytes();
        let delivery = Delivery { method: self.method, url: &self.url, headers: &headers, body };
        verify(&triggers(&self.schemes), &secrets, delivery, Timestamp::from_millis(self.now_ms))
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.headers.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, v)| *v = value.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| *n != name);
        self
    }
}

fn triggers(schemes: &serde_json::Value) -> Triggers {
    serde_json::from_value(json!({
        "signatures": schemes,
        "envelope": {"id": "eventId", "name": "subscriptionType"},
        "events": [],
    }))
    .unwrap()
}

fn hubspot_v3() -> Case {
    Case {
        schemes: json!([
            {"kind": "hubspot_v3", "secret": "key"},
            {"kind": "hubspot_v2", "secret": "key"},
            {"kind": "hubspot_v1", "secret": "key"},
        ]),
        secret: HUBSPOT_SECRET,
        method: "POST",
        url: HUBSPOT_URL.into(),
        headers: vec![
            ("x-hubspot-signature-v3", HUBSPOT_V3.2.into()),
            ("x-hubspot-request-timestamp", HUBSPOT_V3.1.into()),
        ],
        body: HUBSPOT_V3.0.into(),
        now_ms: 1_693_657_560_000,
    }
}

fn hubspot_old(version: &str, method: &'static str, body: &str, signature: &str) -> Case {
    let headers = vec![
        ("x-hubspot-signature", signature.to_owned()),
        ("x-hubspot-signature-version", version.to_owned()),
    ];
    Case { method, headers, body: body.into(), now_ms: 0, ..hubspot_v3() }
}

fn slack() -> Case {
    Case {
        schemes: json!([{"kind": "slack_v0", "secret": "key"}]),
        secret: SLACK_SECRET,
        method: "POST",
        url: "https://connectus.example/hooks/x".into(),
        headers: vec![
            ("x-slack-signature", SLACK_SIGNATURE.into()),
            ("x-slack-request-timestamp", "1531420618".into()),
        ],
        body: SLACK_BODY.into(),
        now_ms: 1_531_420_618_000,
    }
}

fn standard() -> Case {
    Case {
        schemes: json!([{"kind": "standard_webhooks", "secret": "key"}]),
        secret: STANDARD_SECRET,
        method: "POST",
        url: "https://connectus.example/hooks/x".into(),
        headers: vec![
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".into()),
            ("webhook-timestamp", "1614265330".into()),
            ("webhook-signature", STANDARD_SIGNATURE.into()),
        ],
        body: r#"{"test": 2432232314}"#.into(),
        now_ms: 1_614_265_330_000,
    }
}

fn meta() -> Case {
    let signature = hex::encode(hmac_sha256(b"app-secret", &[b"{}"]));
    Case {
        schemes: json!([{"kind": "meta_sha256", "secret": "key"}]),
        secret: "app-secret",
        method: "POST",
        url: "https://connectus.example/hooks/x".into(),
        headers: vec![("x-hub-signature-256", format!("sha256={signature}"))],
        body: "{}".into(),
        now_ms: 0,
    }
}

fn secret_url(url: &str) -> Case {
    Case {
        schemes: json!([{"kind": "secret_url", "secret": "key", "parameter": "s"}]),
        secret: "long secret",
        method: "POST",
        url: url.into(),
        headers: Vec::new(),
        body: "type=subscribe".into(),
        now_ms: 0,
    }
}

/// The providers' own published examples.
#[test]
fn official_vectors_verify() {
    let v1 = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de";
    let v2_get = "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e";
    let v2_post = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900";
    let v2_body = r#"{"example_field":"example_value"}"#;
    let cases = [
        hubspot_v3(),
        hubspot_old("v1", "POST", HUBSPOT_V1_BODY, v1),
        hubspot_old("v2", "GET", "", v2_get),
        hubspot_old("v2", "POST", v2_body, v2_post),
        slack(),
        standard(),
        meta(),
        secret_url("https://x.example/hooks/y?a=1&s=long+secret"),
        secret_url("https://x.example/hooks/y?s=long%20secret#f"),
    ];
    for (index, case) in cases.iter().enumerate() {
        case.run().unwrap_or_else(|error| panic!("case {index}: {error} {:?}", error.cause));
    }
}

#[test]
fn hubspot_s_two_ways_to_write_the_uri_both_verify() {
    let raw = "https://x.example/a?b=c%3Ad%2fe%20f%253A%40";
    let decoded = "https://x.example/a?b=c:d/e%20f%253A@";
    for signed in [raw, decoded] {
        let parts: [&[u8]; 4] = [b"POST", signed.as_bytes(), b"{}", b"1693657560000"];
        let digest = hmac_sha256(HUBSPOT_SECRET.as_bytes(), &parts);
        let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
        let mut case = hubspot_v3().set("x-hubspot-signature-v3", &signature);
        (case.url, case.body) = (raw.into(), "{}".into());
        assert!(case.run().is_ok(), "{signed}");
        case.url = raw.replace("c%3A", "c%3B");
        assert!(case.run().is_err(), "another URI");
    }
}

#[test]
fn a_time_is_plain_digits_even_where_it_is_signed() {
    for (time, good) in [("1531420618", true), ("+1531420618", false), ("1531420618.0", false)] {
        let parts = [b"v0:", time.as_bytes(), b":", SLACK_BODY.as_bytes()];
        let signature = hex::encode(hmac_sha256(SLACK_SECRET.as_bytes(), &parts));
        let case = slack()
            .set("x-slack-request-timestamp", time)
            .set("x-slack-signature", &format!("v0={signature}"));
        assert_eq!(case.run().is_ok(), good, "{time}");
    }
}

#[test]
fn anything_else_is_refused_in_the_same_words() {
    let late = 1_693_657_560_000 + 300_001;
    let weak = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de";
    let mut downgrade = hubspot_old("v1", "POST", HUBSPOT_V1_BODY, weak);
    downgrade.headers.push(("x-hubspot-signature-v3", "AAAA".into()));
    downgrade.headers.push(("x-hubspot-request-timestamp", "0".into()));
    let mut longer = hubspot_v3();
    longer.body.push(' ');
    let mut other_url = hubspot_v3();
    other_url.url.push('/');
    let cases = [
        Case { now_ms: late, ..hubspot_v3() },
        Case { now_ms: 1_693_657_560_000 - 300_001, ..hubspot_v3() },
        Case { secret: "other", ..hubspot_v3() },
        Case { secret: "", ..hubspot_v3() },
        Case { method: "GET", ..hubspot_v3() },
        longer,
        other_url,
        downgrade,
        hubspot_v3().set("x-hubspot-request-timestamp", "1693657560"),
        hubspot_v3().set("x-hubspot-request-timestamp", "+1693657560000"),
        hubspot_v3().set("x-hubspot-request-timestamp", "99999999999999999999"),
        hubspot_v3().without("x-hubspot-request-timestamp"),
        hubspot_v3().without("x-hubspot-signature-v3"),
        hubspot_v3().set("x-hubspot-signature-v3", ""),
        hubspot_old("v3", "POST", HUBSPOT_V1_BODY, weak),
        hubspot_old("v2", "POST", HUBSPOT_V1_BODY, weak),
        hubspot_old("v1", "POST", HUBSPOT_V1_BODY, &weak[..63]),
        Case { now_ms: 1_531_420_618_000 + 301_000, ..slack() },
        slack().set("x-slack-signature", SLACK_SIGNATURE.trim_start_matches("v0=")),
        slack().set("x-slack-request-timestamp", "1531420619"),
        slack().without("x-slack-signature"),
        Case { body: SLACK_BODY.replace("roadrunner", "coyote"), ..slack() },
        standard().set("webhook-id", "msg_other"),
        standard().set("webhook-signature", &STANDARD_SIGNATURE.replace("v1,", "v2,")),
        standard().set("webhook-signature", "v1,"),
        Case { secret: "whsec_", ..standard() },
        Case { secret: "not base 64!", ..standard() },
        Case { now_ms: 1_614_265_330_000 + 301_000, ..standard() },
        meta().set("x-hub-signature-256", "sha256="),
        Case { body: "{ }".into(), ..meta() },
        secret_url("https://x.example/hooks/y?s=long+secre"),
        secret_url("https://x.example/hooks/y?s="),
        secret_url("https://x.example/hooks/y"),
        secret_url("https://x.example/hooks/y#?s=wrong"),
    ];
    let words = bad_signature("").detail;
    for (index, case) in cases.iter().enumerate() {
        let error = case.run().expect_err(&format!("case {index} must be refused"));
        assert_eq!((error.code, error.detail), (Code::BadSignature, words.clone()), "case {index}");
    }
}

#[test]
fn several_offered_signatures_need_one_that_matches() {
    let both = format!("v1,AAAA {STANDARD_SIGNATURE}");
    assert!(standard().set("webhook-signature", &both).run().is_ok());
}

#[test]
fn what_we_send_is_what_the_rules_say() {
    let secrets = [SecretString::from(STANDARD_SECRET)];
    let at = Timestamp::from_secs(1_614_265_330);
    let body = br#"{"test": 2432232314}"#;
    let headers = sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body).unwrap();
    assert_eq!(headers.signature, STANDARD_SIGNATURE);
    assert_eq!(headers.timestamp, "1614265330");
    assert!(sign(&[], "m", at, body).is_err());
    assert!(sign(&[SecretString::from("whsec_AAAA")], "m", at, body).is_err(), "too short a key");
}

#[test]
fn fresh_secrets_sign() {
    struct Seven;
    impl connectus_core::env::Entropy for Seven {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }
    impl connectus_core::env::Clock for Seven {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }
    let env = connectus_core::Env::new(std::sync::Arc::new(Seven), std::sync::Arc::new(Seven));
    let secret = new_secret(&env);
    assert!(secret.expose_secret().starts_with("whsec_"));
    assert!(sign(&[secret], "m", Timestamp(0), b"").is_ok());
}

#[test]
fn a_challenge_is_echoed_only_to_whom_it_must() {
    let mut slack_triggers = triggers(&json!([{"kind": "slack_v0", "secret": "key"}]));
    slack_triggers.challenge = Some(connectus_core::provider::Challenge::SlackUrlVerification);
    let mut secrets = Secrets::new();
    secrets.set("key", SecretString::from(SLACK_SECRET));
    let body = br#"{"token":"x","challenge":"3eZbrw1aB1","type":"url_verification"}"#;
    let signed = hmac_sha256(SLACK_SECRET.as_bytes(), &[b"v0:1531420618:", body]);
    let now = Timestamp::from_secs(1_531_420_618);
    let ask = |signature: String, body: &[u8]| {
        let headers: HeaderMap = [
            ("x-slack-signature", signature),
            ("x-slack-request-timestamp", "1531420618".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
        let delivery = Delivery { method: "POST", url: "https://x/", headers: &headers, body };
        challenge(&slack_triggers, &secrets, delivery, now)
    };
    let reply = ask(format!("v0={}", hex::encode(signed)), body).unwrap().unwrap();
    assert_eq!((reply.body.as_str(), reply.content_type), ("3eZbrw1aB1", "text/plain"));
    assert_eq!(ask("v0=00".into(), body).unwrap_err().code, Code::BadSignature);
    assert_eq!(ask("v0=00".into(), br#"{"type":"event_callback"}"#).unwrap(), None);
}

#[test]
fn meta_s_handshake_needs_the_word_agreed_on() {
    let mut meta_triggers = triggers(&json!([{"kind": "meta_sha256", "secret": "key"}]));
    meta_triggers.challenge = Some(connectus_core::provider::Challenge::MetaHub);
    let mut secrets = Secrets::new();
    secrets.set("verify_token", SecretString::from("word"));
    let ask = |url: &str| {
        let delivery = Delivery { method: "GET", url, headers: &HeaderMap::new(), body: b"" };
        challenge(&meta_triggers, &secrets, delivery, Timestamp(0))
    };
    let good = "https://x/?hub.mode=subscribe&hub.verify_token=word&hub.challenge=12";
    assert_eq!(ask(good).unwrap().unwrap().body, "12");
    for bad in ["https://x/", &good.replace("word", "wor"), &good.replace("subscribe", "x")] {
        assert_eq!(ask(bad).unwrap_err().code, Code::BadSignature, "{bad}");
    }
}

#[test]
fn events_are_read_named_and_dated() {
    let triggers: Triggers = serde_json::from_value(json!({
        "signatures": [],
        "envelope": {
            "id": "eventId", "name": "subscriptionType", "object_id": "objectId",
            "occurred_at": "occurredAt", "occurred_unit": "milliseconds",
            "rename": [{"when": {"subscriptionType": "object.creation", "objectTypeId": "0-1"},
                "name": "contact.creation"}],
        },
        "events": [],
    }))
    .unwrap();
    let found = events(&triggers, HUBSPOT_V1_BODY.as_bytes()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), found[0].name.as_str()), ("1", "contact.creation"));
    assert_eq!(found[0].object_id.as_deref(), Some("123"));
    assert_eq!(found[0].occurred_at, Some(Timestamp::from_millis(1_564_113_600_000)));
    let generic = br#"{"eventId":"a","subscriptionType":"object.creation","objectTypeId":"0-1"}"#;
    assert_eq!(events(&triggers, generic).unwrap()[0].name, "contact.creation");
    for bad in [&b"3"[..], b"null", b"\xff", b"{}", br#"[{"eventId":1}]"#, br#"[1]"#, b""] {
        assert_eq!(events(&triggers, bad).unwrap_err().code, Code::BadRequest, "{bad:?}");
    }
}

#[test]
fn every_scheme_names_the_secret_it_needs() {
    let scheme = SignatureScheme::SlackV0 { secret: "signing_secret".into() };
    assert_eq!(scheme.secret(), "signing_secret");
    let headers: HeaderMap =
        [(HeaderName::from_static("x-slack-signature"), "v0=00".parse().unwrap())]
            .into_iter()
            .collect();
    let delivery = Delivery { method: "POST", url: "", headers: &headers, body: b"" };
    let triggers = triggers(&json!([{"kind": "slack_v0", "secret": "signing_secret"}]));
    let error = verify(&triggers, &Secrets::new(), delivery, Timestamp(0)).unwrap_err();
    assert_eq!(error.code, Code::BadSignature, "without a secret nothing verifies");
}

/// The signatures of the guide, among them the specification's own.
#[test]
fn the_guide_s_signatures_are_ours() {
    let guide = include_str!("../../../../docs/guides/webhooks.md");
    let examples: Vec<serde_json::Value> = guide
        .lines()
        .filter(|line| line.starts_with("{\"secret\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        let text = |name: &str| example[name].as_str().unwrap();
        let at = Timestamp::from_secs(example["timestamp"].as_i64().unwrap());
        let secrets = [SecretString::from(text("secret"))];
        let signed = sign(&secrets, text("id"), at, text("body").as_bytes()).unwrap();
        assert_eq!(signed.signature, text("signature"));
    }
}
