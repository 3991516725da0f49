use serde_json::json;

use super::*;
use crate::Timestamp;
use crate::provider::SignatureScheme;
use crate::workflow::Span;

fn trigger(kind: TriggerType, config: Value) -> Trigger {
    let Value::Object(config) = config else { panic!("{config} is no config") };
    Trigger { kind, config, when: None }
}

fn faults(kind: TriggerType, config: Value) -> Vec<(String, String)> {
    let error = trigger(kind, config).watch("UTC", "wf_1").unwrap_err();
    error.fields.into_iter().map(|fault| (fault.field, fault.message)).collect()
}

#[test]
fn a_schedule_is_read_from_any_of_its_members() {
    for (config, shown) in [
        (json!({"schedule": "hourly"}), "hourly"),
        (json!({"cron": "0 8 * * *"}), "0 8 * * *"),
        (json!({"frequency": "Daily"}), "daily"),
        (json!({"every": "15m"}), "every 15m"),
        (json!({"every": "every 2 hours"}), "every 2h"),
    ] {
        let watch = trigger(TriggerType::Schedule, config).watch("UTC", "wf_1").unwrap();
        let Watch::Schedule(clockwork) = watch else { panic!("{watch:?}") };
        assert_eq!(clockwork.schedule.to_string(), shown);
        assert_eq!(clockwork.missed, Missed::One);
    }
    let config = json!({"every": "1h", "missed": "skip", "timezone": "Europe/Paris"});
    let clockwork = trigger(TriggerType::Schedule, config).schedule("UTC", "wf_1").unwrap();
    assert_eq!(clockwork.unwrap().missed, Missed::Skip);
}

#[test]
fn what_a_trigger_does_not_take_is_named_where_it_stands() {
    use TriggerType::{Condition, Event, Manual, Schedule, Webhook, Workflow};
    for (kind, config, at) in [
        (Schedule, json!({}), "schedule"),
        (Schedule, json!({"schedule": "sometimes"}), "schedule"),
        (Schedule, json!({"every": "1h", "missed": "maybe"}), "missed"),
        (Schedule, json!({"every": "1h", "timezone": "Mars/Olympus"}), "timezone"),
        (Event, json!({}), "event"),
        (Event, json!({"event": "run.exploded"}), "event"),
        (Event, json!({"event": []}), "event"),
        (Event, json!({"event": "*", "colour": 1}), ""),
        (Workflow, json!({}), "workflow"),
        (Workflow, json!({"workflow": "A", "on": []}), "on"),
        (Workflow, json!({"workflow": "A", "on": "sometimes"}), ""),
        (Condition, json!({"expression": "true"}), "collection"),
        (Condition, json!({"collection": "Bad Name", "expression": "true"}), "collection"),
        (Condition, json!({"collection": "a", "stream": "b", "expression": "true"}), "collection"),
        (Condition, json!({"collection": "a", "expression": "recrod.x"}), "expression"),
        (Condition, json!({"collection": "a", "expression": "count > 1"}), "expression"),
        (
            Condition,
            json!({"collection": "a", "on": "all", "expression": "record.x"}),
            "expression",
        ),
        (Condition, json!({"collection": "a", "expression": "key", "every": "1s"}), "schedule"),
        (Webhook, json!({"endpoint": {"header": "no header"}}), "endpoint/header"),
        (Webhook, json!({"endpoint": {"prefix": "sha256="}}), "endpoint/prefix"),
        (Webhook, json!({"endpoint": 7}), "endpoint"),
        (Webhook, json!({"endpoint": {"respond": "later"}}), "endpoint"),
        (Webhook, json!({"endpoint": {"timeout": "5s"}}), "endpoint/timeout"),
        (Webhook, json!({"endpoint": {"respond": "at_end", "timeout": "61s"}}), "endpoint/timeout"),
        (Webhook, json!({"endpoint": {"respond": "at_end", "timeout": "0s"}}), "endpoint/timeout"),
        (Manual, json!({"dedupe": 7}), "dedupe"),
        (Manual, json!({"dedupe": "always"}), "dedupe"),
        (Manual, json!({"dedupe": "{{ trigger. }}"}), "dedupe"),
        (Manual, json!({"dedupe": "{{ steps.a.output }}"}), "dedupe"),
    ] {
        let found = faults(kind, config.clone());
        assert_eq!(found[0].0, format!("/trigger/config/{at}"), "{config}: {found:?}");
    }
}

