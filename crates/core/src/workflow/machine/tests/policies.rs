//! Time limits of steps, further attempts at them, and undoing them as a whole.

use serde_json::{Value, json};

use super::driver::{Run, act, compile, error, failure, ids, undoable, whole};
use crate::workflow::{ChildOutcome, Cmd, Definition, Event, Interp, Program, RunError};

fn again(attempts: u32) -> Value {
    json!({"attempts": attempts, "backoff": "10s", "jitter": 0.0})
}

fn block(then: Value, more: Value) -> Value {
    let mut block = json!({"id": "b", "type": "branch", "condition": "true"});
    block["then"] = then;
    if let Value::Object(more) = more {
        block.as_object_mut().unwrap().extend(more);
    }
    block
}

fn fired(run: &mut Run, id: &str) -> Vec<Cmd> {
    run.feed(Event::Fired { id: id.to_owned() })
}

fn timers(commands: &[Cmd]) -> Vec<(&str, i64)> {
    let timers = commands.iter().filter_map(|command| match command {
        Cmd::Timer { id, at } => Some((id.as_str(), at.0 / 1_000_000)),
        _ => None,
    });
    timers.collect()
}

/// A step of every kind that holds others or waits, and what it waits for at first.
fn waiting() -> Vec<(Value, Vec<&'static str>)> {
    let inner = || json!([act("s", json!({}))]);
    vec![
        (json!({"id": "b", "type": "branch", "condition": "true", "then": inner()}), vec!["s"]),
        (json!({"id": "b", "type": "switch", "cases": [], "default": inner()}), vec!["s"]),
        (json!({"id": "b", "type": "parallel", "branches": [inner()]}), vec!["s"]),
        (json!({"id": "b", "type": "for_each", "items": [1], "steps": inner()}), vec!["b[0].s"]),
        (json!({"id": "b", "type": "wait", "for": "2h"}), vec![]),
        (json!({"id": "b", "type": "wait", "until": "2100-01-01T00:00:00Z"}), vec![]),
        (json!({"id": "b", "type": "wait", "signal": "go"}), vec![]),
        (
            json!({"id": "b", "type": "wait", "signal": "go", "deadline": "2h",
            "on_deadline": "continue"}),
            vec![],
        ),
        (json!({"id": "b", "type": "approval", "message": "?"}), vec![]),
        (json!({"id": "b", "type": "workflow", "workflow": "w"}), vec!["b"]),
    ]
}

/// Its switch has no case, which is only refused by the compiler.
fn with(mut step: Value, more: &Value) -> Value {
    if step["type"] == "switch" {
        step["cases"] = json!([{"when": "false", "steps": []}]);
    }
    for (name, value) in more.as_object().unwrap() {
        step[name] = value.clone();
    }
    step
}

#[test]
fn the_time_of_every_kind_of_step_can_be_limited() {
    for (step, open) in waiting() {
        let what = step.to_string();
        for (more, ends) in [
            (json!({"timeout": "1h"}), "fails"),
            (json!({"timeout": "1h", "continue_on_error": true}), "goes on"),
            (json!({"timeout": "1h", "on_error": [act("mend", json!({}))]}), "mends"),
        ] {
            let steps = json!([with(step.clone(), &more), act("last", "{{ steps.b.status }}")]);
            let mut run = Run::start(&compile(&steps), json!({}));
            assert!(timers(&run.commands).contains(&("b:timeout", 1_001 + 3_600)), "{what}");
            let mut commands = fired(&mut run, "b:timeout");
            for id in open.iter().copied() {
                let stop = Cmd::Cancel { id: id.to_owned() };
                assert_eq!(commands, [stop], "{what} waits for what it stops");
                commands = match id {
                    "b" => run.feed(Event::ChildDone {
                        id: id.to_owned(),
                        result: ChildOutcome::Error(RunError::new("cancelled", "stopped")),
                    }),
                    id => run.failed(id, "cancelled"),
                };
            }
            match ends {
                "fails" => {
                    let error = error(commands.last().unwrap());
                    assert_eq!(error.failure.code, "timeout", "{what}");
                    assert_eq!(error.failure.message, "The step did not end within 1h.");
                    assert_eq!(error.step.as_deref(), Some("b"));
                }
                "mends" => assert_eq!(ids(&commands), ["mend"], "{what}"),
                _ => assert_eq!(run.input("last"), &json!("failed"), "{what}"),
            }
            assert_eq!(fired(&mut run, "b:timeout"), [], "once is enough");
        }
    }
}

