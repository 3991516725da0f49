//! What a moment of a run shows.

use serde_json::json;

use super::driver::{Run, act, compile, undoable};
use crate::workflow::Pending;

fn pending(step: &str, waits_for: &'static str, signal: Option<&str>) -> Pending {
    Pending { step: step.to_owned(), waits_for, signal: signal.map(str::to_owned) }
}

#[test]
fn it_shows_what_ended_what_is_pending_and_what_would_be_undone() {
    let steps = json!([
        undoable("one"),
        {"id": "both", "type": "parallel", "branches": [
            [act("left", json!({}))],
            [{"id": "nap", "type": "wait", "for": "1h"}],
            [{"id": "ask", "type": "wait", "signal": "go"}],
            [{"id": "each", "type": "for_each", "items": "[7]", "steps": [
                {"id": "first", "type": "set", "vars": {"n": "{{ item }}"}},
                act("in", json!({})),
            ]}],
        ]},
    ]);
    let mut run = Run::start(&compile(&steps), json!({"a": 1}));
    let begun = run.interp.snapshot();
    assert_eq!((begun.phase, begun.executed), ("running", 1));
    assert_eq!(begun.pending, [pending("one", "answer", None)]);
    run.signal("other", json!(5));
    run.done("one", json!({"id": "o"}));
    let wide = run.interp.snapshot();
    assert_eq!(
        wide.pending,
        [
            pending("ask", "signal", Some("go")),
            pending("each[0].in", "answer", None),
            pending("left", "answer", None),
            pending("nap", "time", None),
        ]
    );
    assert_eq!(wide.steps.keys().collect::<Vec<_>>(), ["each[0].first", "one"]);
    assert_eq!(wide.steps["one"]["output"], json!({"id": "o"}));
    assert_eq!((wide.vars, wide.input), (json!({"n": 7}), json!({"a": 1})));
    assert_eq!(wide.undo, ["one"]);
    assert_eq!(wide.signals, [("other".to_owned(), json!(5))]);
    run.failed("left", "broken");
    let ending = run.interp.snapshot();
    assert_eq!(ending.pending, [pending("each[0].in", "stop", None)]);
    run.failed("each[0].in", "cancelled");
    let undoing = run.interp.snapshot();
    assert_eq!(undoing.phase, "undoing");
    assert_eq!(undoing.pending, [pending("one:undo", "answer", None)]);
    run.done("one:undo", json!(null));
    assert_eq!(run.interp.snapshot().phase, "over");
}
