//! Who may call, how often, and the OAuth dance.

use super::support::{Answer, Bench, bench, bench_with, form, request, send};
use crate::Limits;
use axum::http::StatusCode;
use serde_json::{Value, json};

const LIST: &str = "/crm/v3/objects/contacts?limit=1";

#[tokio::test]
async fn a_call_without_a_good_token_is_refused_by_each_provider_in_its_way() {
    let bench = bench();
    for authorization in ["", "Bearer wrong", "Basic sandbox-hubspot-token"] {
        let answer = send(&bench.hubspot, request("GET", LIST, authorization, None, &[])).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["category"], "INVALID_AUTHENTICATION");
    }
    for (authorization, word) in [("", "not_authed"), ("Bearer xoxb-wrong", "invalid_auth")] {
        let request = request("POST", "/api/auth.test", authorization, None, &[]);
        let answer = send(&bench.slack, request).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json(), json!({"ok": false, "error": word}));
    }
}

#[tokio::test]
async fn the_window_announces_itself_refuses_and_opens_again() {
    let bench = bench_with(|config| config.limits.hubspot_per_ten_seconds = Some(3));
    for remaining in ["2", "1", "0"] {
        let answer = bench.get(LIST).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-hubspot-ratelimit-max"), "3");
        assert_eq!(answer.header("x-hubspot-ratelimit-remaining"), remaining);
        assert_eq!(answer.header("x-hubspot-ratelimit-interval-milliseconds"), "10000");
    }
    let refused = bench.get(LIST).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["policyName"], "TEN_SECONDLY_ROLLING");
    bench.clock.advance_millis(9_999);
    assert_eq!(bench.get(LIST).await.status, StatusCode::TOO_MANY_REQUESTS);
    bench.clock.advance_millis(1);
    assert_eq!(bench.get(LIST).await.status, StatusCode::OK);
}

#[tokio::test]
async fn searches_count_apart_and_without_headers() {
    let bench = bench_with(|config| config.limits.hubspot_per_ten_seconds = Some(1));
    let search = || bench.post("/crm/v3/objects/contacts/search", json!({}));
    for _ in 0..5 {
        let answer = search().await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-hubspot-ratelimit-max"), "");
    }
    let refused = search().await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["policyName"], "SECONDLY");
    assert_eq!(bench.get(LIST).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_private_app_has_a_daily_budget() {
    let bench = bench_with(|config| config.limits.hubspot_per_day = Some(2));
    for remaining in ["1", "0"] {
        let answer = bench.get(LIST).await;
        assert_eq!(answer.header("x-hubspot-ratelimit-daily"), "2");
        assert_eq!(answer.header("x-hubspot-ratelimit-daily-remaining"), remaining);
    }
    let refused = bench.get(LIST).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["policyName"], "DAILY");
    bench.clock.advance_millis(86_400_000);
    assert_eq!(bench.get(LIST).await.status, StatusCode::OK);
}

#[tokio::test]
async fn even_an_unknown_path_says_it_is_the_sandbox() {
    let bench = bench();
    for (router, path) in [(&bench.hubspot, "/nowhere"), (&bench.slack, "/nowhere")] {
        let answer = send(router, request("GET", path, "", None, &[])).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.header("x-connectus-sandbox"), "1");
    }
}

#[tokio::test]
async fn slack_says_when_to_come_back() {
    let bench = bench_with(|config| config.limits.slack_per_minute = Some(1));
    let post = |channel: &'static str| {
        let body = json!({"channel": channel, "text": "x"});
        bench.slack_call("POST", "/api/chat.postMessage", Some(body))
    };
    assert_eq!(post("general").await.json()["ok"], true);
    let refused = post("general").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(refused.json()["error"], "ratelimited");
    assert_eq!(post("random").await.json()["ok"], true);
    assert_eq!(bench.handle.messages().len(), 2);
}

// The pair of RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CALLBACK: &str = "http://127.0.0.1:8360/oauth/callback";

async fn authorize(bench: &Bench) -> String {
    let page = format!(
        "/oauth/authorize?client_id=sandbox-hubspot-client&redirect_uri={CALLBACK}&state=s1\
         &scope=crm.objects.contacts.read&code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    let consent = send(&bench.hubspot, request("GET", &page, "", None, &[])).await;
    assert!(consent.text.contains("Sandbox HubSpot") && consent.text.contains("Allow"));
    let allow = format!("{page}&allow=1");
    let back = send(&bench.hubspot, request("GET", &allow, "", None, &[])).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    let location = url::Url::parse(back.header("location")).unwrap();
    assert!(location.as_str().starts_with(CALLBACK));
    let pairs: std::collections::HashMap<_, _> = location.query_pairs().collect();
    assert_eq!(pairs["state"], "s1");
    pairs["code"].to_string()
}

async fn exchange(bench: &Bench, path: &str, code: &str, verifier: &str) -> Answer {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "sandbox-hubspot-client"),
        ("client_secret", "sandbox-hubspot-secret"),
        ("redirect_uri", CALLBACK),
        ("code", code),
        ("code_verifier", verifier),
    ];
    send(&bench.hubspot, form(path, &pairs)).await
}

async fn refresh(bench: &Bench, token: &str) -> Answer {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", "sandbox-hubspot-client"),
        ("client_secret", "sandbox-hubspot-secret"),
        ("refresh_token", token),
    ];
    send(&bench.hubspot, form("/oauth/v3/token", &pairs)).await
}