#[test]
fn a_step_that_ends_in_time_drops_its_limit() {
    for (step, open) in waiting() {
        let mut run =
            Run::start(&compile(&json!([with(step, &json!({"timeout": "9h"}))])), json!({}));
        match open.first().copied() {
            Some("b") => run.feed(Event::ChildDone {
                id: "b".to_owned(),
                result: ChildOutcome::Output(json!(1)),
            }),
            Some(id) => run.done(id, json!({})),
            None if run.interp.pending().contains(&"b") => {
                run.signal("go", json!(1));
                run.signal("approval:b", json!({"approved": true}));
                fired(&mut run, "b")
            }
            None => Vec::new(),
        };
        assert!(run.commands.contains(&Cmd::Cancel { id: "b:timeout".to_owned() }));
        assert!(run.interp.is_over());
    }
}

/// The sooner of a limit and a step's own deadline decides.
#[test]
fn the_sooner_of_two_times_decides() {
    let steps = |timeout: &str| {
        json!([{"id": "b", "type": "wait", "signal": "go", "deadline": "1h",
            "on_deadline": "continue", "timeout": timeout}])
    };
    let mut run = Run::start(&compile(&steps("2h")), json!({}));
    let commands = fired(&mut run, "b");
    assert_eq!(commands.last(), Some(&Cmd::Complete(json!({"timed_out": true}))));
    let mut run = Run::start(&compile(&steps("30m")), json!({}));
    let commands = fired(&mut run, "b:timeout");
    assert_eq!(commands[0], Cmd::Cancel { id: "b".to_owned() });
    assert_eq!(error(&commands[1]).failure.code, "timeout");
}

