//! Messages, channels and the incoming webhook of the Slack fake.

use super::support::{bench, form, send};
use axum::{body::Body, http::Request, http::StatusCode};
use serde_json::{Value, json};

const POST: &str = "/api/chat.postMessage";

#[tokio::test]
async fn a_message_is_kept_whether_sent_as_json_or_form() {
    let bench = bench();
    let body = json!({"channel": "#new-leads", "text": "Awa <3", "blocks": [{"type": "divider"}]});
    let answer = bench.slack_call("POST", POST, Some(body)).await.json();
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["ts"], answer["message"]["ts"]);
    let pairs = [("token", "xoxb-sandbox-token"), ("channel", "C0SANDBOX02"), ("text", "by form")];
    assert_eq!(send(&bench.slack, form(POST, &pairs)).await.json()["ok"], true);
    let messages = bench.handle.messages();
    let seen: Vec<_> =
        messages.iter().map(|m| (m.channel_name.as_str(), m.text.as_str())).collect();
    assert_eq!(seen, [("new-leads", "Awa <3"), ("new-leads", "by form")]);
    assert!(messages[0].ts < messages[1].ts, "time stands still, ids do not");
}

#[tokio::test]
async fn refusals_are_one_word_with_status_200() {
    let bench = bench();
    let long = "x".repeat(40_001);
    for (body, word) in [
        (json!({"channel": "nowhere", "text": "x"}), "channel_not_found"),
        (json!({"channel": "closed-2024", "text": "x"}), "is_archived"),
        (json!({"channel": "board-only", "text": "x"}), "not_in_channel"),
        (json!({"channel": "general"}), "no_text"),
        (json!({"channel": "general", "text": long}), "msg_too_long"),
        (json!(["general"]), "json_not_object"),
    ] {
        let answer = bench.slack_call("POST", POST, Some(body)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json(), json!({"ok": false, "error": word}));
    }
    assert!(bench.handle.messages().is_empty());
    let unknown = bench.slack_call("GET", "/api/chat.fly", None).await.json();
    assert_eq!(unknown["error"], "unknown_method");
}

#[tokio::test]
async fn channels_and_people_page_to_an_empty_cursor() {
    let bench = bench();
    for (path, name, count) in
        [("/api/conversations.list", "channels", 24), ("/api/users.list", "members", 12)]
    {
        let (mut names, mut cursor) = (std::collections::BTreeSet::new(), String::new());
        loop {
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("limit", "5"), ("cursor", &cursor)])
                .finish();
            let page = bench.slack_call("GET", &format!("{path}?{query}"), None).await.json();
            let items = page[name].as_array().unwrap();
            assert!(items.len() <= 5);
            names.extend(items.iter().map(|item| item["name"].to_string()));
            cursor = page["response_metadata"]["next_cursor"].as_str().unwrap().to_owned();
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!(names.len(), count);
    }
    let bad = bench.slack_call("GET", "/api/users.list?cursor=zzz", None).await.json();
    assert_eq!(bad["error"], "invalid_cursor");
    let path = "/api/conversations.list?exclude_archived=true&limit=100";
    let open = bench.slack_call("GET", path, None).await.json();
    assert_eq!(open["channels"].as_array().unwrap().len(), 23);
    let bot = bench.slack_call("POST", "/api/auth.test", None).await.json();
    assert_eq!(bot["team"], "Sandbox");
}

#[tokio::test]
async fn the_incoming_webhook_answers_in_plain_words() {
    let bench = bench();
    let deliver = async |path: &str, body: &str| {
        let request = Request::post(path).body(Body::from(body.to_owned())).unwrap();
        let answer = send(&bench.slack, request).await;
        (answer.status.as_u16(), answer.text)
    };
    let path = bench.handle.keys().slack_webhook_path.clone();
    assert_eq!(deliver(&path, r#"{"text":"hello"}"#).await, (200, "ok".into()));
    assert_eq!(deliver(&path, "payload=%7B%22text%22%3A%22form%22%7D").await, (200, "ok".into()));
    assert_eq!(deliver(&path, "{}").await, (400, "no_text".into()));
    assert_eq!(deliver(&path, "{").await, (400, "invalid_payload".into()));
    assert_eq!(
        deliver(&path, r##"{"text":"x","channel":"#nope"}"##).await,
        (404, "channel_not_found".into())
    );
    assert_eq!(deliver("/services/T1/B1/x", r#"{"text":"x"}"#).await, (404, "no_service".into()));
    let texts: Vec<_> = bench.handle.messages().into_iter().map(|m| m.text).collect();
    assert_eq!(texts, ["hello", "form"]);
}

#[tokio::test]
async fn an_event_is_signed_over_its_own_bytes() {
    let bench = bench();
    let payload = json!({"type": "url_verification", "challenge": "abc"});
    let event = bench.handle.slack_event("http://127.0.0.1:1/hooks/slack", &payload);
    let header = |name: &str| event.headers.iter().find(|(n, _)| *n == name).unwrap().1.clone();
    assert_eq!(header("x-slack-request-timestamp"), "1790000000");
    assert!(
        header("x-slack-signature").starts_with("v0=") && header("x-slack-signature").len() == 67
    );
    assert_eq!(serde_json::from_str::<Value>(&event.body).unwrap(), payload);
}
