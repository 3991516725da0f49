//! What fuzzing begins with: our own definitions, examples and fixtures.

use std::{fs, path::Path};

use serde_json::Value;

/// The seeds of a target, from the checkout at `root`.
pub fn of(target: &str, root: &Path) -> Vec<Vec<u8>> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    match target {
        "definition" => definitions(&read),
        "expression" => expressions(&read),
        "schedule" => schedules(),
        "signature" => signatures(),
        "template" => templates(&read("crates/connect/tests/cdk/interpolation.cases.json")),
        _ => Vec::new(),
    }
}

/// The blocks of a language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.map(str::to_owned).collect()
}

fn definitions(read: &impl Fn(&str) -> String) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for block in blocks(&read("docs/guides/workflows.md"), "json") {
        found.push(match block.trim_start().starts_with('[') {
            true => format!(r#"{{"version": 1, "name": "t", "steps": {block}}}"#),
            false => block,
        });
    }
    found.push(read("crates/core/fixtures/workflow/definition-v1.json"));
    for line in read("crates/core/fixtures/workflow/refused.jsonl").lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        found.push(value.get("definition").unwrap_or(&value).to_string());
    }
    for name in ["ways", "people", "saga", "errors", "children", "cancel", "restart"] {
        let text = read(&format!("crates/core/fixtures/journal/histories/{name}.json"));
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        found.push(value["definition"].to_string());
    }
    found.into_iter().map(String::into_bytes).collect()
}

fn expressions(read: &impl Fn(&str) -> String) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let guide = blocks(&read("docs/guides/workflows.md"), "jsonl").join("\n");
    for line in guide.lines().chain(read("crates/core/fixtures/expr/hostile.jsonl").lines()) {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        for member in ["expression", "source"] {
            found.extend(value[member].as_str().map(|text| text.as_bytes().to_vec()));
        }
    }
    found
}

/// The texts of the cases that are compared with the reference.
fn templates(cases: &str) -> Vec<Vec<u8>> {
    let read: Value = serde_json::from_str(cases).unwrap_or_default();
    let cases = read["cases"].as_array().into_iter().flatten();
    let texts = cases.filter_map(|case| case["template"].as_str());
    texts.filter(|text| !text.is_empty()).map(|text| text.as_bytes().to_vec()).collect()
}

fn schedules() -> Vec<Vec<u8>> {
    let texts = [
        "hourly",
        "daily",
        "weekly",
        "real_time",
        "every 15m",
        "every 31d",
        "*/5 * * * *",
        "30 8 * * MON-FRI",
        "0 0 29 2 *",
        "0 0 L * *",
        "0 0 * * 5#2",
        "0 0 15W * *",
        "@daily",
        "0 2 * * SUN",
        "59 23 31 12 *",
        "0 0 1-7 * MON",
        "1,2,3 4-5/1 * JAN,FEB *",
        "0 0 31 2 *",
        ", 0 L * *",
    ];
    let zones =
        ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];
    let all = texts.iter().flat_map(|text| zones.iter().map(move |zone| (text, zone)));
    all.map(|(text, zone)| format!("{text}\n{zone}\n1774746000").into_bytes()).collect()
}

fn signatures() -> Vec<Vec<u8>> {
    let schemes = [
        (
            r#"{"kind": "hubspot_v3", "secret": "key"}"#,
            "x-hubspot-signature-v3:K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=\n\
          x-hubspot-request-timestamp:1531420618000",
        ),
        (
            r#"{"kind": "hubspot_v2", "secret": "key"}"#,
            "x-hubspot-signature:00\nx-hubspot-signature-version:v2",
        ),
        (r#"{"kind": "hubspot_v1", "secret": "key"}"#, "x-hubspot-signature:00"),
        (
            r#"{"kind": "slack_v0", "secret": "key"}"#,
            "x-slack-request-timestamp:1531420618\nx-slack-signature:v0=a2114d57\
             b48eac39b9ad189dd8316235\
          a7b4a8d21a10bd27519666489c69b503",
        ),
        (r#"{"kind": "meta_sha256", "secret": "key"}"#, "x-hub-signature-256:sha256=00"),
        (
            r#"{"kind": "standard_webhooks", "secret": "key"}"#,
            "webhook-id:msg_1\nwebhook-timestamp:1531420618\n\
          webhook-signature:v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,x",
        ),
        (
            r#"{"kind": "hmac", "secret": "key", "header": "x-sig", "prefix": "sha256="}"#,
            "x-sig:sha256=0000",
        ),
        (r#"{"kind": "secret_url", "secret": "key", "parameter": "token"}"#, "x:y"),
    ];
    let one = |(scheme, headers): (&str, &str)| {
        format!("{scheme}\nhttps://h.example/a%3Ab?token=x&c=d\n{headers}\n\n{{\"a\": 1}}")
    };
    schemes.into_iter().map(|pair| one(pair).into_bytes()).collect()
}
