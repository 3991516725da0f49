//! Order, branches, loops, variables, limits.

use serde_json::{Value, json};

use super::driver::{Run, act, compile, error, outcome, whole};
use crate::{
    Timestamp,
    workflow::{Cmd, Definition, Event, Program},
};

fn completed(command: &Cmd) -> &Value {
    match command {
        Cmd::Complete(output) => output,
        other => panic!("expected completion, got {other:?}"),
    }
}

#[test]
fn steps_run_in_order_and_see_what_came_before() {
    let program = compile(&json!([
        act("a", json!({"email": "{{ trigger.email|lower }}"})),
        act("b", json!({"got": "{{ steps.a.output.id }}", "at": "{{ run.started_at }}"})),
    ]));
    let mut run = Run::start(&program, json!({"email": "A@B.C"}));
    assert_eq!(run.steps(), ["a"]);
    assert_eq!(run.input("a"), &json!({"email": "a@b.c"}));
    let next = run.done("a", json!({"id": 7}));
    assert_eq!(next.last(), Some(&Cmd::Progress(json!({"done": 1, "of": 2}))));
    assert_eq!(run.input("b"), &json!({"got": 7, "at": "1970-01-01T00:16:41Z"}));
    assert_eq!(run.interp.pending(), ["b"]);
    assert_eq!(run.done("b", json!("end")), [Cmd::Complete(json!("end"))]);
    assert!(run.interp.is_over());
    assert_eq!(run.done("b", json!("again")), []);
    assert_eq!(run.interp.executed(), 2);
}

