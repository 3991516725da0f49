//! Timers, signals, approvals, children.

use serde_json::{Value, json};

use super::driver::{Run, act, compile, error};
use crate::{
    Timestamp,
    workflow::{ChildOutcome, Cmd, Compensation, Event, RunError},
};

fn wait(deadline: Option<&str>, on_deadline: &str) -> Value {
    let mut step = json!({"id": "w", "type": "wait", "signal": "reply-{{ trigger.id }}"});
    if let Some(deadline) = deadline {
        step["deadline"] = json!(deadline);
        step["on_deadline"] = json!(on_deadline);
    }
    json!([act("a", json!({})), step])
}

fn fired(id: &str) -> Event {
    Event::Fired { id: id.into() }
}

#[test]
fn a_signal_may_come_after_the_wait_began() {
    let mut run = Run::start(&compile(&wait(None, "fail")), json!({"id": 5}));
    let waiting = run.done("a", json!(null));
    let awaited =
        Cmd::AwaitSignal { id: "w".into(), name: "reply-5".into(), deadline: None, meta: None };
    assert_eq!(waiting[0], awaited);
    assert_eq!(run.signal("reply-6", json!("not mine")), []);
    assert_eq!(run.signal("reply-5", json!("yes")), [Cmd::Complete(json!("yes"))]);
}

#[test]
fn a_signal_may_come_before_the_wait_begins() {
    let mut run = Run::start(&compile(&wait(Some("1h"), "fail")), json!({"id": 5}));
    assert_eq!(run.signal("reply-5", json!("first")), []);
    assert_eq!(run.signal("reply-5", json!("second")), []);
    assert_eq!(run.done("a", json!(null)).last(), Some(&Cmd::Complete(json!("first"))));
}

#[test]
fn early_signals_are_not_kept_without_limit() {
    let mut run = Run::start(&compile(&wait(None, "fail")), json!({"id": 5}));
    for _ in 0..crate::workflow::MAX_EARLY_SIGNALS {
        run.signal("other", json!(0));
    }
    run.signal("reply-5", json!("one too many"));
    run.done("a", json!(null));
    assert!(!run.interp.is_over(), "the last one was dropped");
}

#[test]
fn two_waits_for_one_name_take_one_signal_each() {
    let each = json!([{"id": "p", "type": "parallel", "branches": [
        [{"id": "z", "type": "wait", "signal": "go"}],
        [{"id": "a", "type": "wait", "signal": "go"}],
    ]}]);
    let mut run = Run::start(&compile(&each), json!({}));
    assert_eq!(run.signal("go", json!(1)), []);
    assert_eq!(run.interp.pending(), ["a"], "who waited first was served first");
    assert_eq!(run.signal("go", json!(2)), [Cmd::Complete(json!([1, 2]))]);
}

#[test]
fn a_deadline_fails_or_goes_on_and_a_late_one_is_ignored() {
    let mut run = Run::start(&compile(&wait(Some("1h"), "fail")), json!({"id": 5}));
    let commands = run.done("a", json!(null));
    let Cmd::AwaitSignal { deadline, .. } = &commands[0] else { panic!("{commands:?}") };
    assert_eq!(*deadline, Some(Timestamp::from_secs(1_002 + 3_600)));
    assert_eq!(error(&run.feed(fired("w"))[0]).failure.code, "timeout");

    let mut run = Run::start(&compile(&wait(Some("1h"), "continue")), json!({"id": 5}));
    run.done("a", json!(null));
    assert_eq!(run.feed(fired("w")), [Cmd::Complete(json!({"timed_out": true}))]);

    let mut run = Run::start(&compile(&wait(Some("1h"), "fail")), json!({"id": 5}));
    run.done("a", json!(null));
    let commands = run.signal("reply-5", json!("in time"));
    assert_eq!(commands, [Cmd::Cancel { id: "w".into() }, Cmd::Complete(json!("in time"))]);
    assert_eq!(run.feed(fired("w")), []);
}

