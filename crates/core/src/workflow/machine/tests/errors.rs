//! What is done about steps that fail, steps left out, and people who do not answer.

use serde_json::json;

use super::driver::{Run, act, compile};
use crate::workflow::{Cmd, Definition, Event, Program};

#[test]
fn a_failed_step_goes_the_way_for_errors_and_on() {
    let mut risky = act("risky", json!({}));
    risky["on_error"] = json!([act("mend", json!({"why": "{{ steps.risky.error.code }}"}))]);
    let program =
        compile(&json!([risky, act("after", json!({"status": "{{ steps.risky.status }}"})),]));
    let mut run = Run::start(&program, json!({}));
    run.failed("risky", "broken");
    assert_eq!(run.steps(), ["risky", "mend"]);
    assert_eq!(run.input("mend"), &json!({"why": "broken"}));
    run.done("mend", json!("mended"));
    assert_eq!(run.input("after"), &json!({"status": "failed"}));
    assert_eq!(run.done("after", json!(1)), [Cmd::Complete(json!(1))]);

    let mut run = Run::start(&program, json!({}));
    run.done("risky", json!("fine"));
    assert_eq!(run.steps(), ["risky", "after"], "what went well is not mended");

    let mut run = Run::start(&program, json!({}));
    run.failed("risky", "broken");
    let last = run.failed("mend", "worse");
    let Some(Cmd::Fail(error)) = last.last() else { panic!("{last:?}") };
    assert_eq!((error.failure.code.as_str(), error.step.as_deref()), ("worse", Some("mend")));
}

#[test]
fn a_step_that_fails_at_once_goes_the_way_for_errors_too() {
    let program = compile(&json!([
        {"id": "no", "type": "fail", "message": "no", "code": "x",
         "on_error": [{"id": "note", "type": "set",
                       "vars": {"code": "{{ steps.no.error.code }}"}}]},
        {"id": "group", "type": "parallel",
         "branches": [[act("a", json!({}))], [act("b", json!({}))]],
         "on_error": [act("one", json!({})), act("two", json!({}))]},
    ]));
    let mut run = Run::start(&program, json!({}));
    assert_eq!(run.steps(), ["a", "b"], "{:?}", run.commands);
    run.failed("a", "bad");
    assert_eq!(run.steps(), ["a", "b"], "the other branch is told to stop first");
    run.failed("b", "stopped");
    run.done("one", json!(1));
    assert_eq!(run.done("two", json!(2)).last(), Some(&Cmd::Complete(json!(2))));
}

#[test]
fn each_item_of_a_loop_mends_its_own_failure() {
    let mut risky = act("risky", json!({"n": "{{ item }}"}));
    risky["on_error"] = json!([act("mend", json!({"n": "{{ item }}"}))]);
    let program = compile(&json!([{
        "id": "each", "type": "for_each", "items": [1, 2], "concurrency": 2, "steps": [risky],
    }]));
    let mut run = Run::start(&program, json!({}));
    run.failed("each[0].risky", "bad");
    run.done("each[1].risky", json!("two"));
    assert_eq!(run.input("each[0].mend"), &json!({"n": 1}));
    let last = run.done("each[0].mend", json!("one"));
    assert_eq!(last.last(), Some(&Cmd::Complete(json!(["one", "two"]))));
}

#[test]
fn what_was_done_before_is_undone_when_mending_fails() {
    let steps = json!([
        super::driver::undoable("made"),
        {"id": "no", "type": "fail", "message": "no", "on_error": [act("mend", json!({}))]},
    ]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.done("made", json!({"id": 1}));
    run.failed("mend", "worse");
    assert_eq!(run.steps(), ["made", "mend", "made:undo"]);
}

#[test]
fn a_skipped_step_is_left_out_whatever_it_is() {
    let mut left_out = act("out", json!({}));
    left_out["skip"] = json!(true);
    let program = compile(&json!([left_out, act("b", json!({"s": "{{ steps.out.status }}"}))]));
    let run = Run::start(&program, json!({}));
    assert_eq!(run.steps(), ["b"]);
    assert_eq!(run.input("b"), &json!({"s": "skipped"}));
}

#[test]
fn an_approval_asks_more_people_when_nobody_answers() {
    let program = compile(&json!([{
        "id": "ok", "type": "approval", "message": "?", "approvers": ["ada@example.com"],
        "deadline": "3h", "escalate": {"after": "1h", "approvers": ["owner"]},
    }]));
    let mut run = Run::start(&program, json!({}));
    let asked = |run: &Run| run.interp.asks("ok").unwrap().approvers.clone();
    let deadline = |command: &Cmd| match command {
        Cmd::AwaitSignal { deadline, meta, .. } => (deadline.unwrap(), meta.clone().unwrap()),
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(&run), ["ada@example.com"]);
    let (first, _) = deadline(&run.commands[0]);
    let again = run.feed(Event::Fired { id: "ok".into() });
    let (last, meta) = deadline(&again[0]);
    assert_eq!((last.0 - first.0) / 3_600_000_000, 2, "the deadline stays what it was");
    assert_eq!(meta["escalated"], true);
    assert_eq!(asked(&run), ["ada@example.com", "owner"]);
    let mut late = Run::start(&program, json!({}));
    late.feed(Event::Fired { id: "ok".into() });
    let ended = late.feed(Event::Fired { id: "ok".into() });
    assert!(matches!(ended.last(), Some(Cmd::Fail(_))), "{ended:?}");
    let yes = run.signal("approval:ok", json!({"approved": true}));
    assert!(matches!(yes.last(), Some(Cmd::Complete(_))), "{yes:?}");
}

#[test]
fn what_makes_no_sense_is_named() {
    for (step, at) in [
        (
            json!({"id": "a", "type": "set", "vars": {}, "continue_on_error": true,
            "on_error": [{"id": "b", "type": "set", "vars": {}}]}),
            "/steps/0/on_error",
        ),
        (
            json!({"id": "a", "type": "set", "vars": {},
                "on_error": [{"id": "a", "type": "stop"}]}),
            "/steps/0/on_error/0/id",
        ),
        (
            json!({"id": "a", "type": "approval", "message": "?", "deadline": "1h",
            "escalate": {"after": "1h", "approvers": ["owner"]}}),
            "/steps/0/escalate/after",
        ),
        (
            json!({"id": "a", "type": "approval", "message": "?",
            "escalate": {"after": "1h", "approvers": []}}),
            "/steps/0/escalate/approvers",
        ),
        (
            json!({"id": "a", "type": "approval", "message": "?",
            "escalate": {"after": "1h", "approvers": ["nobody"]}}),
            "/steps/0/escalate/approvers/0",
        ),
    ] {
        let definition = json!({"version": 1, "name": "A", "steps": [step]});
        let definition = Definition::read(&definition).unwrap();
        let error = Program::compile(definition).unwrap_err();
        assert_eq!(error.fields[0].field, at, "{:?}", error.fields);
    }
}