#[test]
fn keys_are_stable_and_differ_between_generations() {
    let program =
        compile(&json!([act("a", json!({})), {"id": "r", "type": "restart", "input": {"n": 1}}]));
    let key = |generation: u32| {
        let mut interp = crate::workflow::Interp::new(program.clone(), json!({}));
        let commands = interp.on(Timestamp(1), Event::Started { seed: 1, generation });
        match commands.as_slice() {
            [Cmd::Step { key_suffix, .. }] => key_suffix.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((key(0), key(2)), ("a".to_owned(), "g2/a".to_owned()));
    let mut run = Run::start(&program, json!({}));
    assert_eq!(run.done("a", json!(null)).last(), Some(&Cmd::ContinueAs(json!({"n": 1}))));
    assert!(run.interp.is_over());
}

#[test]
fn a_branch_goes_one_way_and_its_output_is_that_ways() {
    let steps = json!([
        {"id": "b", "type": "branch", "condition": "{{ trigger.n > 5 }}",
         "then": [act("big", json!({}))], "else": [act("small", json!({}))]},
        act("after", json!({
            "got": "{{ steps.b.output.id }}", "big": "{{ steps.big.output|default('none') }}",
        })),
    ]);
    let (_, ran) = outcome(&steps, json!({"n": 9}), &[]);
    assert_eq!(ran, ["big", "after"]);
    let mut run = Run::start(&compile(&steps), json!({"n": 1}));
    run.done("small", json!({"id": "s"}));
    assert_eq!(run.input("after"), &json!({"got": "s", "big": "none"}));
}

#[test]
fn parallel_branches_start_together_and_answers_come_in_any_order() {
    let steps = json!([
        {"id": "p", "type": "parallel", "branches": [
            [act("a1", json!({})), act("a2", json!("{{ steps.a1.output }}"))],
            [act("b1", json!({}))],
        ]},
        act("end", json!("{{ steps.p.output }}")),
    ]);
    let mut run = Run::start(&compile(&steps), json!({}));
    assert_eq!(run.steps(), ["a1", "b1"]);
    run.done("b1", json!("B"));
    run.done("a1", json!("A"));
    assert_eq!(run.input("a2"), &json!("A"));
    run.done("a2", json!("A2"));
    assert_eq!(run.input("end"), &json!(["A2", "B"]));
}

#[test]
fn a_switch_goes_the_first_way_that_is_true() {
    let steps = json!([
        {"id": "size", "type": "switch", "cases": [
            {"when": "trigger.n > 100", "steps": [act("huge", json!({}))]},
            {"when": "trigger.n > 10", "steps": [act("big", json!({}))]},
            {"when": "trigger.n > 5"},
         ], "default": [act("small", json!({}))]},
        act("after", json!({"got": "{{ steps.size.output|default('nothing') }}"})),
    ]);
    for (n, way) in [(500, "huge"), (50, "big"), (1, "small")] {
        let (_, ran) = outcome(&steps, json!({"n": n}), &[]);
        assert_eq!(ran, [way, "after"]);
    }
    assert_eq!(outcome(&steps, json!({"n": 7}), &[]).1, ["after"]);
}

fn racing(wait_for: &Value) -> Value {
    json!([
        {"id": "p", "type": "parallel", "wait_for": wait_for, "branches": [
            [act("a", json!({}))],
            [act("b", json!({})), {"id": "nap", "type": "wait", "for": "1h"}],
            [act("c", json!({}))],
        ]},
        act("end", json!("{{ steps.p.output }}")),
    ])
}

#[test]
fn the_first_branch_ends_a_race_and_the_others_are_stopped() {
    let mut run = Run::start(&compile(&racing(&json!("any"))), json!({}));
    run.done("b", json!("B"));
    let stops = run.done("c", json!("C"));
    let cancel = |id: &str| Cmd::Cancel { id: id.to_owned() };
    assert_eq!(stops, [cancel("a"), cancel("nap")]);
    assert_eq!(run.interp.pending(), ["a"], "what may have been done is waited for");
    run.failed("a", "cancelled");
    assert_eq!(run.input("end"), &json!([null, null, "C"]));
}

#[test]
fn a_race_bears_as_many_failures_as_it_has_branches_to_spare() {
    let program = compile(&racing(&json!(2)));
    let mut run = Run::start(&program, json!({}));
    assert_eq!(run.failed("a", "one"), [], "two can still come to their end");
    run.done("c", json!("C"));
    run.done("b", json!("B"));
    run.feed(Event::Fired { id: "nap".to_owned() });
    assert_eq!(run.input("end"), &json!([null, null, "C"]), "a wait has no output");
    let mut run = Run::start(&program, json!({}));
    run.failed("a", "one");
    run.failed("c", "two");
    run.done("b", json!("B"));
    let failed = error(run.commands.last().unwrap());
    assert_eq!((failed.failure.code.as_str(), failed.step.as_deref()), ("two", Some("c")));
}

#[test]
fn a_race_has_as_many_branches_as_it_waits_for() {
    for wrong in [json!(0), json!(4), json!("some"), json!(1.5)] {
        let definition = json!({"version": 1, "name": "t", "steps": racing(&wrong)});
        let fault = Definition::read(&definition).and_then(Program::compile).unwrap_err();
        assert_eq!(fault.fields[0].field, "/steps/0/wait_for", "{wrong}: {:?}", fault.fields);
    }
}

#[test]
fn a_loop_keeps_order_and_its_limit() {
    let steps = json!([
        {"id": "each", "type": "for_each", "items": "trigger.rows", "concurrency": 2, "as": "row",
         "steps": [act("a", json!({"v": "{{ item.v }}", "i": "{{ index }}"})),
                   act("b", json!({"own": "{{ steps.a.output }}", "v": "{{ row.v }}"}))]},
        act("end", json!("{{ steps.each.output }}")),
    ]);
    let mut run = Run::start(&compile(&steps), json!({"rows": [{"v": 10}, {"v": 20}, {"v": 30}]}));
    assert_eq!(run.steps(), ["each[0].a", "each[1].a"]);
    run.done("each[1].a", json!("A1"));
    assert_eq!(run.input("each[1].b"), &json!({"own": "A1", "v": 20}));
    assert_eq!(run.interp.pending(), ["each[0].a", "each[1].b"]);
    run.done("each[1].b", json!("B1"));
    assert_eq!(run.input("each[2].a"), &json!({"v": 30, "i": 2}));
    run.done("each[2].a", json!("A2"));
    run.done("each[2].b", json!("B2"));
    run.done("each[0].a", json!("A0"));
    run.done("each[0].b", json!("B0"));
    assert_eq!(run.input("end"), &json!(["B0", "B1", "B2"]));
}

#[test]
fn loops_nest_and_empty_ones_pass() {
    let steps = json!([{
        "id": "o", "type": "for_each", "items": [[1, 2], []], "as": "row",
        "steps": [{"id": "i", "type": "for_each", "items": "item", "steps": [
            act("x", json!("{{ row|length * 10 + item }}")),
        ]}],
    }]);
    let (last, ran) =
        outcome(&steps, json!({}), &[("o[0].i[0].x", Ok(json!(1))), ("o[0].i[1].x", Ok(json!(2)))]);
    assert_eq!(ran, ["o[0].i[0].x", "o[0].i[1].x"]);
    assert_eq!(completed(&last), &json!([[1, 2], []]));
}

#[test]
fn ten_thousand_items_that_end_at_once_need_no_deep_stack() {
    let steps = json!([{"id": "e", "type": "for_each", "items": "trigger", "concurrency": 1000,
        "steps": [{"id": "s", "type": "set", "vars": {"last": "{{ index }}"}}]},
        {"id": "end", "type": "stop", "output": "{{ vars.last }}"}]);
    let run = Run::start(&compile(&steps), json!(vec![0; 9_000]));
    assert_eq!(completed(run.commands.last().unwrap()), &json!(8_999));
    let run = Run::start(&compile(&steps), json!(vec![0; 10_000]));
    assert_eq!(error(run.commands.last().unwrap()).failure.code, "limit", "one step too many");
    let run = Run::start(&compile(&steps), json!(vec![0; 10_001]));
    assert_eq!(error(run.commands.last().unwrap()).step.as_deref(), Some("e"));
    let run = Run::start(&compile(&steps), json!({"not": "a list"}));
    assert!(error(run.commands.last().unwrap()).failure.message.contains("must be a list"));
}

#[test]
fn results_have_a_limit_together() {
    let steps = json!([
        {"id": "e", "type": "for_each", "items": "trigger", "steps": [act("a", json!({}))]},
    ]);
    let mut run = Run::start(&compile(&steps), json!(vec![0; 100]));
    let big = json!("x".repeat(1_000_000));
    for index in 0..40 {
        if run.interp.is_over() {
            break;
        }
        run.done(&format!("e[{index}].a"), big.clone());
    }
    let error = error(run.commands.last().unwrap());
    assert_eq!((error.failure.code.as_str(), error.step.as_deref()), ("limit", Some("e[33].a")));
}

#[test]
fn when_leaves_steps_out() {
    let mut skipped = act("a", json!({}));
    skipped["when"] = json!("trigger.go");
    let steps = json!([skipped, act("b", json!("{{ steps.a.status }} {{ steps.a.output }}"))]);
    let mut run = Run::start(&compile(&steps), json!({"go": false}));
    assert_eq!(run.input("b"), &json!("skipped "));
    assert_eq!(run.done("b", json!(1)), [Cmd::Complete(json!(1))]);
    let (_, ran) = outcome(&steps, json!({"go": true}), &[]);
    assert_eq!(ran, ["a", "b"]);
    let (last, _) = outcome(&steps, json!({}), &[]);
    assert!(error(&last).failure.message.contains("`trigger.go` is unknown"));
}

#[test]
fn a_trigger_condition_that_fails_skips_and_one_that_breaks_fails() {
    let definition = json!({"version": 1, "name": "t", "steps": [act("a", json!({}))],
        "trigger": {"type": "manual", "when": "trigger.n > 1"}});
    let program = whole(&definition);
    let run = Run::start(&program, json!({"n": 1}));
    assert_eq!(run.commands, [Cmd::Complete(json!({"skipped": true}))]);
    assert_eq!(error(&Run::start(&program, json!({})).commands[0]).failure.code, "expression");
    assert_eq!(Run::start(&program, json!({"n": 2})).steps(), ["a"]);
}

#[test]
fn variables_set_and_the_declared_output() {
    let program = whole(&json!({"version": 1, "name": "t", "vars": {"n": 1, "keep": "k"},
        "steps": [{"id": "s", "type": "set", "vars": {"n": "{{ vars.n + 1 }}"}}],
        "output": {"n": "{{ vars.n }}", "keep": "{{ vars.keep }}", "seed": "{{ run.seed }}"}}));
    let run = Run::start(&program, json!({}));
    assert_eq!(run.commands, [Cmd::Complete(json!({"n": 2, "keep": "k", "seed": 42}))]);
}

#[test]
fn a_failed_step_fails_the_run_unless_it_may_fail() {
    let mut tolerant = act("a", json!({}));
    tolerant["continue_on_error"] = json!(true);
    let steps = json!([tolerant, act("b", json!("{{ steps.a.error.code }}/{{ steps.a.status }}"))]);
    let mut run = Run::start(&compile(&steps), json!({}));
    run.failed("a", "nope");
    assert_eq!(run.input("b"), &json!("nope/failed"));
    let commands = run.failed("b", "bad");
    let error = error(&commands[0]);
    assert_eq!((error.failure.code.as_str(), error.step.as_deref()), ("bad", Some("b")));
    assert_eq!(error.failure.message, "it said bad");
}

#[test]
fn fail_and_stop_end_the_run_from_anywhere() {
    let each = |inner: Value| {
        json!([
            {"id": "e", "type": "for_each", "items": [1, 2], "steps": [inner]},
            act("never", json!({})),
        ])
    };
    let (last, ran) = outcome(
        &each(json!({"id": "f", "type": "fail", "message": "no {{ item }}", "code": "own"})),
        json!({}),
        &[],
    );
    let failure = error(&last);
    assert_eq!((failure.failure.code.as_str(), failure.failure.message.as_str()), ("own", "no 1"));
    assert_eq!((failure.step.as_deref(), ran.len()), (Some("e[0].f"), 0));
    let (last, _) = outcome(
        &each(json!({"id": "s", "type": "stop", "output": ["{{ item }}"]})),
        json!({}),
        &[],
    );
    assert_eq!(completed(&last), &json!([1]));
}

#[test]
fn a_caught_failure_stops_the_rest_of_its_group_first() {
    let steps = json!([
        {"id": "p", "type": "parallel", "continue_on_error": true, "branches": [
            [act("a", json!({})), act("a2", json!({}))],
            [{"id": "w", "type": "wait", "for": "1h"}],
            [{"id": "e", "type": "for_each", "items": [1], "steps": [act("b", json!({}))]}],
        ]},
        act("after", json!("{{ steps.p.error.code }}")),
    ]);
    let mut run = Run::start(&compile(&steps), json!({}));
    let stopped = run.failed("a", "bad");
    let cancel = |id: &str| Cmd::Cancel { id: id.into() };
    assert_eq!(stopped, [cancel("w"), cancel("e[0].b")], "and nothing goes on yet");
    assert_eq!(run.interp.pending(), ["e[0].b"]);
    run.failed("e[0].b", "cancelled");
    assert_eq!(run.input("after"), &json!("bad"));
    assert_eq!(run.done("after", json!(0)), [Cmd::Complete(json!(0))]);
}