async fn list_with(bench: &Bench, token: &Value) -> Answer {
    let authorization = format!("Bearer {}", token.as_str().unwrap());
    send(&bench.hubspot, request("GET", LIST, &authorization, None, &[])).await
}

#[tokio::test]
async fn code_token_expiry_refresh() {
    let bench = bench();
    for path in ["/oauth/v1/token", "/oauth/v3/token"] {
        let code = authorize(&bench).await;
        let tokens = exchange(&bench, path, &code, VERIFIER).await.json();
        assert_eq!(tokens["expires_in"], 1_800);
        assert_eq!(list_with(&bench, &tokens["access_token"]).await.status, StatusCode::OK);
        let info = format!("/oauth/v1/access-tokens/{}", tokens["access_token"].as_str().unwrap());
        let info = send(&bench.hubspot, request("GET", &info, "", None, &[])).await.json();
        assert_eq!(info["scopes"], json!(["crm.objects.contacts.read"]));

        bench.clock.advance_millis(1_800_000);
        let expired = list_with(&bench, &tokens["access_token"]).await;
        assert_eq!(expired.status, StatusCode::UNAUTHORIZED);
        assert_eq!(expired.json()["category"], "EXPIRED_AUTHENTICATION");

        let renewed = refresh(&bench, tokens["refresh_token"].as_str().unwrap()).await.json();
        assert_eq!(renewed["refresh_token"], tokens["refresh_token"], "it does not rotate");
        assert_eq!(list_with(&bench, &renewed["access_token"]).await.status, StatusCode::OK);
        bench.handle.expire_tokens();
        let ended = list_with(&bench, &renewed["access_token"]).await;
        assert_eq!(ended.status, StatusCode::UNAUTHORIZED);
        bench.handle.revoke_grants();
        let revoked = refresh(&bench, tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(revoked.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_refresh_token_is_given_back_by_the_app_it_belongs_to() {
    let bench = bench();
    for path in ["/oauth/v3/token/revoke", "/oauth/2026-03/token/revoke"] {
        let code = authorize(&bench).await;
        let tokens = exchange(&bench, "/oauth/v3/token", &code, VERIFIER).await.json();
        let held = tokens["refresh_token"].as_str().unwrap();
        let revoke = async |secret: &str, token: &str| {
            let app = [("client_id", "sandbox-hubspot-client"), ("client_secret", secret)];
            let pairs = [app[0], app[1], ("token", token)];
            send(&bench.hubspot, form(path, &pairs)).await.status
        };
        assert_eq!(revoke("another app's", held).await, StatusCode::BAD_REQUEST);
        assert_eq!(revoke("sandbox-hubspot-secret", "").await, StatusCode::BAD_REQUEST);
        assert_eq!(refresh(&bench, held).await.status, StatusCode::OK);
        for _ in 0..2 {
            assert_eq!(revoke("sandbox-hubspot-secret", held).await, StatusCode::OK);
        }
        assert_eq!(refresh(&bench, held).await.status, StatusCode::BAD_REQUEST);
        let access = list_with(&bench, &tokens["access_token"]).await;
        assert_eq!(access.status, StatusCode::OK, "what was granted before lives on");
    }
}

#[tokio::test]
async fn a_code_is_refused_used_twice_late_or_without_its_verifier() {
    let bench = bench();
    let code = authorize(&bench).await;
    let wrong = exchange(&bench, "/oauth/v1/token", &code, "wrong").await;
    assert_eq!(wrong.json()["category"], "BAD_CODE_VERIFIER");
    let used = exchange(&bench, "/oauth/v1/token", &code, VERIFIER).await;
    assert_eq!(used.json()["category"], "BAD_AUTH_CODE");
    let code = authorize(&bench).await;
    bench.clock.advance_millis(601_000);
    let late = exchange(&bench, "/oauth/v1/token", &code, VERIFIER).await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST);
    let unknown_client = "/oauth/authorize?client_id=x&redirect_uri=http://a.example.com";
    let refused = send(&bench.hubspot, request("GET", unknown_client, "", None, &[])).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn slack_refresh_tokens_rotate_when_rotation_is_on() {
    let bench = bench_with(|config| {
        config.limits = Limits::NONE;
        config.slack_token_rotation = true;
        config.auto_approve = true;
    });
    let page = format!(
        "/oauth/v2/authorize?client_id=sandbox-slack-client&redirect_uri={CALLBACK}&state=s"
    );
    let back = send(&bench.slack, request("GET", &page, "", None, &[])).await;
    let location = url::Url::parse(back.header("location")).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let access = async |extra: &[(&str, &str)]| {
        let mut pairs = vec![
            ("client_id", "sandbox-slack-client"),
            ("client_secret", "sandbox-slack-secret"),
            ("redirect_uri", CALLBACK),
        ];
        pairs.extend_from_slice(extra);
        send(&bench.slack, form("/api/oauth.v2.access", &pairs)).await.json()
    };
    let first = access(&[("code", &code)]).await;
    assert_eq!((&first["ok"], &first["expires_in"]), (&json!(true), &json!(43_200)));
    let old = first["refresh_token"].as_str().unwrap();
    let renew = [("grant_type", "refresh_token"), ("refresh_token", old)];
    assert_eq!(access(&renew).await["ok"], true);
    assert_eq!(access(&renew).await, json!({"ok": false, "error": "invalid_refresh_token"}));
    assert_eq!(access(&[("code", &code)]).await["error"], "invalid_code");
}
