//! Manifests read here and by the reference, the Python CDK, off the same small API: every record
//! and every last state must be equal. What the reference said is committed, so that the tests run
//! without Python; where `CONNECTUS_TEST_CDK` names a Python that has `airbyte-cdk`, the reference
//! is asked again, and what is committed must still be what it says. With `CONNECTUS_WRITE` set,
//! too, it is written anew.
//!
//! Two things differ on purpose. The reference drops members of a record that are null at its top;
//! here they are kept. And it counts the seconds a read took into `lookback_window`.

mod fake;
mod guarded;
mod hostile;
mod jwt;
mod packed;
mod reference;

use std::{fs, path::PathBuf};

use connectus_connect::manifest::{
    Messages, Selected, Source, Ways, load, protocol::states, support::report,
};
use serde_json::{Map, Value, json};

use crate::{server::Server, world};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/manifest").join(name)
}

/// One manifest, read from the beginning or from a state.
struct Case {
    manifest: &'static str,
    state: Option<&'static str>,
}

impl Case {
    fn expected(&self) -> PathBuf {
        let from = if self.state.is_some() { "from_state" } else { "from_start" };
        fixture(&format!("{}.{from}.json", self.manifest))
    }

    fn config(server: &Server) -> Value {
        let text = fs::read_to_string(fixture("config.json")).unwrap();
        serde_json::from_str(&text.replace("BASE", &server.url())).unwrap()
    }

    fn manifest(&self) -> String {
        fs::read_to_string(fixture(&format!("{}.yaml", self.manifest))).unwrap()
    }

    fn state(&self) -> Value {
        self.state.map_or_else(
            || json!([]),
            |state| serde_json::from_str(&fs::read_to_string(fixture(state)).unwrap()).unwrap(),
        )
    }
}

/// Messages as they are compared: records of each stream in the order of their text, last states.
fn summary(lines: &str, address: &str) -> Value {
    let (mut records, mut last) = (Map::new(), Map::new());
    let mut failed = Vec::new();
    for line in lines.lines().filter(|line| line.starts_with('{')) {
        let line = line.replace(address, "BASE");
        let message: Value = serde_json::from_str(&line).unwrap();
        match message["type"].as_str().unwrap() {
            "RECORD" => {
                let stream = message["record"]["stream"].as_str().unwrap().to_owned();
                let mut data = message["record"]["data"].clone();
                data.as_object_mut().unwrap().retain(|_, value| !value.is_null());
                let list = records.entry(stream).or_insert_with(|| json!([]));
                list.as_array_mut().unwrap().push(data);
            }
            "STATE" => {
                let stream = &message["state"]["stream"];
                let name = stream["stream_descriptor"]["name"].as_str().unwrap().to_owned();
                let mut state = stream["stream_state"].clone();
                if let Some(lookback) = state.get_mut("lookback_window") {
                    *lookback = json!("seconds");
                }
                if let Some(states) = state.get_mut("states").and_then(Value::as_array_mut) {
                    states.sort_by_key(Value::to_string);
                }
                last.insert(name, state);
            }
            "TRACE" if message["trace"]["stream_status"]["status"] == "INCOMPLETE" => {
                let trace = &message["trace"]["stream_status"];
                failed.push(trace["stream_descriptor"]["name"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }
    for list in records.values_mut() {
        list.as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    failed.iter().for_each(|name| drop(last.remove(name)));
    failed.sort();
    json!({"records": records, "states": last, "failed": failed})
}

async fn ours(case: &Case, server: &Server) -> String {
    let document = load(&case.manifest()).unwrap();
    let (env, _) = world::env();
    let ways = Ways::alone(world::client(&server.url()), env.clone());
    let source = Source::open(&document, Case::config(server), ways).unwrap();
    let source = source.with_dynamic(&document).await.unwrap();
    let streams: Vec<_> = source
        .streams()
        .iter()
        .map(|stream| Selected { name: stream.name.clone(), incremental: true })
        .collect();
    let mut out = Vec::new();
    let begin = states(&case.state()).unwrap();
    let _ = Messages::new(&mut out, env).read(&source, &streams, &begin).await;
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("canary"), "a secret was told: {text}");
    text
}

async fn equal(manifest: &'static str, state: Option<&'static str>) {
    let case = Case { manifest, state };
    if let Some(python) = std::env::var_os("CONNECTUS_TEST_CDK") {
        let server = fake::start().await;
        let said = reference::read(&python, &case, &server).await;
        let said = summary(&said, &server.url());
        if std::env::var_os("CONNECTUS_WRITE").is_some() {
            fs::write(case.expected(), format!("{said:#}\n")).unwrap();
        }
        let kept: Value =
            serde_json::from_str(&fs::read_to_string(case.expected()).unwrap()).unwrap();
        assert_eq!(said, kept, "the reference says something else now");
    } else {
        eprintln!("CONNECTUS_TEST_CDK is not set: compared with what the reference said before");
    }
    let server = fake::start().await;
    let said = summary(&ours(&case, &server).await, &server.url());
    let kept: Value = serde_json::from_str(&fs::read_to_string(case.expected()).unwrap()).unwrap();
    for part in ["records", "states", "failed"] {
        let (said, kept) = (&said[part], &kept[part]);
        if let (Some(said), Some(kept)) = (said.as_object(), kept.as_object()) {
            for name in said.keys().chain(kept.keys()) {
                let (ours, theirs) = (said.get(name), kept.get(name));
                assert_eq!(ours, theirs, "{part} of {manifest}/{name}");
            }
        }
        assert_eq!(said, kept, "{part} of {manifest}");
    }
}

macro_rules! cases {
    ($($name:ident = $manifest:literal, $state:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            equal($manifest, $state).await;
        })*
    };
}

cases! {
    pages_of_every_kind = "pages", None;
    changes_from_the_beginning = "changes", None;
    changes_from_a_state = "changes", Some("changes.state.json");
    partitions_from_the_beginning = "partitions", None;
    partitions_from_a_state = "partitions", Some("partitions.state.json");
    records_filtered_and_changed = "records", None;
    errors_retried_and_passed_over = "errors", None;
    bodies_of_requests = "bodies", None;
    ways_to_sign_in = "auth", None;
    answers_that_are_no_json = "decoders", None;
    numbers_that_grow = "counts", None;
    numbers_from_a_state = "counts", Some("counts.state.json");
    names_and_nesting = "shapes", None;
    partitions_in_groups_and_pages_of_parents = "groups", None;
    partitions_in_groups_from_a_state = "groups", Some("groups.state.json");
    fields_that_are_asked_for = "properties", None;
    streams_of_templates = "templates", None;
    streams_by_their_state = "delegating", None;
    streams_by_their_state_from_a_state = "delegating", Some("delegating.state.json");
    settings_of_old = "settings", None;
    jobs_that_take_their_time = "jobs", None;
    asking_within_a_budget = "budget", None;
}

#[test]
fn every_stream_of_the_fixtures_runs_here() {
    for entry in fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let report = report(&load(&fs::read_to_string(&path).unwrap()).unwrap());
            for stream in report.streams {
                assert!(stream.native, "{}: {stream:?}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn null_members_are_kept() {
    let case = Case { manifest: "pages", state: None };
    let server = fake::start().await;
    let lines = ours(&case, &server).await;
    assert!(lines.contains("\"note\":null"), "{lines}");
}
