//! A tour past every point: runs by hand, by webhook, by the clock and by each other, signals, a
//! wish to stop, a sync, deliveries. Whoever asks for something asks until it is acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use connectus_core::{
    Code, Result,
    event::{Event, EventType},
    flow::{ConflictPolicy, Direction, FlowStatus},
    run::{Run, RunKind, RunStatus},
};
use connectus_engine::{
    deliveries::subscriptions::{self, NewSubscription},
    flows::{self, NewFlow},
    webhooks::{self, Incoming},
    workflows,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use crate::{
    script::Script,
    steps::{nap, post, put},
    world::{Process, SUBSCRIBER, World},
};

const CONTACTS: u32 = 5;
/// Processes after which everything must have ended.
const LIVES: usize = 12;
const HOOKS: &str = "https://connectus.example/hooks";

/// What people and providers do, in order.
#[derive(Clone, Copy, Debug)]
enum Act {
    Order,
    Doomed,
    Hook,
    Work,
    Signal,
    Cancel,
    Hour,
}

const ACTS: [Act; 10] = [
    Act::Order,
    Act::Doomed,
    Act::Hook,
    Act::Work,
    Act::Signal,
    Act::Cancel,
    Act::Work,
    Act::Hour,
    Act::Work,
    Act::Work,
];

fn by_hand(name: &str, steps: &Value) -> Value {
    let trigger = json!({ "type": "manual", "config": { "dedupe": "{{ trigger.k }}" } });
    json!({ "version": 1, "name": name, "trigger": trigger, "steps": steps })
}

/// Makes what the tour needs.
async fn prepare(process: Process) {
    process.workflow(by_hand("child", &json!([put("c", "{{ trigger.k }}-child")]))).await;
    process
        .workflow(by_hand(
            "order",
            &json!([
                put("a", "{{ trigger.k }}-a"),
                post("one", "one {{ trigger.k }}"),
                { "id": "call", "type": "workflow", "workflow": "child",
                  "input": { "k": "{{ trigger.k }}" } },
                nap("nap", "30m"),
                { "id": "ask", "type": "wait", "signal": "go" },
                post("two", "two {{ trigger.k }}"),
            ]),
        ))
        .await;
    let doomed = json!([put("d", "{{ trigger.k }}-d"), post("p", "doomed"), nap("nap", "1d")]);
    process.workflow(by_hand("doomed", &doomed)).await;
    for (name, trigger, text) in [
        ("hooked", json!({ "type": "webhook", "config": { "provider": "slack" } }), "heard"),
        (
            "hourly",
            json!({ "type": "schedule", "config": { "schedule": "every 1h" } }),
            "tick {{ trigger.scheduled_at }}",
        ),
        (
            "after",
            json!({ "type": "workflow", "config": { "workflow": "order", "on": ["completed"] } }),
            "after",
        ),
    ] {
        let steps = json!([post("say", text)]);
        process
            .workflow(json!({ "version": 1, "name": name, "trigger": trigger, "steps": steps }))
            .await;
    }
    let mut conn = process.parts.store.read().await.unwrap();
    let found = conn.integrations_of(&process.ctx, "hubspot", Default::default()).await.unwrap();
    drop(conn);
    let texts = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
    let flow = NewFlow {
        integration: found[0].id.clone(),
        name: "Contacts".into(),
        direction: Direction::Inbound,
        stream: "contacts".into(),
        destination: "digisol_crm/people".parse().unwrap(),
        source_fields: texts(&["email"]),
        target_fields: texts(&["email"]),
        transformation_rules: Map::new(),
        conflict_policy: ConflictPolicy::Newest,
        options: Default::default(),
        sync_frequency: "hourly".into(),
        status: FlowStatus::Active,
    };
    flows::create(&process.parts, &process.ctx, flow).await.unwrap();
    let new = NewSubscription {
        url: format!("{SUBSCRIBER}/told"),
        events: vec!["run.completed".to_owned()],
        description: String::new(),
    };
    let policy = process.parts.connections.egress();
    subscriptions::create(&process.parts.store, policy, &process.ctx, new).await.unwrap();
}

/// Goes on the tour under a script, and checks what is left of it. With an open door the engine
/// begins on runs as they come in.
pub fn go(script: &Arc<Script>, has_open_door: bool, at: &str) {
    let world = World::new(7, CONTACTS).with_open_door(has_open_door);
    world.live(None, prepare).unwrap();
    let done = AtomicUsize::new(0);
    let mut ended = None;
    for life in 0..LIVES {
        let script = (life < LIVES / 2).then_some(script);
        ended = world.live(script, async |process| {
            let next = || ACTS.get(done.load(Ordering::Relaxed)).copied();
            while let Some(act) = next() {
                insist(&world, &process, act).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
            let open = async || {
                let runs = process.runs().await;
                runs.iter().any(|run| !run.status.is_final()) || process.is_delivering().await
            };
            for _ in 0..8 {
                if !open().await {
                    break;
                }
                world.clock.jump_secs(60);
                process.work().await;
            }
            !open().await
        });
        if ended == Some(true) {
            break;
        }
    }
    assert_eq!(ended, Some(true), "{at}: it does not end");
    world.live(None, async |process| check(&world, &process, at).await).unwrap();
}

/// Does it again and again until it is acknowledged.
async fn insist(world: &World, process: &Process, act: Act) {
    for _ in 0..5 {
        match attempt(world, process, act).await {
            Ok(()) => return,
            // It was acknowledged, and the acknowledgement lost.
            Err(error) if error.code == Code::Conflict => return,
            Err(error) => assert!(error.is_transient(), "{act:?}: {error:?}"),
        }
    }
    panic!("{act:?} is never acknowledged");
}

async fn attempt(world: &World, process: &Process, act: Act) -> Result<()> {
    let Process { parts, engine, ctx, .. } = process;
    match act {
        Act::Order | Act::Doomed => {
            let name = if matches!(act, Act::Order) { "order" } else { "doomed" };
            let found = parts.store.read().await?.workflow_by_name(ctx, name).await?.unwrap();
            workflows::execute(parts, ctx, &found, json!({ "k": "k" })).await.map(drop)
        }
        Act::Hook => hook(world, process).await,
        Act::Work => {
            process.work().await;
            Ok(())
        }
        Act::Hour => {
            world.clock.jump_secs(3_600);
            Ok(())
        }
        Act::Signal => {
            let run = of(process, "order").await.remove(0);
            engine.signal(ctx, &run.id, "go", Value::Null).await
        }
        Act::Cancel => {
            let run = of(process, "doomed").await.remove(0);
            engine.cancel(ctx, &run.id).await.map(drop)
        }
    }
}

/// Slack tells of the same event, under the same id.
async fn hook(world: &World, process: &Process) -> Result<()> {
    let Process { parts, ctx, .. } = process;
    let mut conn = parts.store.read().await?;
    let slack = conn.integrations_of(ctx, "slack", Default::default()).await?.remove(0);
    let endpoint = conn.webhook_endpoint_of(ctx, &slack.id).await?.unwrap().id;
    drop(conn);
    let url = format!("{HOOKS}/{}/{endpoint}", ctx.tenant());
    let payload = json!({ "type": "event_callback", "event_id": "Ev1", "event_time": 1_767_603_600,
        "event": { "type": "app_mention", "channel": "C1", "text": "hello" } });
    let signed = world.handle().slack_event(&url, &payload);
    let mut headers = HeaderMap::new();
    for (name, value) in &signed.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let incoming = Incoming {
        tenant: ctx.tenant().clone(),
        endpoint,
        method: "POST",
        url: &url,
        headers: &headers,
        body: signed.body.as_bytes(),
    };
    webhooks::receive(parts, incoming).await.map(drop)
}

async fn of(process: &Process, name: &str) -> Vec<Run> {
    let mut conn = process.parts.store.read().await.unwrap();
    let found = conn.workflow_by_name(&process.ctx, name).await.unwrap().unwrap();
    drop(conn);
    let runs = process.runs().await;
    runs.into_iter().filter(|run| run.subject_id == found.id.as_str()).collect()
}

async fn check(world: &World, process: &Process, at: &str) {
    let runs = process.runs().await;
    for (name, ends) in [
        ("order", RunStatus::Completed),
        ("child", RunStatus::Completed),
        ("doomed", RunStatus::Cancelled),
        ("hooked", RunStatus::Completed),
        ("after", RunStatus::Completed),
    ] {
        let runs = of(process, name).await;
        assert_eq!(runs.len(), 1, "{at}: {name}");
        assert_eq!(runs[0].status, ends, "{at}: {name}: {:?}", runs[0].error);
    }
    let hourly = of(process, "hourly").await;
    let slots: BTreeSet<_> =
        hourly.iter().map(|run| run.input.here().unwrap()["scheduled_at"].to_string()).collect();
    assert!(!hourly.is_empty() && slots.len() == hourly.len(), "{at}: {slots:?}");
    let syncs: Vec<_> = runs.iter().filter(|run| run.kind == RunKind::Sync).collect();
    assert!(!syncs.is_empty(), "{at}: no sync");
    for run in hourly.iter().chain(syncs) {
        assert_eq!(run.status, RunStatus::Completed, "{at}: {:?}", run.error);
    }
    let mut wanted: Vec<String> = hourly
        .iter()
        .map(|run| format!("tick {}", run.input.here().unwrap()["scheduled_at"].as_str().unwrap()))
        .chain(["one k", "two k", "heard", "after"].map(str::to_owned))
        .collect();
    wanted.sort();
    // The one that was cancelled may have been stopped before or after it spoke.
    let mut said = world.messages();
    said.retain(|text| text != "doomed");
    assert_eq!(said, wanted, "{at}");
    let effects = world.handle().effects();
    assert!(effects.iter().all(|(.., count)| count.effects <= 1), "{at}: {effects:?}");
    for (key, there) in [("k-a", true), ("k-child", true), ("k-d", false)] {
        let found = process.record("digisol_crm/contacts", key).await;
        assert_eq!(found.is_some(), there, "{at}: {key}");
    }
    told(world, process, at).await;
    // A handler that failed waits before it tries again.
    world.clock.jump_secs(3_600);
    process.has_counted_all_once().await;
}

/// Each thing was told of once: to readers of the log, and to the subscriber.
async fn told(world: &World, process: &Process, at: &str) {
    let events = process.events().await;
    let changed = |key: &str| {
        let of_key = |event: &&Event| {
            event.kind == EventType::RecordsChanged && event.data.value()["key"] == *key
        };
        events.iter().filter(of_key).count()
    };
    for (key, changes) in [("k-a", [1, 1]), ("k-child", [1, 1]), ("k-d", [0, 2])] {
        assert!(changes.contains(&changed(key)), "{at}: {key} changed {} times", changed(key));
    }
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == EventType::RunCompleted) {
        *ends.entry(&event.subject).or_default() += 1;
    }
    assert!(ends.values().all(|count| *count == 1), "{at}: {ends:?}");
    assert_eq!(process.people().await, CONTACTS as usize, "{at}: synced");
    let received: BTreeSet<String> = world.received().into_iter().collect();
    assert_eq!(received.len(), ends.len(), "{at}: deliveries");
}
