use super::*;
use crate::{
    Code, Timestamp,
    workflow::{Cmd, Event, Interp, Program},
};

const ACTIONS: [&str; 3] = ["collection.upsert", "slack.post_message", "hubspot.create_contact"];

fn legacy(value: Value) -> LegacyWorkflow {
    serde_json::from_value(value).unwrap()
}

fn new_lead_alert() -> Value {
    json!({
        "name": "New Lead Alert",
        "trigger_type": "webhook",
        "trigger_config": {"event": "contact.creation"},
        "actions": [
            {"type": "create_contact", "target": "digisol_crm"},
            {"type": "send_notification", "channel": "slack"}
        ]
    })
}

fn run(definition: Definition, input: Value) -> Vec<Cmd> {
    let program = Program::compile(definition).unwrap();
    let mut run = Interp::new(program.into(), input);
    let mut commands = run.on(Timestamp::from_secs(1), Event::Started { seed: 1, generation: 0 });
    for _ in 0..9 {
        let open: Vec<String> = run.pending().into_iter().map(str::to_owned).collect();
        for id in open {
            let done = Event::Done { id, output: json!({"id": 1}) };
            commands.extend(run.on(Timestamp::from_secs(2), done));
        }
    }
    assert!(run.is_over());
    commands
}

fn steps(commands: &[Cmd]) -> Vec<(&str, &str, &Value)> {
    commands
        .iter()
        .filter_map(|command| match command {
            Cmd::Step { id, action, input, .. } => Some((id.as_str(), action.as_str(), input)),
            _ => None,
        })
        .collect()
}

#[test]
fn the_documented_example_runs() {
    let definition = legacy(new_lead_alert()).to_definition(&ACTIONS).unwrap();
    assert_eq!(definition.name, "New Lead Alert");
    assert_eq!(definition.trigger.kind, TriggerType::Webhook);
    assert_eq!(definition.trigger.config["event"], "contact.creation");

    let record = json!({"email": "ada@example.com", "firstname": "Ada"});
    let commands = run(definition, json!({"event": "contact.creation", "record": record}));
    assert_eq!(
        steps(&commands),
        [
            (
                "create_contact",
                "collection.upsert",
                &json!({"collection": "digisol_crm/contacts", "record": record})
            ),
            (
                "send_notification",
                "slack.post_message",
                &json!({"text": "New Lead Alert: ada@example.com"})
            ),
        ]
    );
    assert_eq!(commands.last(), Some(&Cmd::Complete(json!({"id": 1}))));
}

#[test]
fn a_bare_record_and_a_quoted_name_work_too() {
    let mut value = new_lead_alert();
    value["name"] = json!("It's \"{{ new }}\" \\ \u{1F600}\n");
    value["actions"][1]["to"] = json!("#sales");
    let definition = legacy(value).to_definition(&ACTIONS).unwrap();
    let commands = run(definition, json!({"email": "a@b.c"}));
    let expected = json!({"channel": "#sales", "text": "It's \"{{ new }}\" \\ \u{1F600}\n: a@b.c"});
    assert_eq!(steps(&commands)[1].2, &expected);
    assert_eq!(steps(&commands)[0].2["record"], json!({"email": "a@b.c"}));
}

#[test]
fn a_run_that_does_not_meet_the_conditions_is_skipped() {
    let record = json!({"email": "ada@example.com", "amount": "1500", "n": 7, "tags": ["vip", 3],
        "nothing": null, "properties": {"stage": "lead"}, "empty": "", "yes": true});
    for (conditions, holds) in [
        (json!(null), true),
        (json!({}), true),
        (json!([]), true),
        (json!({"email": "ada@example.com"}), true),
        (json!({"properties.stage": "lead", "n": 7}), true),
        (json!({"properties.stage": "customer"}), false),
        (json!({"missing": "x"}), false),
        (json!({"missing.deeper": null}), true),
        (json!({"yes": true}), true),
        (json!([{"field": "trigger.n", "operator": ">", "value": 6.5}]), true),
        (json!([{"field": "amount", "operator": "greater_than", "value": 999}]), true),
        (json!([{"field": "amount", "operator": "equals", "value": 1500}]), true),
        (json!([{"field": "amount", "operator": "equals", "value": "1500"}]), true),
        (json!([{"field": "email", "operator": "gt", "value": 5}]), false),
        (json!([{"field": "missing", "operator": "lt", "value": 5}]), false),
        (json!([{"field": "email", "operator": "contains", "value": "@example"}]), true),
        (json!([{"field": "tags", "operator": "contains", "value": "vip"}]), true),
        (json!([{"field": "tags", "operator": "contains", "value": 4}]), false),
        (json!([{"field": "n", "operator": "contains", "value": 7}]), true),
        (json!([{"field": "missing", "operator": "not_contains", "value": "x"}]), true),
        (json!([{"field": "email", "operator": "starts_with", "value": "ada"}]), true),
        (json!([{"field": "email", "operator": "ends_with", "value": ".org"}]), false),
        (json!([{"field": "n", "operator": "in", "value": [6, 7]}]), true),
        (json!([{"field": "n", "operator": "not_in", "value": [6, 7]}]), false),
        (json!([{"field": "nothing", "operator": "exists"}]), false),
        (json!([{"field": "empty", "operator": "is_empty"}]), true),
        (json!([{"field": "yes", "operator": "exists"}, {"field": "n", "value": 8}]), false),
    ] {
        let mut value = new_lead_alert();
        value["conditions"] = conditions.clone();
        let definition = legacy(value).to_definition(&ACTIONS).unwrap();
        let commands = run(definition, record.clone());
        let expected = if holds { json!({"id": 1}) } else { json!({"skipped": true}) };
        assert_eq!(commands.last(), Some(&Cmd::Complete(expected)), "{conditions}");
    }
}

