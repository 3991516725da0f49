//! Tests of tests.

use serde_json::{Value, json};

use super::*;
use crate::workflow::{Definition, Entry, Fate};

fn program(definition: &Value) -> Program {
    let definition = Definition::read(definition).unwrap_or_else(|e| panic!("{:?}", e.fields));
    Program::compile(definition).unwrap_or_else(|e| panic!("{:?}", e.fields))
}

fn plan(value: Value) -> Plan {
    serde_json::from_value(value).unwrap()
}

/// A test whose calls all go unperformed.
fn dry(definition: &Value, given: Value) -> Report {
    let mut trial = Trial::begin(program(definition), plan(given), Timestamp(0)).unwrap();
    while let Turn::Ask(call) = trial.turn() {
        trial.answer(call, How::NotPerformed, Ok(Value::Null));
    }
    trial.report()
}

fn onboarding() -> Value {
    json!({"version": 1, "name": "On board",
        "inputs": {"email": {"type": "string", "required": true}},
        "steps": [
            {"id": "lookup", "type": "action", "action": "crm.get",
             "input": {"key": "{{ trigger.email|lower }}"}},
            {"id": "size", "type": "branch", "condition": "steps.lookup.output.seats > 10",
             "then": [{"id": "big", "type": "set", "vars": {"tier": "gold"}}],
             "else": [{"id": "small", "type": "set", "vars": {"tier": "tin"}}]},
            {"id": "nap", "type": "wait", "for": "2d"},
            {"id": "ok", "type": "approval", "message": "Go for {{ vars.tier }}?",
             "deadline": "1d"},
            {"id": "each", "type": "for_each", "items": "steps.lookup.output.people", "as": "who",
             "steps": [{"id": "tell", "type": "action", "action": "chat.post",
                        "input": {"text": "{{ who }} {{ index }} {{ vars.tier }}"}}]}],
        "output": {"tier": "{{ vars.tier }}", "told": "{{ steps.each.output }}"}})
}

fn pinned_lookup() -> Value {
    json!({"lookup": {"output": {"seats": 20, "people": ["Ann", "Bo"]}}})
}

fn fates(report: &Report) -> Vec<(&str, Fate, How)> {
    report.steps.iter().map(|step| (step.path.as_str(), step.status, step.how)).collect()
}

#[test]
fn a_whole_test_passes_waits_and_tells_every_step() {
    let report = dry(
        &onboarding(),
        json!({"input": {"email": "ADA@B.C"}, "pinned": pinned_lookup(),
               "approvals": {"ok": {"approved": true}}}),
    );
    assert_eq!(
        fates(&report),
        [
            ("lookup", Fate::Completed, How::Pinned),
            ("size", Fate::Completed, How::Evaluated),
            ("big", Fate::Completed, How::Evaluated),
            ("nap", Fate::Completed, How::TimePassed),
            ("ok", Fate::Completed, How::Given),
            ("each", Fate::Completed, How::Evaluated),
            ("each[0].tell", Fate::Completed, How::NotPerformed),
            ("each[1].tell", Fate::Completed, How::NotPerformed),
        ]
    );
    assert_eq!(report.steps[0].input, Some(json!({"key": "ada@b.c"})), "expressions filled in");
    assert_eq!(report.steps[1].took.as_deref(), Some("then"));
    assert_eq!(report.steps[5].took.as_deref(), Some("2 items"));
    assert_eq!(report.steps[7].input, Some(json!({"text": "Bo 1 gold"})));
    assert_eq!(report.steps[7].place.as_deref(), Some("/steps/4/steps/0"));
    assert!(report.steps[7].hint.as_deref().unwrap().contains("pin an output"));
    assert_eq!(report.not_reached, ["small"]);
    assert_eq!(report.output, Some(json!({"tier": "gold", "told": [null, null]})));
    assert_eq!(report.ended_at, Timestamp::from_secs(2 * 86_400), "two days passed at once");
}

