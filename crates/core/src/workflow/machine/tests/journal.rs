//! Journal payloads: stored ones stay readable, and are written the same again.

use serde_json::Value;

use super::driver::whole;
use crate::{
    payload::{BlobName, Parked},
    workflow::{Entry, Event, Interp},
};

const V1: &str = include_str!("../../../../fixtures/journal/v1.jsonl");
const V2: &str = include_str!("../../../../fixtures/journal/v2.jsonl");
const HISTORY: &str = include_str!("../../../../fixtures/journal/history-v1.jsonl");
const DEFINITION: &str = include_str!("../../../../fixtures/workflow/definition-v1.json");

#[test]
fn stored_entries_stay_readable_and_are_written_the_same() {
    let mut seen = std::collections::BTreeSet::new();
    for line in V1.lines() {
        let entry = Entry::from_json(line).unwrap_or_else(|e| panic!("{line}: {:?}", e.cause));
        let (written, stored): (Value, Value) =
            (serde_json::from_str(&entry.to_json()).unwrap(), serde_json::from_str(line).unwrap());
        assert_eq!(written, stored);
        assert_eq!(Entry::from_json(&entry.to_json()).unwrap(), entry);
        // A new kind of event does not compile here until it has its line in the fixture.
        seen.insert(match entry.event {
            Event::Started { .. } => 0,
            Event::Done { .. } => 1,
            Event::Failed { .. } => 2,
            Event::Fired { .. } => 3,
            Event::Signalled { .. } => 4,
            Event::ChildDone { .. } => 5,
            Event::CancelRequested { .. } => 6,
            Event::Resumed {} => 7,
        });
    }
    assert_eq!(seen, (0..=7).collect());
}

#[test]
fn entries_without_their_payload_stay_readable_and_get_it_back_byte_for_byte() {
    let payload = r#"{"id": "7",  "n":1.50,"text":"é\u0041","v":2}"#;
    for line in V2.lines() {
        let parked = Entry::parked(line).unwrap().unwrap();
        assert_eq!(parked.blob.day(), "2026-06-12");
        assert!(parked.bytes > 65_536);
        assert_eq!(Entry::payload(line), None, "{line}");
        assert!(Entry::from_json(line).is_err(), "it lacks what it is about: {line}");
        let shown = Entry::shown(line).unwrap().to_json();
        assert!(shown.contains(r#"{"parked":{"blob":"2026-06-12."#), "{shown}");
        let whole = Entry::unpark(line, payload).unwrap();
        assert!(whole.contains(payload), "{whole}");
        Entry::from_json(&whole).unwrap();
        assert_eq!(Entry::payload(&whole), Some(payload));
        assert_eq!(Entry::park(&whole, &parked).as_deref(), Some(line));
        assert_eq!(Entry::parked(&whole).unwrap(), None);
    }
}

#[test]
fn every_payload_can_be_parked_and_nothing_else() {
    let hash = "0123456789abcdef".repeat(4);
    let parked = Parked { blob: BlobName::new("2026-06-12", &hash).unwrap(), bytes: 1 };
    let (mut with, mut without) = (0, 0);
    for line in V1.lines() {
        let entry = Entry::from_json(line).unwrap();
        let Some(payload) = Entry::payload(line) else {
            without += 1;
            let carries = matches!(&entry.event, Event::Done { output: value, .. }
                | Event::Signalled { value, .. } if !value.is_null());
            assert!(!carries, "{line}");
            assert_eq!(Entry::park(line, &parked), None);
            continue;
        };
        with += 1;
        let without = Entry::park(line, &parked).unwrap();
        assert_eq!(Entry::parked(&without).unwrap().as_ref(), Some(&parked));
        assert_eq!(Entry::unpark(&without, payload).unwrap(), line);
    }
    assert!(with >= 3 && without >= 4, "{with} with, {without} without");
}

#[test]
fn a_line_that_says_it_lacks_its_payload_and_has_no_reference_is_refused() {
    for line in [
        r#"{"v":2,"at":"2026-06-12T03:22:47Z","type":"fired","id":"a"}"#,
        r#"{"v":2,"at":"2026-06-12T03:22:47Z","type":"done","id":"a","output":7}"#,
        r#"{"v":2,"at":"2026-06-12T03:22:47Z","type":"done","id":"a","output":{"blob":"x"}}"#,
        r#"{"v":2,"#,
    ] {
        assert!(Entry::parked(line).is_err(), "{line}");
        assert!(Entry::shown(line).is_err(), "{line}");
    }
}

#[test]
fn entries_of_the_future_and_broken_ones_are_refused() {
    for text in [
        r#"{"v":2,"at":"2026-06-12T03:22:47Z","type":"started","seed":1}"#,
        r#"{"v":3,"at":"2026-06-12T03:22:47Z","type":"started","seed":1}"#,
        r#"{"v":1,"at":"2026-06-12T03:22:47Z","type":"rewound"}"#,
        r#"{"at":"2026-06-12T03:22:47Z","type":"started","seed":1}"#,
        "{",
        "",
    ] {
        assert_eq!(Entry::from_json(text).unwrap_err().code, crate::Code::Internal, "{text}");
    }
}

/// A recorded run of the definition that uses everything: what the machine answered to each event
/// when version 1 was new. If this fails, the change needs a new `INTERP_VERSION`, with the old
/// behaviour kept beside it for the runs that began on it.
#[test]
fn a_run_recorded_by_version_1_replays_to_the_same_commands() {
    let program = whole(&serde_json::from_str(DEFINITION).unwrap());
    let mut lines = HISTORY.lines();
    let input = serde_json::from_str(lines.next().unwrap()).unwrap();
    let mut run = Interp::of_version(1, program, input);
    for line in lines {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let entry = Entry::from_json(&recorded["entry"].to_string()).unwrap();
        let commands = serde_json::to_value(run.replay(entry)).unwrap();
        assert_eq!(commands, recorded["commands"], "after {}", recorded["entry"]);
    }
    assert!(run.is_over());
}