#[test]
fn faults_are_named_all_at_once() {
    let error = legacy(json!({
        "name": "x",
        "trigger_type": "telepathy",
        "actions": [
            {"type": "send_fax"},
            {"type": "send_notification", "channel": "pigeon"},
            {"type": "create_contact", "target": "salesforce"},
            {"channel": "slack"},
            {"type": "create_contact", "colour": "red"}
        ],
        "conditions": [
            {"operator": "equals"},
            {"field": "a", "operator": "resembles", "value": 1},
            {"field": "a", "operator": "in", "value": 1},
            {"field": "a..b", "value": 1},
            "email"
        ]
    }))
    .to_definition(&ACTIONS)
    .unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    let fields: Vec<&str> = error.fields.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "/trigger_type",
            "/conditions/0/field",
            "/conditions/1/operator",
            "/conditions/2/value",
            "/conditions/3/field",
            "/conditions/4",
            "/actions/0/type",
            "/actions/1/channel",
            "/actions/2/type",
            "/actions/3/type",
            "/actions/4",
        ]
    );
    let unknown = &error.fields[6].message;
    assert!(unknown.contains("no action `send_fax`") && unknown.contains("`known_actions`"));
    let known = error.extra["known_actions"].as_array().unwrap();
    assert!(known.contains(&json!("slack.post_message")) && known.contains(&json!("create_deal")));
    let messages: String = error.fields.iter().map(|fault| fault.message.as_str()).collect();
    assert!(!messages.contains("slack.post_message"), "the names are listed once: {messages}");
    assert!(legacy(json!({"name": "x", "trigger_type": "manual"})).to_definition(&[]).is_err());
}

#[test]
fn actions_of_providers_keep_their_members() {
    let definition = legacy(json!({
        "name": "x",
        "trigger_type": "scheduled",
        "trigger_config": {"schedule": "hourly"},
        "actions": [
            {"type": "create_contact", "target": "hubspot", "email": "{{ trigger.email }}"},
            {"type": "slack.post_message", "input": {"text": "hi"}, "connection": "int_1"},
            {"type": "slack.post_message", "text": "again"}
        ]
    }))
    .to_definition(&ACTIONS)
    .unwrap();
    let ids: Vec<&str> = definition.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["create_contact", "slack_post_message", "slack_post_message_2"]);
    let calls: Vec<&Call> = definition
        .steps
        .iter()
        .map(|step| match &step.kind {
            Kind::Action(call) => call,
            _ => unreachable!(),
        })
        .collect();
    assert_eq!(calls[0].action, "hubspot.create_contact");
    assert_eq!(calls[0].input, json!({"email": "{{ trigger.email }}"}));
    assert_eq!(calls[1].connection.as_deref(), Some("int_1"));
    assert_eq!(calls[2].input, json!({"text": "again"}));
    Program::compile(definition).unwrap();
}

proptest::proptest! {
    #[test]
    fn a_literal_is_read_back_as_it_was(text in "\\PC*|[\\x00-\\x1f\"\\\\'{}]*") {
        let value = json!({"k": [text, 1.5, null, true, -3]});
        let expr = crate::expr::Expr::compile(&condition::literal(&value));
        proptest::prop_assert_eq!(expr.unwrap().eval(&json!({})).unwrap(), value);
    }
}

#[test]
fn a_webhook_workflow_loads_its_record_first() {
    let known = [ACTIONS.as_slice(), &[LOAD]].concat();
    let definition = legacy(new_lead_alert()).to_definition(&known).unwrap();
    let trigger = json!({"event": "contact.creation", "provider": "hubspot", "object_id": "7"});
    let commands = run(definition.clone(), trigger.clone());
    let called: Vec<&str> = steps(&commands).iter().map(|step| step.1).collect();
    assert_eq!(called, [LOAD, "collection.upsert", "slack.post_message"]);

    let program = Program::compile(definition).unwrap();
    let program = std::sync::Arc::new(program);
    let mut by_hand = Interp::new(program.clone(), json!({"email": "ada@example.com"}));
    by_hand.on(Timestamp::from_secs(1), Event::Started { seed: 1, generation: 0 });
    let done = |id: &str, output| Event::Done { id: id.to_owned(), output };
    let commands = by_hand.on(Timestamp::from_secs(2), done("record", json!({})));
    assert_eq!(steps(&commands)[0].2["key"], Value::Null);

    let mut run = Interp::new(program, trigger);
    run.on(Timestamp::from_secs(1), Event::Started { seed: 1, generation: 0 });
    let loaded = json!({"id": "7", "email": "ada@example.com"});
    let commands = run.on(Timestamp::from_secs(2), done("record", loaded.clone()));
    assert_eq!(steps(&commands)[0].2["record"], loaded);
    assert_eq!(steps(&commands)[0].2["key"], "hubspot:7");
    let commands = run.on(Timestamp::from_secs(3), done("create_contact", json!({})));
    assert_eq!(steps(&commands)[0].2["text"], "New Lead Alert: ada@example.com");
}
