//! Asks the reference: the Python CDK in a process of its own.

use std::{ffi::OsStr, fs};

use connectus_connect::manifest::{document::Component, dynamic::listed};
use serde_json::{Value, json};
use tokio::process::Command;

use super::Case;
use crate::server::Server;

const RUN: &str = "from airbyte_cdk.cli.source_declarative_manifest import run; run()";

/// What the reference says to a case.
pub async fn read(python: &OsStr, case: &Case, server: &Server) -> String {
    let folder = std::env::temp_dir().join(format!(
        "connectus-reference-{}-{}-{}",
        std::process::id(),
        case.manifest,
        case.state.is_some(),
    ));
    fs::create_dir_all(&folder).unwrap();
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let manifest = put("manifest.yaml", case.manifest());
    let config = put("config.json", Case::config(server).to_string());
    let state = put("state.json", case.state().to_string());
    let catalog = put("catalog.json", catalog(&case.manifest()).to_string());
    let output = Command::new(python)
        .args(["-c", RUN, "read", "--config"])
        .arg(&config)
        .arg("--catalog")
        .arg(&catalog)
        .arg("--manifest-path")
        .arg(&manifest)
        .arg("--state")
        .arg(&state)
        .output()
        .await
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\"RECORD\""), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// All streams, by changes where they can.
fn catalog(manifest: &str) -> Value {
    let document = connectus_connect::manifest::load(manifest).unwrap();
    let named = |stream: &Component| {
        let changes =
            stream.node("incremental_sync").is_some() || stream.kind() == "StateDelegatingStream";
        entry(&stream.text("name").unwrap(), changes)
    };
    let streams = listed(&document.root, None).unwrap();
    let mut streams: Vec<_> = streams.iter().map(named).collect();
    // Streams of templates are named by the fixture.
    let dynamic = document.root.components("dynamic_streams").unwrap();
    for names in dynamic.iter().filter_map(|dynamic| dynamic.text("name")) {
        streams.extend(names.split(' ').map(|name| entry(name, false)));
    }
    json!({"streams": streams})
}

fn entry(name: &str, changes: bool) -> Value {
    let modes: &[&str] = if changes { &["full_refresh", "incremental"] } else { &["full_refresh"] };
    json!({
        "stream": {"name": name, "json_schema": {}, "supported_sync_modes": modes},
        "sync_mode": modes[modes.len() - 1],
        "destination_sync_mode": "append",
    })
}
