//! Providers that lead astray, and manifests that ask for what does not run here.

use std::sync::Arc;

use connectus_connect::{
    EgressPolicy, Guarded,
    manifest::{Messages, Selected, Source, Ways, load, support::report},
};
use serde_json::{Map, Value, json};

use crate::{
    server::{Answer, Server},
    world,
};

fn manifest(requester: &str, more: &str) -> String {
    format!(
        r#"
version: 6.0.0
type: DeclarativeSource
check: {{type: CheckStream, stream_names: [rows]}}
streams:
  - type: DeclarativeStream
    name: rows
    schema_loader: {{type: InlineSchemaLoader, schema: {{type: object, properties: {{}}}}}}
    retriever:
      type: SimpleRetriever
      requester: {{url_base: "{{{{ config['base'] }}}}", path: rows, {requester}}}
      record_selector: {{extractor: {{field_path: [data]}}}}
      {more}
spec:
  connection_specification:
    required: [base]
    properties: {{token: {{airbyte_secret: true}}}}
"#
    )
}

async fn read(text: &str, config: Value, addresses: &[&str]) -> Vec<Value> {
    let document = load(text).unwrap();
    let (env, _) = world::env();
    let hosts = addresses.iter().map(|url| url.trim_start_matches("http://"));
    let http = Guarded::new(EgressPolicy::allowing(hosts).unwrap());
    let source = Source::open(&document, config, Ways::alone(http, env.clone())).unwrap();
    let mut out = Vec::new();
    let streams = [Selected { name: "rows".into(), incremental: false }];
    let _ = Messages::new(&mut out, env).read(&source, &streams, &Map::new()).await;
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("canary"), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn error(messages: &[Value]) -> String {
    let error = |message: &&Value| message["trace"]["type"] == "ERROR";
    let found = messages.iter().find(error).unwrap_or_else(|| panic!("{messages:?}"));
    found["trace"]["error"]["message"].as_str().unwrap().to_owned()
}

const PAGES: &str = "paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, \
    inject_into: request_parameter, field_name: page}, pagination_strategy: {type: PageIncrement}}";
const NEXT: &str = "paginator: {type: DefaultPaginator, page_token_option: {type: RequestPath}, \
    pagination_strategy: {type: CursorPagination, cursor_value: \"{{ response.next }}\"}}";
const BEARER: &str =
    "authenticator: {type: BearerAuthenticator, api_token: \"{{ config['token'] }}\"}";

#[tokio::test]
async fn pages_that_never_end_are_ended() {
    let same = Server::start(|_, _| Answer::json(&json!({"data": [{"id": 1}]}))).await;
    let config = json!({"base": same.url()});
    let messages = read(&manifest("", PAGES), config, &[&same.url()]).await;
    assert!(error(&messages).contains("same page twice"), "{messages:?}");
    assert_eq!(same.requests().len(), 2);

    let circle = Server::start(|n, request| {
        let next = if request.target.ends_with("a") { "rows?b" } else { "rows?a" };
        Answer::json(&json!({"data": [{"id": n}], "next": next}))
    })
    .await;
    let config = json!({"base": circle.url()});
    let messages = read(&manifest("", NEXT), config, &[&circle.url()]).await;
    assert!(error(&messages).contains("circle"), "{messages:?}");
    assert!(circle.requests().len() < 10);
}

#[tokio::test]
async fn a_credential_goes_to_no_host_an_answer_names() {
    let other = Arc::new(Server::start(|_, _| Answer::json(&json!({"data": []}))).await);
    let away = other.url();
    let first = Server::start(move |n, _| match n {
        0 => Answer::json(&json!({"data": [{"id": 1}], "next": format!("{away}/rows?page=2")})),
        _ => Answer::status(500, ""),
    })
    .await;
    let config = json!({"base": first.url(), "token": "token-canary-7"});
    let urls = [first.url(), other.url()];
    read(&manifest(BEARER, NEXT), config, &[&urls[0], &urls[1]]).await;
    assert_eq!(first.requests()[0].header("authorization"), Some("Bearer token-canary-7"));
    assert_eq!(other.requests()[0].header("authorization"), None);

    let away = other.url();
    let moved = Server::start(move |_, _| {
        Answer::status(302, "").header("location", format!("{away}/moved"))
    })
    .await;
    let config = json!({"base": moved.url(), "token": "token-canary-7"});
    let urls = [moved.url(), other.url()];
    read(&manifest(BEARER, ""), config, &[&urls[0], &urls[1]]).await;
    let last = other.requests().pop().unwrap();
    assert_eq!((last.target.as_str(), last.header("authorization")), ("/moved", None));
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_an_error() {
    for body in ["<html>", r#"{"data": [{"id": 1}"#, r#"{"data": [7]}"#] {
        let server = Server::start(move |_, _| Answer::status(200, body)).await;
        let config = json!({"base": server.url()});
        let messages = read(&manifest("", ""), config, &[&server.url()]).await;
        assert!(!error(&messages).is_empty());
        assert!(!messages.iter().any(|message| message["type"] == "STATE"), "{messages:?}");
    }
}

#[tokio::test]
async fn what_a_provider_says_is_told_without_secrets() {
    let server = Server::start(|_, request| {
        let said = request.header("authorization").unwrap_or_default().to_owned();
        Answer::json(&json!({"message": format!("who is {said}?")})).with_status(401)
    })
    .await;
    let config = json!({"base": server.url(), "token": "token-canary-7"});
    let messages = read(&manifest(BEARER, ""), config, &[&server.url()]).await;
    assert!(error(&messages).contains("who is Bearer [redacted]?"), "{messages:?}");
}

#[tokio::test]
async fn addresses_off_the_internet_are_closed() {
    let server = Server::start(|_, _| Answer::json(&json!({"data": []}))).await;
    let messages = read(&manifest("", ""), json!({"base": server.url()}), &[]).await;
    assert!(error(&messages).contains("public internet"), "{messages:?}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn streams_are_gated_one_by_one() {
    let text = r##"
type: DeclarativeSource
check: {stream_names: [good]}
definitions:
  rows: {extractor: {field_path: []}}
  own: {extractor: {type: CustomRecordExtractor, class_name: source.components.Own}}
  way: {requester: {url_base: "https://api.example.com"}, record_selector: "#/definitions/rows"}
streams:
  - name: good
    retriever: {$ref: "#/definitions/way"}
    name: good
  - {name: typed, retriever: {$ref: "#/definitions/way", record_selector: "#/definitions/own"}}
  - {name: untyped, retriever: {$ref: "#/definitions/way", partition_router: {class_name: a.B}}}
  - {name: decoded, retriever: {$ref: "#/definitions/way", decoder: {type: YamlDecoder}}}
  - name: child
    retriever:
      $ref: "#/definitions/way"
      partition_router:
        type: SubstreamPartitionRouter
        parent_stream_configs:
          - type: ParentStreamConfig
            parent_key: id
            partition_field: parent
            stream:
              type: StateDelegatingStream
              name: parent
              full_refresh_stream: {name: parent, retriever: {$ref: "#/definitions/way"}}
              incremental_stream: {name: parent, retriever: {$ref: "#/definitions/way"}}
"##;
    let document = load(text).unwrap();
    let found = serde_json::to_value(report(&document)).unwrap();
    let streams = found["streams"].as_array().unwrap();
    let needs = |n: usize| (streams[n]["native"].clone(), streams[n]["needs"].clone());
    assert_eq!(needs(0), (json!(true), json!([])));
    let at = "streams/1/retriever/record_selector/extractor";
    let what = "CustomRecordExtractor source.components.Own";
    assert_eq!(needs(1), (json!(false), json!([{"what": what, "path": at}])));
    let at = "streams/2/retriever/partition_router";
    let what = "CustomPartitionRouter a.B";
    assert_eq!(needs(2), (json!(false), json!([{"what": what, "path": at}])));
    let at = "streams/3/retriever/decoder";
    assert_eq!(needs(3), (json!(false), json!([{"what": "YamlDecoder", "path": at}])));
    let what = "ParentStreamConfig.stream StateDelegatingStream";
    assert_eq!((&needs(4).0, &needs(4).1[0]["what"]), (&json!(false), &json!(what)));
    assert_eq!(found["warnings"], json!(["The key `name` is written twice; the last one counts."]));

    let http = Guarded::new(EgressPolicy::default());
    let source = Source::open(&document, json!({}), Ways::alone(http, world::env().0)).unwrap();
    let error = source.plan("typed").unwrap_err();
    assert!(error.detail.contains("source.components.Own"), "{}", error.detail);
    let listed = source.catalog().await.unwrap();
    assert_eq!(listed["streams"].as_array().unwrap().len(), 1);
}

#[test]
fn settings_that_lack_something_are_refused() {
    let document = load(&manifest("", "")).unwrap();
    let http = Guarded::new(EgressPolicy::default());
    let opened = Source::open(&document, json!({}), Ways::alone(http, world::env().0));
    let error = opened.err().unwrap();
    assert!(error.detail.contains("config.base"), "{}", error.detail);
}
