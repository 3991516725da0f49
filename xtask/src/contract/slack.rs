//! What our Slack pack sends, in good and in bad.

use serde_json::{Value, json};

use super::exchange::{Exchange, Unjudged, Verdict};
use crate::{
    command::Outcome,
    sandbox::{CALLBACK, SandboxProcess},
};

/// Parts of the fake without a specification.
pub const UNJUDGED: &[Unjudged] = &[
    Unjudged {
        what: "Slack incoming webhooks (/services/...)",
        reason: "not part of the Web API's specification; they answer in plain text",
    },
    Unjudged {
        what: "Slack oauth.v2.access over POST, and token rotation",
        reason: "the specification of 2021 lists GET only and answers of any shape",
    },
    Unjudged {
        what: "Slack event signatures",
        reason: "deliveries are not part of the specification; a documented vector is tested",
    },
];

const TOKEN: &str = "xoxb-sandbox-token";
const CLIENT: &str = "sandbox-slack-client";

/// The specification wants the token as a header, a parameter, or both; Slack wants the bearer.
fn call(name: &str, method: &'static str, target: &str) -> Exchange {
    with_token(name, method, target, TOKEN)
}

fn with_token(name: &str, method: &'static str, target: &str, token: &str) -> Exchange {
    Exchange::new(format!("Slack {name}"), method, target.into())
        .header("authorization", &format!("Bearer {token}"))
        .header("token", token)
}

fn message(name: &str, channel: &str, text: &str) -> Exchange {
    call(name, "POST", "/chat.postMessage").form(&[("channel", channel), ("text", text)])
}

/// Exchanges that Slack answers with `ok: true`.
pub fn successes(sandbox: &SandboxProcess) -> Outcome<Vec<Exchange>> {
    let code = sandbox.authorization_code(&sandbox.slack, "/oauth/v2/authorize", CLIENT)?;
    let access = format!(
        "/oauth.v2.access?client_id={CLIENT}&client_secret=sandbox-slack-secret\
         &redirect_uri={CALLBACK}&code={code}"
    );
    let as_json = call("a message as JSON", "POST", "/chat.postMessage")
        .json(&json!({"channel": "general", "text": "x"}));
    let blocks = json!([{"type": "divider"}]).to_string();
    Ok(vec![
        call("api.test", "GET", "/api.test"),
        call("auth.test", "GET", "/auth.test"),
        call("team.info", "GET", "/team.info?token=x"),
        call("channels, first page", "GET", "/conversations.list?limit=20"),
        call("channels, last page", "GET", "/conversations.list?limit=20&cursor=bmV4dDoyMA=="),
        call("open channels", "GET", "/conversations.list?exclude_archived=true&limit=100"),
        call("one channel", "GET", "/conversations.info?channel=C0SANDBOX00"),
        call("people", "GET", "/users.list?limit=5"),
        message("a message", "C0SANDBOX02", "New lead: Awa & co <3"),
        call("a message of blocks", "POST", "/chat.postMessage").form(&[
            ("channel", "#general"),
            ("blocks", &blocks),
            ("thread_ts", "1700000000.000001"),
        ]),
        as_json.judged(Verdict::Gap {
            place: "request",
            reason: "the specification lists forms only; JSON bodies are documented since",
        }),
        call("a code for a token", "GET", &access),
        message("an answer without its time stamp", "general", "x")
            .after(drift("ts"))
            .judged(Verdict::Caught),
        call("channels without names", "GET", "/conversations.list?limit=2")
            .after(drift("name"))
            .judged(Verdict::Caught),
        call("people without ids", "GET", "/users.list?limit=2")
            .after(drift("profile"))
            .judged(Verdict::Caught),
    ])
}

fn drift(from: &str) -> Value {
    json!({"path_prefix": "/api/", "kind": {"name": "schema_drift", "from": from, "to": null}})
}

/// Exchanges that Slack answers with `ok: false`.
pub fn refusals() -> Vec<Exchange> {
    let fault = |kind: Value| json!({"path_prefix": "/api/", "kind": kind});
    let long = "x".repeat(40_001);
    let newer_word = |reason| Verdict::Gap { place: "response.body.error", reason };
    vec![
        with_token("auth.test with a wrong token", "GET", "/auth.test", "xoxb-wrong"),
        with_token("channels with a wrong token", "GET", "/conversations.list", "xoxb-wrong"),
        message("no such channel", "nowhere", "x"),
        message("an archived channel", "closed-2024", "x"),
        message("a channel without us", "board-only", "x"),
        message("no text", "general", ""),
        message("too long a text", "general", &long),
        call("no such channel to read", "GET", "/conversations.info?channel=C0NOSUCH00"),
        call("a broken cursor", "GET", "/users.list?cursor=zzz"),
        call("a made-up code", "GET", "/oauth.v2.access?code=x&client_id=sandbox-slack-client"),
        call("an expired token", "GET", "/auth.test")
            .after(fault(json!({"name": "expired_token"})))
            .judged(newer_word("token_expired came with token rotation, after 2021")),
        call("the rate limit", "GET", "/auth.test")
            .after(fault(json!({"name": "status429", "retry_after": 30})))
            .answers(429)
            .judged(newer_word("`ratelimited` is documented for all methods, listed for none")),
        message("a refusal without its word", "nowhere", "x")
            .after(drift("error"))
            .judged(Verdict::Caught),
    ]
}