#[test]
fn what_nobody_answers_runs_into_its_deadline_or_waits() {
    let given = json!({"input": {"email": "a"}, "pinned": pinned_lookup()});
    let late = dry(&onboarding(), given.clone());
    assert_eq!(late.status, Status::Failed);
    assert_eq!(late.error.unwrap().failure.code, "timeout");
    let mut patient = onboarding();
    patient["steps"][3].as_object_mut().unwrap().remove("deadline");
    let waiting = dry(&patient, given);
    assert_eq!((waiting.status, waiting.not_reached.len()), (Status::Waiting, 3));
    let asks = waiting.steps.last().unwrap();
    assert_eq!(asks.wait.as_ref().unwrap().asks.as_ref().unwrap()["message"], "Go for gold?");
    assert!(asks.hint.as_deref().unwrap().contains("`approvals`, as `ok`"));
}

#[test]
fn a_test_ends_after_the_step_up_to_which_it_goes() {
    let until = |step: &str| {
        let scope = json!({"until": step});
        dry(
            &onboarding(),
            json!({"input": {"email": "a"}, "scope": scope,
            "pinned": pinned_lookup(), "approvals": {"ok": {"approved": true}}}),
        )
    };
    let report = until("size");
    assert_eq!((report.status, report.output), (Status::Completed, Some(json!({"tier": "gold"}))));
    assert_eq!(report.steps.len(), 3);
    assert_eq!(until("each[0].tell").steps.last().unwrap().path, "each[0].tell");
    assert_eq!(until("small").not_reached, ["small"], "the branch went the other way");
    let failed = dry(
        &onboarding(),
        json!({"input": {"email": "a"}, "scope": {"until": "lookup"},
        "pinned": {"lookup": {"error": {"code": "not_found", "message": "gone"}}}}),
    );
    assert_eq!(failed.status, Status::Failed);
    assert_eq!(failed.error.unwrap().step.as_deref(), Some("lookup"));
}

#[test]
fn a_step_alone_sees_what_it_is_given() {
    let report = dry(
        &onboarding(),
        json!({"scope": {"step": "tell"}, "vars": {"tier": "tin"},
        "loops": {"each": {"item": "Cy", "index": 4}}}),
    );
    assert_eq!(report.steps.len(), 1);
    assert_eq!(report.steps[0].input, Some(json!({"text": "Cy 4 tin"})));
    assert_eq!(report.not_reached, Vec::<String>::new());
    let report = dry(&onboarding(), json!({"scope": {"step": "size"}, "pinned": pinned_lookup()}));
    assert_eq!((report.status, report.steps.len()), (Status::Completed, 2));
    let report = dry(
        &onboarding(),
        json!({"scope": {"step": "size"},
        "pinned": {"lookup": {"output": {"chairs": 3}}}}),
    );
    assert_eq!(report.error_at.as_deref(), Some("/steps/1/condition"));
    let unknown = plan(json!({"scope": {"step": "lookupp"}}));
    let error = Trial::begin(program(&onboarding()), unknown, Timestamp(0)).unwrap_err();
    assert!(error.detail.contains("there is no step `lookupp`"), "{}", error.detail);
}

#[test]
fn an_expression_that_fails_is_shown_in_its_place() {
    let broken = json!({"version": 1, "name": "t", "steps": [
        {"id": "post", "type": "action", "action": "chat.post", "input": {}},
        {"id": "use", "type": "action", "action": "chat.post",
         "input": {"a/b": ["x", "{{ steps.post.output.ts|lower }}"]}}]});
    let report = dry(&broken, json!({}));
    let failed = &report.steps[1];
    assert_eq!(failed.error_at.as_deref(), Some("/steps/1/input/a~1b/1"));
    assert_eq!(report.error_at, failed.error_at);
    assert!(failed.hint.as_deref().unwrap().contains("Step `post` was not performed"));
    let output = json!({"version": 1, "name": "t", "output": {"x": "{{ trigger.gone }}"},
        "steps": [{"id": "s", "type": "set", "vars": {"a": 1}}]});
    assert_eq!(dry(&output, json!({"input": {}})).error_at.as_deref(), Some("/output/x"));
}

