//! What a manifest must not do with settings, credentials and files.

use std::sync::Arc;

use connectus_connect::{
    EgressPolicy, Guarded,
    manifest::{Messages, Selected, Source, Ways, load, schema::Files},
};
use connectus_core::{Error, Result};
use serde_json::{Map, Value, json};

use crate::{
    server::{Answer, Server},
    world,
};

const JOBS: &str = r##"
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [rows]}
definitions:
  requester:
    type: HttpRequester
    url_base: "{{ config['base'] }}"
    authenticator: {type: BearerAuthenticator, api_token: "{{ config['token'] }}"}
streams:
  - type: DeclarativeStream
    name: rows
    schema_loader: {type: JsonFileSchemaLoader, file_path: "./source_x/schemas/rows.json"}
    retriever:
      type: AsyncRetriever
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
      status_mapping: {running: [working], completed: [done], failed: [broken], timeout: [late]}
      status_extractor: {type: DpathExtractor, field_path: [status]}
      download_target_extractor: {type: DpathExtractor, field_path: [files]}
      creation_requester: {$ref: "#/definitions/requester", path: jobs, http_method: POST}
      polling_requester: {$ref: "#/definitions/requester", path: "jobs/1"}
      download_requester:
        $ref: "#/definitions/requester"
        url_base: "{{ download_target }}"
      download_decoder: {type: JsonlDecoder}
spec:
  type: Spec
  connection_specification:
    type: object
    required: [base, token]
    properties:
      base: {type: string}
      token: {type: string, airbyte_secret: true, minLength: 5}
      size: {type: integer, maximum: 100}
"##;

fn ways(addresses: &[&str]) -> Ways {
    let hosts: Vec<&str> =
        addresses.iter().map(|address| address.trim_start_matches("http://")).collect();
    let http = Guarded::new(EgressPolicy::allowing(hosts).unwrap());
    Ways::alone(http, world::env().0)
}

async fn read(source: &Source) -> String {
    let mut out = Vec::new();
    let streams = [Selected { name: "rows".into(), incremental: false }];
    let _ = Messages::new(&mut out, world::env().0).read(source, &streams, &Map::new()).await;
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn a_job_that_is_fetched_elsewhere_is_fetched_without_the_credential() {
    let files = Server::start(|_, _| Answer::status(200, "{\"id\": 1}\n{\"id\": 2}\n")).await;
    let there = files.url();
    let jobs = Server::start(move |_, request| match request.method.as_str() {
        "POST" => Answer::json(&json!({"id": 1})),
        _ => Answer::json(&json!({"status": "done", "files": [format!("{there}/f")]})),
    })
    .await;
    let config = json!({"base": jobs.url(), "token": "token-canary-7"});
    let source = Source::open(&load(JOBS).unwrap(), config, ways(&[&jobs.url(), &files.url()]));
    let said = read(&source.unwrap()).await;
    assert_eq!(said.matches("\"RECORD\"").count(), 2, "{said}");
    assert!(jobs.requests().iter().all(|request| request.header("authorization").is_some()));
    assert_eq!(files.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_job_that_fails_is_begun_anew_and_then_given_up() {
    let jobs = Server::start(|_, request| match request.method.as_str() {
        "POST" => Answer::json(&json!({"id": 1})),
        _ => Answer::json(&json!({"status": "broken"})),
    })
    .await;
    let config = json!({"base": jobs.url(), "token": "token-canary-7"});
    let source = Source::open(&load(JOBS).unwrap(), config, ways(&[&jobs.url()])).unwrap();
    let said = read(&source).await;
    assert!(said.contains("failed to do a job"), "{said}");
    let begun = jobs.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(begun, 3);
}

#[test]
fn settings_that_do_not_fit_are_named_without_their_values() {
    let document = load(JOBS).unwrap();
    for (config, part) in [
        (json!({"base": "x"}), "config.token"),
        (json!({"base": "x", "token": 7_654_321}), "must be of type string, not number"),
        (json!({"base": "x", "token": "cana"}), "at least 5 characters"),
        (json!({"base": "x", "token": "token-canary-7", "size": 101}), "config.size"),
    ] {
        let error = Source::open(&document, config, ways(&[])).err().unwrap();
        assert!(error.detail.contains(part), "{}", error.detail);
        assert!(!error.detail.contains("cana") && !error.detail.contains("7654321"));
        assert_eq!(error.extra["failure_type"], "config_error");
    }
}

struct Beside;

impl Files for Beside {
    fn read(&self, path: &str) -> Result<Option<String>> {
        match path {
            "schemas/rows.json" => Ok(Some(json!({"type": "object", "x": 1}).to_string())),
            path if path.contains("..") => Err(Error::invalid("file_path", "leads out")),
            _ => Ok(None),
        }
    }
}

#[tokio::test]
async fn schemas_lie_beside_the_manifest() {
    let config = json!({"base": "https://api.example.com", "token": "token-canary-7"});
    let mut with = ways(&[]);
    let source = Source::open(&load(JOBS).unwrap(), config.clone(), with.clone()).unwrap();
    let schema = |catalog: &Value| catalog["streams"][0]["json_schema"].clone();
    let any = json!({"type": "object", "properties": {}});
    assert_eq!(schema(&source.catalog().await.unwrap()), any);
    with.files = Some(Arc::new(Beside));
    let source = Source::open(&load(JOBS).unwrap(), config.clone(), with.clone()).unwrap();
    assert_eq!(schema(&source.catalog().await.unwrap())["x"], 1);
    let out = JOBS.replace("./source_x/schemas/rows.json", "../../rows.json");
    let source = Source::open(&load(&out).unwrap(), config, with).unwrap();
    assert!(source.plan("rows").unwrap_err().detail.contains("leads out"));
}