#[test]
fn timers_fire_once_and_past_ones_at_once() {
    let steps = json!([
        {"id": "past", "type": "wait", "until": "1970-01-01T00:00:00Z"},
        {"id": "pause", "type": "wait", "for": "90s"},
        {"id": "until", "type": "wait", "until": "{{ trigger.at }}"},
    ]);
    let mut run = Run::start(&compile(&steps), json!({"at": "2030-01-01"}));
    let at = Timestamp::from_secs(1_001 + 90);
    assert_eq!(run.commands[0], Cmd::Timer { id: "pause".into(), at });
    assert_eq!(run.feed(fired("until")), [], "not begun yet");
    let commands = run.feed(fired("pause"));
    let at = Timestamp::parse("2030-01-01").unwrap();
    assert_eq!(commands[0], Cmd::Timer { id: "until".into(), at });
    assert_eq!(run.done("until", json!("a timer takes no answer")), []);
    assert_eq!(run.feed(fired("until")), [Cmd::Complete(json!(null))]);

    let mut run = Run::start(&compile(&steps), json!({"at": "soon"}));
    let commands = run.feed(fired("pause"));
    assert!(error(&commands[0]).failure.message.contains("`soon`, which is no RFC 3339 time"));
}

#[test]
fn an_approval_shows_its_question_and_takes_yes_or_no() {
    let ask = |on_reject: &str| {
        json!([{"id": "ask", "type": "approval", "message": "Send to {{ trigger.who }}?",
            "approvers": ["owner"], "on_reject": on_reject}])
    };
    let mut run = Run::start(&compile(&ask("fail")), json!({"who": "all"}));
    let meta = json!({"message": "Send to all?", "approvers": ["owner"]});
    let asked = Cmd::AwaitSignal {
        id: "ask".into(),
        name: "approval:ask".into(),
        deadline: None,
        meta: Some(meta),
    };
    assert_eq!(run.commands, [asked]);
    let yes = json!({"approved": true, "by": "usr_1"});
    assert_eq!(run.signal("approval:ask", yes.clone()), [Cmd::Complete(yes)]);

    for no in [json!({"approved": false, "comment": "too soon"}), json!(null), json!("yes")] {
        let mut run = Run::start(&compile(&ask("fail")), json!({"who": "all"}));
        let commands = run.signal("approval:ask", no.clone());
        assert_eq!(error(&commands[0]).failure.code, "rejected", "{no}");
        let mut run = Run::start(&compile(&ask("continue")), json!({"who": "all"}));
        assert_eq!(run.signal("approval:ask", no.clone()), [Cmd::Complete(no)]);
    }
}

#[test]
fn an_approval_cannot_be_given_before_it_is_asked_for() {
    let steps = json!([act("a", json!({})), {"id": "ask", "type": "approval", "message": "?"}]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.signal("approval:ask", json!({"approved": true}));
    run.done("a", json!(null));
    assert_eq!(run.interp.pending(), ["ask"]);
}

#[test]
fn a_child_answers_with_its_output_or_error() {
    let steps = json!([
        {"id": "c", "type": "workflow", "workflow": "other", "input": {"x": "{{ trigger }}"}},
    ]);
    let mut run = Run::start(&compile(&steps), json!(1));
    let Cmd::Child { id, workflow, input, key_suffix, .. } = &run.commands[0] else {
        panic!("{:?}", run.commands)
    };
    assert_eq!((id.as_str(), workflow.as_str(), key_suffix.as_str()), ("c", "other", "c"));
    assert_eq!(input, &json!({"x": 1}));
    let result = ChildOutcome::Output(json!("out"));
    let commands = run.feed(Event::ChildDone { id: "c".into(), result });
    assert_eq!(commands, [Cmd::Complete(json!("out"))]);

    let mut run = Run::start(&compile(&steps), json!(1));
    let mut inside = RunError::new("bad", "No room.");
    inside.step = Some("save".into());
    inside.compensations = vec![Compensation { step: "theirs".into(), error: None }];
    let result = ChildOutcome::Error(inside);
    let commands = run.feed(Event::ChildDone { id: "c".into(), result });
    let error = error(&commands[0]);
    assert_eq!((error.step.as_deref(), error.failure.code.as_str()), (Some("c"), "bad"));
    assert_eq!(error.failure.message, "No room. (In step `save` of the workflow it ran.)");
    assert!(error.compensations.is_empty(), "what the child undid is told by the child");
}
