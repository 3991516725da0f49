//! The event stream: nothing missed, nothing twice, nothing that is not one's own.

use std::time::Duration;

use axum::body::Body;
use connectus_core::{TenantCtx, access::Role, event::EventType};
use connectus_store::{
    Store, StoreConfig,
    seal::{Key, Sealer},
};
use connectus_testkit::{SimEnv, TestStore, both, store::MASTER_KEY};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{Call, Organisation, TestApp};

/// Far longer than any event takes; a stream that has nothing to say fails its test by it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream being read.
struct Reader {
    body: Body,
    text: String,
}

/// One event as it came.
#[derive(Debug)]
struct Frame {
    id: u64,
    event: String,
    data: Value,
}

impl Reader {
    async fn open(app: &TestApp, key: &str, query: &str, last: Option<u64>) -> Self {
        let mut call = Call::get(&format!("/api/v1/events{query}")).bearer(key);
        if let Some(last) = last {
            call = call.header("last-event-id", &last.to_string());
        }
        let response = app.open(call).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Frame> {
        // Heartbeats do not count as something said.
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the stream tells no event")
    }

    async fn read(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.text = rest;
                if !frame.starts_with(':') {
                    return Some(parse(&frame));
                }
                continue;
            }
            let chunk = self.body.frame().await?;
            let bytes = chunk.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        while frames.len() < count {
            frames.push(self.next().await.expect("the stream ended early"));
        }
        frames
    }
}

fn parse(text: &str) -> Frame {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text:?}")).trim().to_owned()
    };
    Frame {
        id: field("id:").parse().unwrap(),
        event: field("event:"),
        data: serde_json::from_str(&field("data:")).unwrap(),
    }
}

