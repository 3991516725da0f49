//! Recorded histories of this release: they stay readable and keep giving the same commands.
//!
//! Each file holds a definition, an input and entries, each with the commands it got. A new file is
//! written without `commands` and recorded with `CONNECTUS_RECORD=1`; what is recorded is never
//! recorded again.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use serde_json::{Value, json};

use super::driver::whole;
use crate::workflow::{
    ChildOutcome, Entry, Event, Fate, Interp, Kind, Step, machine::rehearsal::Rehearsal,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/journal/histories")
}

fn files() -> Vec<(PathBuf, Value)> {
    let listed = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<(PathBuf, Value)> = listed
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let value = serde_json::from_str(&text);
            (path.clone(), value.unwrap_or_else(|e| panic!("{}: {e}", path.display())))
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// The machine's version that recorded a history: the first one did not say.
fn version(history: &Value) -> u32 {
    let version = history.get("interp").and_then(Value::as_u64).unwrap_or(1);
    let version = u32::try_from(version).unwrap();
    assert!(Interp::speaks(version));
    version
}

fn event_kind(event: &Event) -> &'static str {
    match event {
        Event::Started { .. } => "started",
        Event::Done { .. } => "done",
        Event::Failed { .. } => "failed",
        Event::Fired { .. } => "fired",
        Event::Signalled { .. } => "signalled",
        Event::ChildDone { result: ChildOutcome::Output(_), .. } => "child done",
        Event::ChildDone { result: ChildOutcome::Error(_), .. } => "child failed",
        Event::CancelRequested { .. } => "cancel requested",
        Event::Resumed {} => "resumed",
    }
}

#[test]
fn histories_of_this_release_replay_to_the_same_commands() {
    let record = std::env::var_os("CONNECTUS_RECORD").is_some();
    for (path, mut history) in files() {
        let program = whole(&history["definition"]);
        let mut run = Interp::of_version(version(&history), program, history["input"].clone());
        let mut fresh = false;
        for entry in history["entries"].as_array_mut().unwrap() {
            let learnt = Entry::from_json(&entry["entry"].to_string()).unwrap();
            let commands = serde_json::to_value(run.replay(learnt)).unwrap();
            match entry.get("commands") {
                Some(recorded) => assert_eq!(&commands, recorded, "{}: {entry}", path.display()),
                None if record => fresh = true,
                None => panic!("{}: not recorded; see above how", path.display()),
            }
            entry["commands"] = commands;
        }
        assert!(run.is_over(), "{}: {:?}", path.display(), run.pending());
        if fresh {
            fs::write(&path, serde_json::to_string_pretty(&history).unwrap() + "\n").unwrap();
        }
    }
}

/// The histories hold every kind of step ended in every common way, and every kind of event.
#[test]
fn histories_hold_every_kind_of_step_and_event() {
    let (mut kinds, mut events) = (BTreeSet::new(), BTreeSet::new());
    for (_, history) in files() {
        let program = Arc::clone(&whole(&history["definition"]));
        let mut run = Interp::rehearse(program, history["input"].clone(), Rehearsal::default());
        for entry in history["entries"].as_array().unwrap() {
            let entry = Entry::from_json(&entry["entry"].to_string()).unwrap();
            events.insert(event_kind(&entry.event));
            run.replay(entry);
        }
        let ended = run.traced().iter().map(|step| (step.kind, json!(step.fate)));
        kinds.extend(ended.map(|(kind, fate)| format!("{kind} {}", fate.as_str().unwrap())));
    }
    let every = [
        "started",
        "done",
        "failed",
        "fired",
        "signalled",
        "child done",
        "child failed",
        "cancel requested",
        "resumed",
    ];
    assert_eq!(events, BTreeSet::from(every));
    let fate = |fate: Fate| json!(fate).as_str().unwrap().to_owned();
    let mut missing = Vec::new();
    for kind in Kind::<Step>::TYPES {
        // One that only ever fails, and all others, which end well.
        let usual = if kind == "fail" { Fate::Failed } else { Fate::Completed };
        for wanted in [usual, Fate::Skipped] {
            let line = format!("{kind} {}", fate(wanted));
            missing.extend((!kinds.contains(&line)).then_some(line));
        }
    }
    for kind in
        ["action", "workflow", "approval", "wait", "branch", "switch", "parallel", "for_each"]
    {
        let line = format!("{kind} {}", fate(Fate::Failed));
        missing.extend((!kinds.contains(&line)).then_some(line));
    }
    assert!(missing.is_empty(), "no history of {missing:?}");
}