#[test]
fn watches_cover_what_they_name() {
    let event = |kind, subject: &str| crate::event::Event {
        seq: 1,
        id: crate::EventId::trusted("evt_1"),
        tenant: crate::TenantId::trusted("ten_1"),
        kind,
        subject: subject.into(),
        data: crate::event::Detail::default(),
        at: Timestamp::default(),
    };
    use crate::event::EventType::{RunCompleted, RunFailed, SyncFailed};
    let config = json!({"event": ["run.failed", "flow.*"], "subject": "a"});
    let watch = trigger(TriggerType::Event, config).watch("UTC", "wf_1").unwrap();
    let Watch::Event(watch) = watch else { panic!("{watch:?}") };
    assert!(watch.covers(&event(RunFailed, "a")) && watch.covers(&event(SyncFailed, "a")));
    assert!(!watch.covers(&event(RunFailed, "b")) && !watch.covers(&event(RunCompleted, "a")));
    let config = json!({"workflow": "Other", "on": ["failed", "cancelled"]});
    let watch = trigger(TriggerType::Workflow, config).watch("UTC", "wf_1").unwrap();
    let Watch::Workflow(watch) = watch else { panic!("{watch:?}") };
    assert!(watch.covers(RunFailed) && !watch.covers(RunCompleted));
}

#[test]
fn a_run_is_named_by_its_input() {
    let id = WorkflowId::trusted("wf_1");
    let key = |dedupe: &str, input: Value| {
        let config = trigger(TriggerType::Manual, json!({"dedupe": dedupe})).config;
        dedupe_key(&config, &id, &input)
    };
    let one = key("{{ trigger.id }}", json!({"id": 7, "x": 1})).unwrap().unwrap();
    assert!(one.starts_with("named:wf_1:"), "{one}");
    assert_eq!(key("{{ input.id }}", json!({"id": 7, "x": 2})).unwrap().unwrap(), one);
    assert_ne!(key("{{ trigger.id }}", json!({"id": 8})).unwrap().unwrap(), one);
    assert_eq!(key("{{ trigger.id }}", json!({"id": null})).unwrap(), None);
    assert_eq!(key("{{ trigger.id }}", json!({"id": " "})).unwrap(), None);
    assert!(key("{{ trigger.id }}", json!({})).is_err());
    assert_eq!(dedupe_key(&Map::new(), &id, &json!({})).unwrap(), None);
}

#[test]
fn a_condition_turns_true_once_for_each_record() {
    let first = {
        let mut seen = Holding::default();
        assert!(!seen.note(Holding::mark("a"), None).unwrap(), "the first look starts nothing");
        seen
    };
    let mut second = Holding::default();
    assert!(!second.note(Holding::mark("a"), Some(&first)).unwrap(), "it still holds");
    assert!(second.note(Holding::mark("b"), Some(&first)).unwrap(), "it turned");
    let mut third = Holding::default();
    assert!(!third.note(Holding::mark("b"), Some(&second)).unwrap());
    let mut fourth = Holding::default();
    assert!(fourth.note(Holding::mark("a"), Some(&third)).unwrap(), "it turned again");
    let stored = serde_json::to_string(&fourth).unwrap();
    assert_eq!(serde_json::from_str::<Holding>(&stored).unwrap(), fourth);
    assert_eq!((second.len(), Holding::default().is_empty()), (2, true));
}

#[test]
fn an_endpoint_says_how_it_is_signed() {
    let read = |config: Value| {
        let watch = trigger(TriggerType::Webhook, json!({"endpoint": config})).watch("UTC", "w");
        let Watch::Endpoint(endpoint) = watch.unwrap() else { panic!("no endpoint") };
        endpoint
    };
    assert_eq!(read(json!(true)), read(json!({})));
    assert_eq!(read(json!({})).id_header(), Some("webhook-id"));
    let own = read(json!({"header": "X-Hub-Signature-256", "prefix": "sha256="}));
    assert_eq!(own.id_header(), None);
    let SignatureScheme::Hmac { header, prefix, .. } = own.scheme() else { panic!("{own:?}") };
    assert_eq!((header.as_str(), prefix.as_str()), ("x-hub-signature-256", "sha256="));
    let named = read(json!({"header": "X-Sig", "id_header": "X-Delivery"}));
    assert_eq!(named.id_header(), Some("x-delivery"));
    let within = |config: Value| read(config).answers_within.map(Span::millis);
    assert_eq!(within(json!({"respond": "at_once"})), None);
    assert_eq!(within(json!({"respond": "at_end"})), Some(30_000));
    assert_eq!(within(json!({"respond": "at_end", "timeout": "60s"})), Some(60_000));
}