#[test]
fn a_block_is_undone_rested_and_begun_anew() {
    let steps = json!([
        block(
            json!([undoable("x"), undoable("y"), act("z", "{{ steps.x.output.id }}")]),
            json!({"retry": again(3)})
        ),
        act("last", "{{ steps.z.output }} of {{ steps.x.output.id }}"),
    ]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.done("x", json!({"id": 1}));
    run.done("y", json!({"id": 2}));
    assert_eq!(ids(&run.failed("z", "bad")), ["y:undo"], "latest first");
    assert_eq!(run.interp.snapshot().phase, "running");
    assert_eq!(ids(&run.done("y:undo", json!(null))), ["x:undo"]);
    let rest = run.done("x:undo", json!(null));
    assert_eq!(timers(&rest), [("b:retry", 1_006 + 10)]);
    assert_eq!(ids(&fired(&mut run, "b:retry")), ["b#2.x"]);
    let seen = run.interp.snapshot().steps;
    assert!(seen.is_empty(), "nothing of the first attempt is left: {seen:?}");
    run.done("b#2.x", json!({"id": 3}));
    run.done("b#2.y", json!({"id": 4}));
    assert_eq!(run.input("b#2.z"), &json!(3));
    assert_eq!(ids(&run.failed("b#2.z", "bad")), ["b#2.y:undo"]);
    run.done("b#2.y:undo", json!(null));
    let rest = run.done("b#2.x:undo", json!(null));
    assert_eq!(timers(&rest), [("b#2:retry", 1_012 + 20)], "the delay doubles");
    fired(&mut run, "b#2:retry");
    run.done("b#3.x", json!({"id": 5}));
    run.done("b#3.y", json!({"id": 6}));
    run.done("b#3.z", json!("ok"));
    assert_eq!(run.input("last"), &json!("ok of 5"), "later steps see the attempt that did it");
    // What failed later undoes only what was not undone.
    assert_eq!(ids(&run.failed("last", "bad")), ["b#3.y:undo"]);
    run.done("b#3.y:undo", json!(null));
    let end = run.done("b#3.x:undo", json!(null));
    let undone: Vec<&str> = error(&end[0]).compensations.iter().map(|c| c.step.as_str()).collect();
    assert_eq!(undone, ["y", "x", "b#2.y", "b#2.x", "b#3.y", "b#3.x"]);
}

#[test]
fn the_last_attempt_fails_the_step() {
    let steps = json!([
        block(
            json!([{"id": "f", "type": "fail", "message": "no"}]),
            json!({"retry": again(2), "continue_on_error": true})
        ),
        act("last", "{{ steps.b.error.code }}")
    ]);
    let mut run = Run::start(&compile(&steps), json!({}));
    assert_eq!(timers(&run.commands).len(), 1);
    let commands = fired(&mut run, "b:retry");
    assert_eq!(ids(&commands), ["last"]);
    assert_eq!(run.input("last"), &json!("failed"));
}

#[test]
fn what_someone_decided_is_not_asked_again() {
    for code in ["cancelled", "limit", "outcome_unknown", "rejected"] {
        let steps = json!([block(json!([act("s", json!({}))]), json!({"retry": again(3)}))]);
        let mut run = Run::start(&compile(&steps), json!({}));
        assert_eq!(error(&run.failed("s", code)[0]).failure.code, code);
    }
}

/// An action that may have happened and must not happen twice ends all attempts around it, also
/// when the step that called it goes on.
#[test]
fn an_unknown_outcome_ends_the_attempts() {
    let mut step = act("s", json!({}));
    step["continue_on_error"] = json!(true);
    let inner = json!([step, {"id": "f", "type": "fail", "message": "no"}]);
    let outer = json!([block(inner, json!({"retry": again(3)}))]);
    let mut run = Run::start(&compile(&outer), json!({}));
    assert_eq!(error(&run.failed("s", "outcome_unknown")[0]).failure.code, "failed");
}

#[test]
fn a_step_in_doubt_keeps_its_key_and_others_get_new_ones() {
    let steps = json!([block(
        json!([act("known", json!({})), act("doubt", 1)]),
        json!({"retry": again(4)})
    )]);
    let mut run = Run::start(&compile(&steps), json!({}));
    let mut keys = Vec::new();
    for attempt in ["", "b#2.", "b#3."] {
        run.done(&format!("{attempt}known"), json!({}));
        let id = format!("{attempt}doubt");
        run.feed(Event::Failed { id, error: failure("bad"), unsure: attempt != "b#2." });
        fired(&mut run, &format!("{}:retry", if attempt.is_empty() { "b" } else { &attempt[..3] }));
    }
    run.done("b#4.known", json!({}));
    for command in &run.commands {
        if let Cmd::Step { id, key_suffix, unsure, .. } = command {
            keys.push((id.as_str(), key_suffix.as_str(), *unsure));
        }
    }
    assert_eq!(
        keys,
        [
            ("known", "known", false),
            ("doubt", "doubt", false),
            ("b#2.known", "b#2.known", false),
            ("b#2.doubt", "doubt", true),
            ("b#3.known", "b#3.known", false),
            ("b#3.doubt", "b#3.doubt", false),
            ("b#4.known", "b#4.known", false),
            ("b#4.doubt", "b#3.doubt", true),
        ]
    );
}

#[test]
fn another_input_is_another_effect() {
    let each = json!({"id": "e", "type": "for_each", "items": "steps.read.output",
        "steps": [act("s", "{{ item }}")]});
    let steps = json!([block(json!([act("read", json!({})), each]), json!({"retry": again(2)}))]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.done("read", json!(["a"]));
    run.feed(Event::Failed { id: "e[0].s".into(), error: failure("bad"), unsure: true });
    fired(&mut run, "b:retry");
    let commands = run.done("b#2.read", json!(["b"]));
    assert!(
        matches!(&commands[0], Cmd::Step { id, key_suffix, unsure: false, .. }
        if id == "b#2.e[0].s" && key_suffix == id),
        "{commands:?}"
    );
}

#[test]
fn what_cannot_be_undone_is_not_done_again() {
    let steps = json!([block(
        json!([undoable("x"), undoable("y"), act("z", json!({}))]),
        json!({"retry": again(3)})
    )]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.done("x", json!({"id": 1}));
    run.done("y", json!({"id": 1}));
    run.failed("z", "bad");
    assert_eq!(ids(&run.failed("y:undo", "stuck")), ["x:undo"], "the others are undone");
    let end = run.done("x:undo", json!(null));
    let error = error(&end[0]);
    assert_eq!((error.failure.code.as_str(), error.step.as_deref()), ("bad", Some("z")));
    assert_eq!(error.compensations[0].error, Some(failure("stuck")));
    assert_eq!(error.compensations.len(), 2);
}

#[test]
fn a_loop_done_again_names_its_items_anew() {
    let steps = json!([{"id": "e", "type": "for_each", "items": ["p", "q"], "concurrency": 2,
        "retry": again(2), "steps": [act("s", "{{ item }}{{ index }}")]}]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.done("e[0].s", json!(1));
    run.failed("e[1].s", "bad");
    let commands = fired(&mut run, "e:retry");
    assert_eq!(ids(&commands), ["e#2[0].s", "e#2[1].s"]);
    assert_eq!(run.input("e#2[1].s"), &json!("q1"));
    run.done("e#2[1].s", json!("b"));
    let end = run.done("e#2[0].s", json!("a"));
    assert_eq!(end.last(), Some(&Cmd::Complete(json!(["a", "b"]))));
}

#[test]
fn a_loop_inside_a_second_attempt_sees_its_own_item() {
    let block = block(json!([act("s", "{{ item }}")]), json!({"retry": again(2)}));
    let steps = json!([{"id": "e", "type": "for_each", "items": ["p"], "as": "it",
        "steps": [block, act("t", "{{ item }}{{ it }}{{ index }}{{ steps.s.output }}")]}]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.failed("e[0].s", "bad");
    fired(&mut run, "e[0].b:retry");
    assert_eq!(run.input("e[0].b#2.s"), &json!("p"));
    run.done("e[0].b#2.s", json!("!"));
    assert_eq!(run.input("e[0].t"), &json!("pp0!"));
}

#[test]
fn a_child_is_run_again_and_one_that_was_too_fast_to_stop_is_undone() {
    let steps = json!([{"id": "w", "type": "workflow", "workflow": "x", "timeout": "1h",
        "retry": again(2), "compensate": {"action": "t.undo", "input": "{{ steps.w.output }}"}}]);
    let mut run = Run::start(&compile(&steps), json!({}));
    fired(&mut run, "w:timeout");
    let done = |id: &str| Event::ChildDone {
        id: id.to_owned(),
        result: ChildOutcome::Output(json!("late")),
    };
    assert_eq!(ids(&run.feed(done("w"))), ["w:undo"]);
    assert_eq!(run.input("w:undo"), &json!("late"));
    run.done("w:undo", json!(null));
    let commands = fired(&mut run, "w:retry");
    assert!(
        matches!(&commands[1], Cmd::Child { id, key_suffix, .. }
        if id == "w#2" && key_suffix == "w#2"),
        "{commands:?}"
    );
    let end = run.feed(done("w#2"));
    assert_eq!(end.last(), Some(&Cmd::Complete(json!("late"))));
}

/// Runs that began on the first version keep to it: it took these policies and ignored them.
#[test]
fn the_first_version_leaves_children_alone() {
    let steps = json!([{"id": "w", "type": "workflow", "workflow": "x", "timeout": "1h",
        "retry": again(2)}]);
    let mut run = Interp::of_version(1, compile(&steps), json!({}));
    let at = crate::Timestamp::from_secs(1);
    let commands = run.on(at, Event::Started { seed: 1, generation: 0 });
    assert!(matches!(commands.as_slice(), [Cmd::Child { .. }]), "{commands:?}");
    let result = ChildOutcome::Error(RunError::new("bad", "no"));
    let end = run.on(at, Event::ChildDone { id: "w".to_owned(), result });
    assert!(matches!(end.as_slice(), [Cmd::Fail(_)]));
}

#[test]
fn an_approval_is_asked_again_when_nobody_answers() {
    let steps = json!([{"id": "ok", "type": "approval", "message": "?", "deadline": "1h",
        "retry": again(2)}]);
    let mut run = Run::start(&compile(&steps), json!({}));
    fired(&mut run, "ok");
    let commands = fired(&mut run, "ok:retry");
    assert!(matches!(&commands[0], Cmd::AwaitSignal { name, .. } if name == "approval:ok#2"));
    assert!(run.interp.asks("ok#2").is_some());
    let end = run.signal("approval:ok#2", json!({"approved": false}));
    assert_eq!(error(end.last().unwrap()).failure.code, "rejected", "a no is a no");
}

#[test]
fn a_block_is_undone_after_what_is_inside_it() {
    let undo = json!({"action": "t.undo", "input": "{{ steps.b.output.id }}"});
    let steps = json!([
        undoable("a"),
        block(json!([undoable("x"), undoable("y")]), json!({"compensate": undo})),
        act("last", json!({}))
    ]);
    let mut run = Run::start(&compile(&steps), json!({}));
    for id in ["a", "x", "y"] {
        run.done(id, json!({"id": id}));
    }
    let mut commands = run.failed("last", "bad");
    for id in ["y:undo", "x:undo", "b:undo", "a:undo"] {
        assert_eq!(ids(&commands), [id]);
        commands = run.done(id, json!(null));
    }
    assert_eq!(run.input("b:undo"), &json!("y"));
    // One that did not complete is not undone as a whole.
    let mut run = Run::start(&compile(&steps), json!({}));
    run.done("a", json!({"id": "a"}));
    run.done("x", json!({"id": "x"}));
    assert_eq!(ids(&run.failed("y", "bad")), ["x:undo"]);
    assert_eq!(ids(&run.done("x:undo", json!(null))), ["a:undo"]);
}

#[test]
fn cancelling_lets_an_undoing_end_and_undoes_the_rest() {
    let steps = json!([block(
        json!([undoable("x"), undoable("y"), act("z", json!({}))]),
        json!({"retry": again(3)})
    )]);
    let begun = || {
        let mut run = Run::start(&compile(&steps), json!({}));
        run.done("x", json!({"id": 1}));
        run.done("y", json!({"id": 1}));
        run.failed("z", "bad");
        run
    };
    let mut run = begun();
    assert_eq!(run.cancel(), [], "half an undoing helps nobody");
    assert_eq!(ids(&run.done("y:undo", json!(null))), ["x:undo"]);
    let end = run.done("x:undo", json!(null));
    assert_eq!(error(&end[0]).failure.code, "cancelled");
    assert_eq!(error(&end[0]).compensations.len(), 2);
    // While it rests there is nothing to wait for.
    let mut run = begun();
    run.done("y:undo", json!(null));
    run.done("x:undo", json!(null));
    let end = run.cancel();
    assert_eq!(end[0], Cmd::Cancel { id: "b:retry".to_owned() });
    assert_eq!(error(&end[1]).failure.code, "cancelled");
}

#[test]
fn a_run_that_goes_on_much_later_has_its_time_again() {
    let steps = json!([block(json!([act("s", json!({}))]), json!({"timeout": "1h"}))]);
    let mut run = Run::start(&compile(&steps), json!({}));
    assert!(run.interp.has_limits());
    assert_eq!(timers(&run.feed(Event::Resumed {})), [("b:timeout", 1_002 + 3_600)]);
    run.done("s", json!(1));
    assert!(!run.interp.has_limits());
}

#[test]
fn no_attempt_begins_after_the_longest_time() {
    let mut policy = again(9);
    policy["max_elapsed"] = json!("15s");
    let steps = json!([block(json!([act("s", json!({}))]), json!({"retry": policy}))]);
    let mut run = Run::start(&compile(&steps), json!({}));
    assert_eq!(timers(&run.failed("s", "bad")).len(), 1);
    fired(&mut run, "b:retry");
    assert_eq!(error(&run.failed("b#2.s", "bad")[0]).failure.code, "bad");
}

#[test]
fn policies_that_mean_nothing_are_refused_with_the_reason() {
    let undo = json!({"action": "t.undo"});
    let ends = |kind: &str| match kind {
        "set" => json!({"vars": {"a": 1}}),
        "fail" => json!({"message": "no"}),
        "restart" => json!({"input": {}}),
        _ => json!({}),
    };
    let refused = [
        ("set", "retry", "it gives the same each time"),
        ("set", "timeout", "takes no time"),
        ("fail", "retry", "failing is what it is for"),
        ("fail", "timeout", "takes no time"),
        ("fail", "compensate", "never completes"),
        ("stop", "retry", "it ends the run"),
        ("stop", "timeout", "takes no time"),
        ("stop", "compensate", "ends the run"),
        ("restart", "retry", "it ends the run"),
        ("restart", "timeout", "takes no time"),
        ("restart", "compensate", "ends the run"),
    ];
    for (kind, policy, why) in refused {
        let mut step = ends(kind);
        (step["id"], step["type"]) = (json!("s"), json!(kind));
        step[policy] = match policy {
            "retry" => again(2),
            "timeout" => json!("1s"),
            _ => undo.clone(),
        };
        let definition = json!({"version": 1, "name": "t", "steps": [step]});
        let fault = Program::compile(Definition::read(&definition).unwrap()).unwrap_err();
        assert_eq!(fault.fields[0].field, format!("/steps/0/{policy}"));
        assert!(fault.fields[0].message.contains(why), "{kind} {policy}: {:?}", fault.fields);
    }
    // A variable that was set can be undone by telling someone.
    let mut set = ends("set");
    (set["id"], set["type"], set["compensate"]) = (json!("s"), json!("set"), undo);
    whole(&json!({"version": 1, "name": "t", "steps": [set]}));
}
