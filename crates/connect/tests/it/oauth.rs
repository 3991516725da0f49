//! The token wire against a scripted server.

use connectus_connect::{
    oauth::{self, OAuthClient, Pkce},
    packs,
};
use connectus_core::{Code, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{
    server::{Answer, Server},
    world::{client, env, secrets, settings},
};

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

fn app() -> OAuthClient {
    OAuthClient {
        client_id: "app id".into(),
        client_secret: Some(SecretString::from("app-secret")),
        redirect_uri: "https://connectus.example/oauth/callback".into(),
    }
}

fn form(body: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

#[test]
fn pkce_is_s256_as_rfc_7636_shows_it() {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let pkce = Pkce::of(SecretString::from(verifier));
    assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn the_authorize_url_says_who_asks_for_what() {
    let (env, _) = env();
    let (plan, pkce) = (packs::find("hubspot").unwrap(), Pkce::new(&env));
    let state = oauth::new_state(&env);
    let http = client("http://127.0.0.1:9");
    let none = connectus_connect::Settings::default();
    let url = oauth::authorize_url(&http, &plan, &none, &app(), &state, &pkce).unwrap();
    assert!(url.starts_with("https://app.hubspot.com/oauth/authorize?"), "{url}");
    let query = form(url.split_once('?').unwrap().1);
    let find = |name: &str| query.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert_eq!(find("client_id"), "app id");
    assert_eq!(find("code_challenge"), pkce.challenge);
    assert_eq!(find("code_challenge_method"), "S256");
    assert_eq!(find("state"), state.expose_secret());
    assert!(find("scope").contains("crm.objects.contacts.read crm.objects.contacts.write"));
    assert!(!url.contains("app-secret") && !url.contains(pkce.verifier.expose_secret()));
    // With a stand-in, the person is sent to the stand-in.
    let moved = settings("http://127.0.0.1:9");
    let url = oauth::authorize_url(&http, &plan, &moved, &app(), &state, &pkce).unwrap();
    assert!(url.starts_with("http://127.0.0.1:9/oauth/authorize?"), "{url}");
}

#[tokio::test]
async fn a_code_and_then_a_refresh_token_become_tokens() {
    let server = Server::start(|n, _| {
        let refresh = (n == 0).then_some("refresh-1");
        Answer::json(&json!({"access_token": format!("access-{n}"), "expires_in": 1800,
            "refresh_token": refresh, "token_type": "bearer"}))
    })
    .await;
    let base = server.url();
    let (http, plan, moved) = (client(&base), packs::find("hubspot").unwrap(), settings(&base));
    let (code, pkce) = (SecretString::from("the code"), Pkce::of(SecretString::from("v")));
    let tokens =
        oauth::exchange_code(&http, &plan, &moved, &app(), &code, &pkce, NOW).await.unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "access-0");
    assert_eq!(tokens.expires_at, Some(NOW.plus_secs(1_800)));
    let mut stored = secrets(&[("client_id", "app id")]);
    tokens.store_in(&mut stored);
    assert!(!oauth::is_due(&plan, tokens.expires_at, NOW.plus_secs(1_499)));
    assert!(oauth::is_due(&plan, tokens.expires_at, NOW.plus_secs(1_500)));

    let spend = oauth::refresh_input(&plan, &stored).unwrap();
    let renewed = oauth::refresh(&http, &plan, &moved, &app(), spend, NOW).await.unwrap();
    assert!(renewed.refresh_token.is_none(), "the old one stays");
    renewed.store_in(&mut stored);
    assert_eq!(stored.get("access_token").unwrap().expose_secret(), "access-1");
    assert_eq!(stored.get("refresh_token").unwrap().expose_secret(), "refresh-1");

    let seen = server.requests();
    assert_eq!(seen[0].target, "/oauth/v3/token");
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "the code"),
        ("redirect_uri", "https://connectus.example/oauth/callback"),
        ("code_verifier", "v"),
        ("client_id", "app id"),
        ("client_secret", "app-secret"),
    ];
    let expected: Vec<_> = expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    assert_eq!(form(&seen[0].body), expected);
    assert!(form(&seen[1].body).contains(&("refresh_token".into(), "refresh-1".into())));
}

#[tokio::test]
async fn odd_shapes_are_read_as_their_providers_mean_them() {
    // Mailchimp: never expires, no scope. Slack: nested team, ok flag. Meta: sixty days.
    for (pack, body, lifetime, kept) in [
        (
            "mailchimp",
            json!({"access_token": "a", "expires_in": 0, "scope": null, "dc": "us6"}),
            None,
            1,
        ),
        ("slack", json!({"ok": true, "access_token": "a", "team": {"id": "T1"}}), None, 1),
        (
            "slack",
            json!({"ok": true, "access_token": "a", "expires_in": 43200,
            "refresh_token": "r"}),
            Some(43_200),
            0,
        ),
        ("facebook_ads", json!({"access_token": "a", "expires_in": 5_183_944}), Some(5_183_944), 0),
        ("google_ads", json!({"access_token": "a", "expires_in": "3599"}), Some(3_599), 0),
        ("salesforce", json!({"access_token": "a", "instance_url": "https://x"}), Some(7_200), 1),
        ("hubspot", json!({"access_token": "a", "expires_in": 1e300}), Some(316_224_000), 0),
    ] {
        let server = Server::start(move |_, _| Answer::json(&body)).await;
        let base = server.url();
        let plan = packs::find(pack).unwrap();
        let (code, pkce) = (SecretString::from("c"), Pkce::of(SecretString::from("v")));
        let tokens = oauth::exchange_code(
            &client(&base),
            &plan,
            &settings(&base),
            &app(),
            &code,
            &pkce,
            NOW,
        )
        .await
        .unwrap();
        let expected = lifetime.map(|secs| NOW.plus_secs(secs));
        assert_eq!((tokens.expires_at, tokens.settings.len()), (expected, kept), "{pack}");
    }
}

