//! Chance: any workflow, answered in any order, with anything failing, at any time cancelled.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::driver::{Run, act, compile, failure, undoable};
use crate::workflow::{Cmd, Entry, Event, Interp, without_attempts};

/// A step without its id; ids are given in order afterwards.
fn step() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => Just(act("", json!({"in": "{{ trigger.x }}"}))),
        3 => Just(undoable("")),
        1 => Just(json!({"type": "wait", "for": "1h"})),
        1 => Just(json!({"type": "wait", "signal": "go"})),
        1 => Just(json!({
            "type": "wait", "signal": "go", "deadline": "1h", "on_deadline": "continue",
        })),
        1 => Just(json!({"type": "set", "vars": {"n": "{{ vars.n|default(0) + 1 }}"}})),
        1 => Just(json!({"type": "action", "action": "t.act", "when": "trigger.x > 100"})),
        1 => Just(json!({"type": "workflow", "workflow": "w"})),
        1 => Just(json!({
            "type": "approval", "message": "?", "approvers": ["admin"], "deadline": "2h",
            "escalate": {"after": "1h", "approvers": ["owner"]}, "on_reject": "continue",
        })),
        1 => Just(json!({"type": "fail", "message": "no"})),
    ];
    let leaf = (leaf, 0..4_u8, 0..16_u8)
        .prop_map(|(step, way, policy)| repeated(tolerant(step, way), policy));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let block = prop::collection::vec(inner, 1..3);
        let group = prop_oneof![
            (block.clone(), any::<bool>()).prop_map(|(then, way)| {
                json!({"type": "branch", "condition": way.to_string(), "then": then})
            }),
            (prop::collection::vec(block.clone(), 1..4), 0..4_usize).prop_map(
                |(branches, needed)| {
                    let needed = needed.min(branches.len());
                    let needed = if needed == 0 { json!("all") } else { json!(needed) };
                    json!({"type": "parallel", "branches": branches, "wait_for": needed})
                }
            ),
            (prop::collection::vec(block.clone(), 1..3), block.clone(), any::<bool>()).prop_map(
                |(ways, default, way)| {
                    let case = |steps| json!({"when": way.to_string(), "steps": steps});
                    let cases: Vec<Value> = ways.into_iter().map(case).collect();
                    json!({"type": "switch", "cases": cases, "default": default})
                }
            ),
            (block, 0..4_usize, 1..3_usize).prop_map(|(steps, items, concurrency)| {
                json!({"type": "for_each", "items": vec![0; items], "concurrency": concurrency,
                    "steps": steps})
            }),
        ];
        (group, 0..4_u8, 0..16_u8)
            .prop_map(|(step, way, policy)| repeated(tolerant(step, way), policy))
    })
}

/// A step that fails, goes on, is mended or is left out.
fn tolerant(mut step: Value, way: u8) -> Value {
    match way {
        0 => step["continue_on_error"] = json!(true),
        1 => step["on_error"] = json!([act("", json!({})), undoable("")]),
        _ => step["skip"] = json!(way == 3 && step["type"] == "wait"),
    }
    step
}

/// A step that is limited, done again or undone as a whole, where that means something.
fn repeated(mut step: Value, way: u8) -> Value {
    let kind = step["type"].as_str().unwrap_or_default().to_owned();
    if ["set", "fail", "action"].contains(&kind.as_str()) {
        return step;
    }
    if way & 1 != 0 {
        step["retry"] = json!({"attempts": 2, "backoff": "1s"});
    }
    if way & 2 != 0 {
        step["timeout"] = json!("30m");
    }
    if way & 4 != 0 {
        step["compensate"] = json!({"action": "t.undo", "input": {}, "whole": true});
    }
    step
}

/// Gives every step an id, and every undo its own step's output.
fn named(steps: &mut Value, next: &mut usize) {
    for step in steps.as_array_mut().into_iter().flatten() {
        *next += 1;
        let id = format!("s{next}");
        if step.get("compensate").is_some() {
            let whole = step["compensate"].as_object_mut().and_then(|call| call.remove("whole"));
            let made = match whole {
                Some(_) => json!("all"),
                None => json!(format!("{{{{ steps.{id}.output.id }}}}")),
            };
            step["compensate"]["input"] = json!({"made": made});
        }
        step["id"] = json!(id);
        if step["type"] == "set" {
            step["vars"] = json!({"n": *next});
        }
        for case in step.get_mut("cases").and_then(Value::as_array_mut).into_iter().flatten() {
            named(&mut case["steps"], next);
        }
        for inner in ["then", "steps", "default", "on_error"] {
            if let Some(inner) = step.get_mut(inner) {
                named(inner, next);
            }
        }
        for branch in step.get_mut("branches").and_then(Value::as_array_mut).into_iter().flatten() {
            named(branch, next);
        }
    }
}

pub(super) fn workflow() -> impl Strategy<Value = Value> {
    prop::collection::vec(step(), 1..4).prop_map(|steps| {
        let mut steps = Value::Array(steps);
        named(&mut steps, &mut 0);
        steps
    })
}

