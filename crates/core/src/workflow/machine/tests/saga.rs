//! Undoing: what was done is undone, latest first, whatever went wrong and whenever.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::driver::{Run, act, compile, error, failure, ids, undoable};
use crate::workflow::{Cmd, Compensation};

fn chain() -> Value {
    json!([
        undoable("a"),
        undoable("b"),
        act("plain", json!({})),
        undoable("c"),
        act("last", json!({}))
    ])
}

const CHAIN: [&str; 5] = ["a", "b", "plain", "c", "last"];

/// The undo steps expected after the first `n` steps of the chain.
fn undos(n: usize) -> Vec<String> {
    CHAIN.iter().take(n).filter(|id| id.len() == 1).rev().map(|id| format!("{id}:undo")).collect()
}

#[test]
fn a_failure_at_every_step_undoes_exactly_what_was_done() {
    for (position, failing) in CHAIN.iter().enumerate() {
        let mut run = Run::start(&compile(&chain()), json!({}));
        let last = run.finish(&BTreeMap::from([(*failing, Err("bad"))])).clone();
        let error = error(&last);
        assert_eq!((error.failure.code.as_str(), error.step.as_deref()), ("bad", Some(*failing)));
        let done: Vec<&str> = CHAIN[..=position].to_vec();
        let expected: Vec<String> =
            done.iter().map(|id| (*id).to_owned()).chain(undos(position)).collect();
        assert_eq!(run.steps(), expected);
        for undo in undos(position) {
            let step = undo.strip_suffix(":undo").unwrap();
            assert_eq!(run.input(&undo), &json!({"made": step}), "given what the step made");
        }
        let undone: Vec<String> =
            error.compensations.iter().map(|c| format!("{}:undo", c.step)).collect();
        assert_eq!(undone, undos(position));
    }
}

#[test]
fn a_cancellation_at_every_step_undoes_it_too_when_it_was_too_late() {
    for (position, running) in CHAIN.iter().enumerate() {
        for too_late in [true, false] {
            let mut run = Run::start(&compile(&chain()), json!({}));
            for id in &CHAIN[..position] {
                run.done(id, json!({"id": id}));
            }
            let stop = run.cancel();
            assert_eq!(stop, [Cmd::Cancel { id: (*running).into() }], "wait for what is running");
            assert_eq!(run.cancel(), [], "once is enough");
            if too_late {
                run.done(running, json!({"id": running}));
            } else {
                run.failed(running, "cancelled");
            }
            let last = run.finish(&BTreeMap::new()).clone();
            assert_eq!(error(&last).failure.code, "cancelled");
            let undone: Vec<&str> = run.steps().split_off(position + 1);
            assert_eq!(undone, undos(position + usize::from(too_late)), "{running} {too_late}");
        }
    }
}

#[test]
fn undo_steps_say_so_and_have_keys_of_their_own() {
    let mut run = Run::start(&compile(&chain()), json!({}));
    run.done("a", json!({"id": 1}));
    let commands = run.failed("b", "bad");
    let [Cmd::Step { id, action, key_suffix, compensation, .. }] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    assert_eq!((id.as_str(), action.as_str()), ("a:undo", "t.undo"));
    assert_eq!((key_suffix.as_str(), *compensation), ("a:undo", true));
    assert!(run.interp.is_undoing());
    assert_eq!(run.interp.pending(), ["a:undo"]);
    assert_eq!(run.cancel(), [], "undoing cannot be cancelled");
    assert_eq!(run.signal("any", json!(1)), []);
    assert_eq!(run.done("a", json!("late and repeated")), []);
}

#[test]
fn an_undo_that_fails_is_reported_and_the_others_still_happen() {
    let mut run = Run::start(&compile(&chain()), json!({}));
    let answers = BTreeMap::from([("last", Err("bad")), ("b:undo", Err("stuck"))]);
    let last = run.finish(&answers).clone();
    let report = |step: &str, error| Compensation { step: step.into(), error };
    assert_eq!(
        error(&last).compensations,
        [report("c", None), report("b", Some(failure("stuck"))), report("a", None)]
    );
}

#[test]
fn an_undo_whose_input_cannot_be_made_is_reported() {
    let mut run = Run::start(&compile(&json!([undoable("a"), act("b", json!({}))])), json!({}));
    run.done("a", json!({"no id": true}));
    let commands = run.failed("b", "bad");
    let [Compensation { step, error: Some(why) }] = error(&commands[0]).compensations.as_slice()
    else {
        panic!("{commands:?}")
    };
    assert_eq!(step, "a");
    assert!(why.message.contains("`steps.a.output.id` is unknown"), "{}", why.message);
}

#[test]
fn loops_and_branches_are_undone_in_the_order_things_ended() {
    let steps = json!([
        {"id": "e", "type": "for_each", "items": ["x", "y"], "concurrency": 2, "steps": [
            {"id": "s", "type": "action", "action": "t.act",
             "compensate": {"action": "t.undo", "input": "{{ item }}{{ steps.s.output }}"}},
        ]},
        act("last", json!({})),
    ]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.done("e[1].s", json!(1));
    run.done("e[0].s", json!(0));
    run.finish(&BTreeMap::from([("last", Err("bad"))]));
    assert_eq!(run.steps()[3..], ["e[0].s:undo", "e[1].s:undo"]);
    assert_eq!(run.input("e[0].s:undo"), &json!("x0"));
    assert_eq!(run.input("e[1].s:undo"), &json!("y1"));
}

#[test]
fn what_answers_after_its_group_failed_is_undone() {
    let steps = json!([{"id": "p", "type": "parallel", "branches": [
        [undoable("a")], [undoable("b")], [undoable("c"), undoable("d")],
    ]}]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.done("c", json!({"id": "c"}));
    assert_eq!(run.failed("a", "bad").len(), 2, "b and d are asked to stop");
    assert_eq!(run.done("b", json!({"id": "b"})), [], "d has not answered");
    let commands = run.failed("d", "cancelled");
    assert_eq!(ids(&commands), ["b:undo"]);
    let last = run.finish(&BTreeMap::new()).clone();
    let undone: Vec<&str> = error(&last).compensations.iter().map(|c| c.step.as_str()).collect();
    assert_eq!(undone, ["b", "c"]);
}

#[test]
fn cancelling_while_a_group_stops_waits_for_the_same_answers() {
    let steps = json!([{"id": "p", "type": "parallel", "continue_on_error": true, "branches": [
        [act("a", json!({}))], [undoable("b")],
    ]}, act("after", json!({}))]);
    let mut run = Run::start(&compile(&steps), json!({}));
    assert_eq!(run.failed("a", "bad"), [Cmd::Cancel { id: "b".into() }]);
    assert_eq!(run.cancel(), [], "b knows already");
    let commands = run.done("b", json!({"id": 1}));
    assert_eq!(ids(&commands), ["b:undo"], "the step after the group does not begin");
    assert_eq!(error(&run.done("b:undo", json!(null))[0]).failure.code, "cancelled");
}

#[test]
fn a_stopped_run_undoes_nothing() {
    let steps = json!([undoable("a"), {"id": "s", "type": "stop", "output": 1}]);
    let mut run = Run::start(&compile(&steps), json!({}));
    assert_eq!(run.done("a", json!({"id": 1})), [Cmd::Complete(json!(1))]);
}