#[tokio::test]
async fn a_refused_token_says_whose_turn_it_is() {
    use Code::{ProviderRefused, ProviderUnavailable, RateLimited, ReauthRequired};
    for (pack, status, body, code) in [
        ("hubspot", 400, json!({"status": "BAD_REFRESH_TOKEN"}), ReauthRequired),
        ("hubspot", 400, json!({"error": "invalid_grant"}), ReauthRequired),
        ("hubspot", 401, json!({"error": "invalid_client"}), ProviderRefused),
        ("hubspot", 503, json!({}), ProviderUnavailable),
        ("hubspot", 429, json!({}), RateLimited),
        ("hubspot", 302, json!({}), ProviderRefused),
        ("hubspot", 200, json!({"nothing": 1}), ProviderRefused),
        ("slack", 200, json!({"ok": false, "error": "invalid_refresh_token"}), ReauthRequired),
        ("slack", 200, json!({"ok": false, "error": "internal_error"}), ProviderUnavailable),
        ("slack", 200, json!({"ok": false, "error": "bad_client_secret"}), ProviderRefused),
    ] {
        let answer = Answer { status, ..Answer::json(&body) };
        let server = Server::start(move |_, _| answer.clone()).await;
        let base = server.url();
        let (plan, token) = (packs::find(pack).unwrap(), SecretString::from("refresh-canary"));
        let error = oauth::refresh(&client(&base), &plan, &settings(&base), &app(), &token, NOW)
            .await
            .unwrap_err();
        assert_eq!(error.code, code, "{pack} {status} {body}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn tokens_are_given_back_where_one_can() {
    let server = Server::start(|_, _| Answer::json(&json!({"ok": true}))).await;
    let base = server.url();
    let held = secrets(&[("access_token", "a/b"), ("refresh_token", "r/s")]);
    let http = client(&base);
    let revoke = async |pack: &str| {
        let plan = packs::find(pack).unwrap();
        oauth::revoke(&http, &plan, &settings(&base), &app(), &held).await
    };
    assert!(revoke("hubspot").await.unwrap());
    assert!(revoke("slack").await.unwrap());
    assert!(revoke("google_ads").await.unwrap());
    assert!(!revoke("mailchimp").await.unwrap(), "Mailchimp has no address for it");
    assert!(!revoke("zapier").await.unwrap());
    let seen = server.requests();
    assert_eq!(seen.len(), 3);
    assert_eq!((&*seen[0].method, &*seen[0].target), ("POST", "/oauth/v3/token/revoke"));
    let expected = [("token", "r/s"), ("client_id", "app id"), ("client_secret", "app-secret")];
    assert_eq!(form(&seen[0].body), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(seen[1].header("authorization"), Some("Bearer a/b"));
    assert!(form(&seen[2].body).contains(&("token".into(), "r/s".into())));
}

#[tokio::test]
async fn a_token_that_was_not_taken_back_is_not_called_revoked() {
    use Code::{ProviderRefused, ProviderUnavailable, RateLimited, ReauthRequired};
    for (pack, status, body, outcome) in [
        ("hubspot", 204, json!(null), Ok(true)),
        ("hubspot", 400, json!({"error": "invalid_token"}), Ok(true)),
        ("hubspot", 404, json!({}), Ok(false)),
        ("hubspot", 401, json!({"error": "invalid_client"}), Err(ProviderRefused)),
        ("hubspot", 400, json!({"error": "invalid_request"}), Err(ReauthRequired)),
        ("hubspot", 429, json!({}), Err(RateLimited)),
        ("hubspot", 503, json!({}), Err(ProviderUnavailable)),
        ("slack", 200, json!({"ok": false, "error": "token_revoked"}), Ok(true)),
        ("slack", 200, json!({"ok": false, "error": "fatal_error"}), Err(ProviderUnavailable)),
        ("slack", 200, json!("gone"), Err(ReauthRequired)),
    ] {
        let answer = Answer { status, ..Answer::json(&body) };
        let server = Server::start(move |_, _| answer.clone()).await;
        let (base, plan) = (server.url(), packs::find(pack).unwrap());
        let held = secrets(&[("access_token", "a"), ("refresh_token", "r")]);
        let told = oauth::revoke(&client(&base), &plan, &settings(&base), &app(), &held).await;
        assert_eq!(told.map_err(|error| error.code), outcome, "{pack} {status} {body}");
    }
}