/// Answers whatever is open, guided by random numbers, until the run is over.
fn drive(run: &mut Run, choices: &[u8]) {
    let mut open: BTreeMap<String, Cmd> = BTreeMap::new();
    let mut read = 0;
    for turn in 0..3_000 {
        for command in &run.commands[read..] {
            match command {
                Cmd::Step { id, .. }
                | Cmd::Timer { id, .. }
                | Cmd::AwaitSignal { id, .. }
                | Cmd::Child { id, .. } => {
                    let before = open.insert(id.clone(), command.clone());
                    assert!(before.is_none(), "{id} commanded while it was open");
                }
                // Only what will still answer stays open.
                Cmd::Cancel { id } => {
                    if let Some(Cmd::Timer { .. } | Cmd::AwaitSignal { .. }) = open.get(id) {
                        open.remove(id);
                    }
                }
                _ => {}
            }
        }
        read = run.commands.len();
        // A signal with no deadline leaves nothing to cancel: what waits is what the run says.
        let waiting: BTreeSet<String> =
            run.interp.pending().into_iter().map(str::to_owned).collect();
        open.retain(|id, c| !matches!(c, Cmd::AwaitSignal { .. }) || waiting.contains(id));
        if run.interp.is_over() {
            assert!(open.is_empty(), "left open: {open:?}");
            return;
        }
        // Without choices left, everything is answered well: the run must come to an end.
        let choice = choices.get(turn).copied().unwrap_or(200);
        let at = usize::from(choice) % open.len().max(1);
        let Some((id, command)) = open.iter().nth(at).map(|(id, c)| (id.clone(), c.clone())) else {
            panic!("the run waits for nothing: {:?}", run.interp.pending());
        };
        match (command, choice) {
            (_, 0..6) => drop(run.cancel()),
            (_, 6..14) => drop(run.signal("go", json!("early"))),
            (_, 14..20) => drop(run.done("s999", json!("nobody asked"))),
            (Cmd::AwaitSignal { name, deadline, .. }, _) => {
                if deadline.is_some() && choice % 2 == 0 {
                    open.remove(&id);
                    run.feed(Event::Fired { id });
                } else {
                    // Whoever waited longest takes it.
                    run.signal(&name, json!("yes"));
                }
            }
            (Cmd::Timer { .. }, _) => {
                open.remove(&id);
                run.feed(Event::Fired { id });
            }
            (_, choice) => {
                open.remove(&id);
                if choice < 30 {
                    run.feed(Event::Failed { id, error: failure("bad"), unsure: true })
                } else if choice < 60 {
                    run.failed(&id, "bad")
                } else {
                    run.done(&id, json!({"id": id}))
                };
            }
        }
    }
    panic!("the run does not end");
}

/// What is true of every run that is over.
fn check(run: &Run) {
    let mut commanded = BTreeSet::new();
    let ends = run
        .commands
        .iter()
        .filter(|c| matches!(c, Cmd::Complete(_) | Cmd::Fail(_) | Cmd::ContinueAs(_)));
    assert_eq!(ends.count(), 1, "a run ends once");
    assert!(matches!(run.commands.last(), Some(Cmd::Complete(_) | Cmd::Fail(_))));
    let mut keys = BTreeSet::new();
    for command in &run.commands {
        if let Cmd::Step { id, key_suffix, unsure, .. } = command {
            assert!(commanded.insert(id.clone()), "{id} commanded twice");
            assert_eq!(keys.insert(key_suffix.clone()), !unsure, "{id}: {key_suffix}");
            assert_eq!(without_attempts(key_suffix), without_attempts(id));
        }
    }
    check_undone(run, &commanded);
}

/// What was done is undone once if the run failed, and otherwise only within attempts that failed.
fn check_undone(run: &Run, commanded: &BTreeSet<String>) {
    let program = &run.interp.program;
    let undoable = |id: &str| {
        let plain = without_attempts(id);
        program
            .nodes
            .iter()
            .any(|node| node.undo.is_some() && plain.rsplit('.').next() == Some(&*node.id))
    };
    // Every answered step with something to undo, in the order of the answers.
    let mut done: Vec<&str> = run
        .history
        .iter()
        .filter_map(|(entry, _)| match &entry.event {
            Event::Done { id, .. } if commanded.contains(id) && undoable(id) => Some(id.as_str()),
            _ => None,
        })
        .collect();
    let mut undone: Vec<&str> =
        run.steps().into_iter().filter_map(|id| id.strip_suffix(":undo")).collect();
    // Blocks as a whole and children are undone, too; no answer of theirs is an action's.
    undone.retain(|id| commanded.contains(*id));
    let failed = matches!(run.commands.last(), Some(Cmd::Fail(_)));
    match (failed, program.scoped) {
        (true, false) => done.reverse(),
        (true, true) => {
            done.sort_unstable();
            undone.sort_unstable();
        }
        (false, true) => {
            assert!(undone.iter().all(|id| done.contains(id)));
            let once: BTreeSet<&str> = undone.iter().copied().collect();
            assert_eq!(once.len(), undone.len());
            return;
        }
        (false, false) => done.clear(),
    }
    assert_eq!(undone, done, "all that was done is undone, latest first");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_run_ends_in_order_and_any_prefix_replays_the_same(
        steps in workflow(),
        choices in prop::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let program = compile(&steps);
        let input = json!({"x": 1});
        let mut run = Run::start(&program, input.clone());
        drive(&mut run, &choices);
        check(&run);

        // The journal is text: what is replayed has been written and read.
        let mut again = Interp::new(program, input);
        let prefix = cut.index(run.history.len()) + 1;
        for (entry, commands) in &run.history[..prefix] {
            let entry = Entry::from_json(&entry.to_json()).unwrap();
            let bytes = |commands: &[Cmd]| serde_json::to_string(commands).unwrap();
            prop_assert_eq!(bytes(&again.replay(entry)), bytes(commands));
        }
        // And goes on the same from there.
        for (entry, commands) in &run.history[prefix..] {
            prop_assert_eq!(&again.replay(entry.clone()), commands);
        }
        prop_assert!(again.is_over());
    }
}
