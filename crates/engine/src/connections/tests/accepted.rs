//! What may be entered, and how the rest is refused: by field, never by value.

use connectus_connect::packs;
use connectus_core::{Code, Timestamp};
use connectus_store::credentials::CredentialState;

use super::{
    super::accept::{self, Accepted},
    *,
};

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn credential(provider: &str, fields: &Value) -> Result<Accepted> {
    let plan = packs::find(provider).unwrap();
    accept::credential(&plan.pack, &EgressPolicy::default(), &secrets(fields), NOW)
}

#[test]
fn fields_decide_the_method() {
    let active = CredentialState::Active;
    for (provider, fields, kind, state) in [
        ("hubspot", json!({"access_token": "t"}), "private_app", active),
        ("hubspot", json!({"access_token": "t", "client_secret": "s"}), "private_app", active),
        ("hubspot", json!({"access_token": "t", "client_id": "i"}), "private_app", active),
        ("hubspot", json!({"client_id": "i"}), "oauth2", CredentialState::Pending),
        ("hubspot", json!({"client_id": "i", "refresh_token": "r"}), "oauth2", active),
        ("slack", json!({"access_token": "xoxb"}), "bot_token", active),
        (
            "slack",
            json!({"webhook_url": "https://hooks.slack.com/services/T/B/X"}),
            "incoming_webhook",
            active,
        ),
        ("slack", json!({"signing_secret": "s"}), "signing", CredentialState::Pending),
    ] {
        let accepted = credential(provider, &fields).unwrap();
        assert_eq!((accepted.kind.as_str(), accepted.state), (kind, state), "{fields}");
    }
}

#[test]
fn a_pasted_refresh_token_is_used_at_once() {
    let fields = json!({"client_id": "i", "access_token": "a", "refresh_token": "r"});
    assert_eq!(credential("hubspot", &fields).unwrap().expires_at, Some(NOW));
    let fields = json!({"access_token": "a"});
    assert_eq!(credential("hubspot", &fields).unwrap().expires_at, None);
}

#[test]
fn what_is_wrong_is_said_by_field() {
    for (provider, fields, at) in [
        ("hubspot", json!({"api_key": "canary"}), "auth_credentials.api_key"),
        ("hubspot", json!({"access_token": "canary\n"}), "auth_credentials.access_token"),
        ("hubspot", json!({"access_token": " canary"}), "auth_credentials.access_token"),
        (
            "hubspot",
            json!({"client_secret": "canary", "refresh_token": "canary"}),
            "auth_credentials",
        ),
        (
            "slack",
            json!({"webhook_url": "http://169.254.169.254/canary"}),
            "auth_credentials.webhook_url",
        ),
        ("slack", json!({"webhook_url": "canary"}), "auth_credentials.webhook_url"),
    ] {
        let refused = credential(provider, &fields).unwrap_err();
        assert_eq!(refused.code, Code::Invalid, "{fields}");
        assert_eq!(refused.fields[0].field, at, "{fields}");
        assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
    }
}

#[test]
fn settings_are_known_plain_and_reachable() {
    let plan = packs::find("hubspot").unwrap();
    let check = |settings: Value| {
        let settings = settings.as_object().unwrap().clone();
        accept::settings(&plan.pack, &EgressPolicy::default(), &settings)
    };
    check(json!({})).unwrap();
    check(json!({"base_url": "https://eu.api.example.com", "contact_properties": "email"}))
        .unwrap();
    check(json!({"base_url": "https://stand-in.example.com", "rate_limits": "off"})).unwrap();
    for settings in [
        json!({"unknown": 1}),
        json!({"rate_limits": "off"}),
        json!({"base_url": "https://stand-in.example.com", "rate_limits": "on"}),
        json!({"base_url": "http://127.0.0.1:9"}),
        json!({"base_url": "https://10.0.0.1"}),
        json!({"base_url": "https://user:password@api.example.com"}),
        json!({"base_url": "ftp://api.example.com"}),
        json!({"base_url": 7, "unknown": 1}),
        json!({"contact_properties": ["email"]}),
        json!({"contact_properties": {"a": 1}}),
        json!({"contact_properties": ""}),
        json!({"contact_properties": "x".repeat(3000)}),
        json!({"contact_properties": "a\u{0}b"}),
    ] {
        let refused = check(settings.clone()).unwrap_err();
        assert_eq!(refused.code, Code::Invalid, "{settings}");
        assert!(refused.fields[0].field.starts_with("settings."), "{refused:?}");
    }
}

#[test]
fn required_settings_are_asked_for_where_the_sign_in_does_not_bring_them() {
    for plan in packs::all().unwrap() {
        let mut kept = plan.pack.oauth2().map(|oauth| oauth.token.keep.clone()).unwrap_or_default();
        let about = plan.pack.oauth2().and_then(|oauth| oauth.about.clone());
        kept.extend(about.map(|about| about.keep).unwrap_or_default());
        let missing: Vec<_> = plan
            .pack
            .provider
            .settings
            .iter()
            .filter(|one| one.required && one.default.is_none() && !kept.contains_key(&one.name))
            .collect();
        let checked = accept::settings(&plan.pack, &EgressPolicy::default(), &Map::new());
        assert_eq!(checked.is_ok(), missing.is_empty(), "{}", plan.pack.provider.name);
    }
}

#[test]
fn names_are_one_short_line() {
    assert_eq!(accept::name("  Our CRM ").unwrap(), "Our CRM");
    assert_eq!(accept::name(&"é".repeat(100)).unwrap().chars().count(), 100);
    for name in ["", "   ", "a\nb", &"x".repeat(101)] {
        assert_eq!(accept::name(name).unwrap_err().fields[0].field, "name", "{name:?}");
    }
}