async fn emit(store: &Store, ctx: &TenantCtx, count: usize) {
    let ctx = ctx.clone();
    store
        .write(move |tx| {
            Box::pin(async move {
                for _ in 0..count {
                    tx.emit(&ctx, EventType::RunCompleted, "run_1", json!({})).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
}

fn ids(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.id).collect()
}

async fn last_seq(app: &TestApp, ctx: &TenantCtx) -> u64 {
    app.db.store.read().await.unwrap().last_event_seq(ctx).await.unwrap()
}

async fn start(db: TestStore) -> (TestApp, Organisation, TenantCtx) {
    let app = TestApp::start(db).await;
    let ours = app.organisation("Ours").await;
    let ctx = ours.ctx.clone();
    (app, ours, ctx)
}

both! {
    async fn a_client_that_was_cut_off_goes_on_without_gap_or_double(db: TestStore) {
        let (app, ours, ctx) = start(db).await;
        let key = ours.key(Role::Owner);
        emit(&app.db.store, &ctx, 5).await;
        let before = last_seq(&app, &ctx).await;
        let mut first = Reader::open(&app, key, "?after=0", None).await;
        // More than one page from the table, and then live ones.
        emit(&app.db.store, &ctx, 300).await;
        let mut seen = first.take(before as usize + 100).await;
        drop(first);
        emit(&app.db.store, &ctx, 20).await;
        let last = seen.last().unwrap().id;
        // Browsers repeat the first address, with its `after`, and add the id: the id wins.
        let mut second = Reader::open(&app, key, "?after=0", Some(last)).await;
        seen.extend(second.take(200 + 20).await);
        emit(&app.db.store, &ctx, 3).await;
        seen.extend(second.take(3).await);
        let all = last_seq(&app, &ctx).await;
        assert_eq!(ids(&seen), (1..=all).collect::<Vec<_>>());
        assert_eq!(seen.last().unwrap().event, "run.completed");
        assert_eq!(seen.last().unwrap().data["seq"], all);
    }

    async fn a_slow_reader_gets_what_it_missed_from_the_record(db: TestStore) {
        let (app, ours, ctx) = start(db).await;
        let mut slow = Reader::open(&app, ours.key(Role::Owner), "", None).await;
        let before = last_seq(&app, &ctx).await;
        // More than the process buffers for a subscriber.
        for _ in 0..15 {
            emit(&app.db.store, &ctx, 100).await;
        }
        let seen = slow.take(1_500).await;
        assert_eq!(ids(&seen), (before + 1..=before + 1_500).collect::<Vec<_>>());
    }

    async fn nobody_sees_what_is_not_theirs(db: TestStore) {
        let (app, ours, ctx) = start(db).await;
        let theirs = app.organisation("Theirs").await;
        let mut viewer = Reader::open(&app, ours.key(Role::Viewer), "?after=0", None).await;
        emit(&app.db.store, &theirs.ctx, 3).await;
        emit(&app.db.store, &ctx, 1).await;
        let frame = viewer.next().await.unwrap();
        // The first events are about people and keys, which a viewer may not see.
        assert_eq!((frame.event.as_str(), frame.id), ("run.completed", last_seq(&app, &ctx).await));
        assert_eq!(frame.data["tenant"], ctx.tenant().as_str());
        let query = "?after=0&types=api_key.*";
        let mut admin = Reader::open(&app, ours.key(Role::Admin), query, None).await;
        assert_eq!(admin.next().await.unwrap().event, "api_key.created");
    }

    async fn events_of_another_process_are_found_in_the_record(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let mut reader = Reader::open(&app, ours.key(Role::Owner), "", None).await;
        // Another process has entropy of its own.
        let env = SimEnv::seeded(1).env;
        let sealer = Sealer::new(Key::new(MASTER_KEY), env.clone());
        let database = app.db.database.clone();
        let blobs = app.db.blobs.clone();
        let config = StoreConfig { database, env, sealer, blobs };
        let other = Store::open(config).await.unwrap();
        emit(&other, &ours.ctx, 2).await;
        other.close().await;
        let before = last_seq(&app, &ours.ctx).await - 2;
        assert_eq!(ids(&reader.take(2).await), [before + 1, before + 2]);
    }

    async fn what_cannot_be_answered_is_refused(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let get = |path: &str| Call::get(path).bearer(ours.key(Role::Owner));
        app.send(get("/api/v1/events?types=flwo.*")).await.refused(422, "invalid");
        app.send(get("/api/v1/events?after=now")).await.refused(400, "bad_request");
        let call = get("/api/v1/events?after=0").header("last-event-id", "-1");
        app.send(call).await.refused(400, "bad_request");
        app.send(get("/api/v1/events/log?limit=0")).await.refused(400, "bad_request");
        app.send(get("/api/v1/events/log?types=nothing")).await.refused(422, "invalid");
    }

    async fn one_caller_holds_so_many_streams_and_no_more(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let key = ours.key(Role::Owner);
        let most = app.app.settings.events.streams_per_user;
        let mut open = Vec::new();
        for _ in 0..most {
            open.push(Reader::open(&app, key, "", None).await);
        }
        let refused = app.send(Call::get("/events").bearer(key)).await.refused(429, "rate_limited");
        assert!(!refused.header("retry-after").is_empty());
        // Another key of the same tenant has places of its own.
        Reader::open(&app, ours.key(Role::Viewer), "", None).await;
        open.pop();
        open.push(Reader::open(&app, key, "", None).await);
        assert_eq!(open.len(), most);
    }

    async fn streams_end_when_the_process_stops(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let mut reader = Reader::open(&app, ours.key(Role::Owner), "", None).await;
        app.app.stopping.cancel();
        assert!(reader.next().await.is_none());
    }

    async fn without_an_event_bus_there_is_the_record(db: TestStore) {
        let app = TestApp::with(db, |settings| settings.events.enabled = false).await;
        let ours = app.organisation("Ours").await;
        let key = ours.key(Role::Owner);
        app.send(Call::get("/api/v1/events").bearer(key)).await.refused(503, "unavailable");
        app.send(Call::get("/api/v1/events/log").bearer(key)).await.expect(200);
    }

    async fn the_record_is_read_page_by_page(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        emit(&app.db.store, &ours.ctx, 7).await;
        let (mut after, mut seen) = (0, Vec::new());
        loop {
            let path = format!("/events/log/?limit=3&after={after}&types=run.*");
            let page = app.send(Call::get(&path).bearer(ours.key(Role::Viewer))).await.expect(200);
            let page = page.json();
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|event| event["type"].clone()));
            after = page["next_after"].as_u64().unwrap();
            if page["has_more"] == false {
                break;
            }
        }
        assert_eq!(seen, vec![json!("run.completed"); 7]);
        assert_eq!(after, last_seq(&app, &ours.ctx).await);
    }
}