#[test]
fn undoing_is_shown_and_not_done() {
    let saga = json!({"version": 1, "name": "t", "steps": [
        {"id": "seat", "type": "action", "action": "t.take",
         "compensate": {"action": "t.free", "input": {"key": "{{ steps.seat.output.key }}"}}},
        {"id": "pay", "type": "action", "action": "t.pay"}]});
    let report = dry(
        &saga,
        json!({"pinned": {"seat": {"output": {"key": "7A"}},
        "pay": {"error": {"code": "refused"}}}}),
    );
    let undone = report.steps.last().unwrap();
    assert_eq!((undone.path.as_str(), &undone.input), ("seat:undo", &Some(json!({"key": "7A"}))));
    assert_eq!(
        (undone.how, undone.place.as_deref()),
        (How::NotPerformed, Some("/steps/0/compensate"))
    );
    assert_eq!(report.error.unwrap().compensations.len(), 1);
}

#[test]
fn any_step_can_be_pinned() {
    let report = dry(
        &onboarding(),
        json!({"input": {"email": "a"}, "pinned": {
        "lookup": {"output": {"seats": 1, "people": []}}, "size": {"output": 1},
        "nap": {"output": null}, "ok": {"error": {"code": "rejected", "message": "no"}}},
        "vars": {"tier": "none"}}),
    );
    assert_eq!(report.error.as_ref().unwrap().failure.code, "rejected");
    assert!(report.steps[1..].iter().all(|step| step.how == How::Pinned), "{report:?}");
    let wrong = plan(json!({"pinned": {"nobody": {"output": 1}}, "approvals": {"each[1].ok":
        {"approved": true}}}));
    let error = wrong.check(program(&onboarding()).definition()).unwrap_err();
    assert_eq!(error.fields.len(), 1);
    assert_eq!(error.fields[0].field, "/pinned/nobody");
}

/// The recorded history that has a bit of everything comes out the same as a test.
#[test]
fn a_recorded_run_repeats_itself() {
    let definition: Value =
        serde_json::from_str(include_str!("../../../fixtures/workflow/definition-v1.json"))
            .unwrap();
    let mut lines = include_str!("../../../fixtures/journal/history-v1.jsonl").lines();
    let input: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let (mut entries, mut last) = (Vec::new(), Value::Null);
    for line in lines {
        let recorded: Value = serde_json::from_str(line).unwrap();
        entries.push(Entry::from_json(&recorded["entry"].to_string()).unwrap());
        last = recorded["commands"].as_array().unwrap().last().cloned().unwrap_or(last);
    }
    let plan = recorded(&Arc::new(program(&definition)), &input, &entries, |_| false);
    let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(stored, plan);
    let mut trial = Trial::begin(program(&definition), plan.clone(), Timestamp(0)).unwrap();
    assert!(matches!(trial.turn(), Turn::Over), "nothing is asked: all is recorded");
    let report = trial.report();
    let end = match report.status {
        Status::Completed => json!({"complete": report.output}),
        Status::Restarted => json!({"continue_as": report.output}),
        _ => json!({"fail": report.error}),
    };
    assert_eq!(end, last);
    let expected = Expected::of(&report);
    assert!(expected.differences(&Expected::of(&report)).is_empty());
    // A changed definition shows where it differs.
    let mut changed = definition;
    changed["steps"][0]["input"]["record"] = json!("{{ trigger.record.email }}");
    let mut trial = Trial::begin(program(&changed), plan, Timestamp(0)).unwrap();
    while let Turn::Ask(call) = trial.turn() {
        trial.answer(call, How::NotPerformed, Ok(Value::Null));
    }
    let found = expected.differences(&Expected::of(&trial.report()));
    assert!(found.iter().any(|one| one.path.starts_with("/steps/save/input")), "{found:?}");
}
