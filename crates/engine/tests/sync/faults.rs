//! What a sync survives: refusals, broken answers, a process that dies at any moment.

use std::{future::Future, pin::pin, task::Poll};

use connectus_core::{Code, event::EventType, run::RunStatus};
use connectus_engine::{flows, sync};
use connectus_sandbox::{Fault, FaultKind};
use connectus_testkit::both;
use tokio_util::sync::CancellationToken;

use crate::rig::Rig;

const LIST: &str = "/crm/v3/objects/contacts";

/// Polls a future `polls` times at most, then drops it where it stands.
async fn interrupted<F: Future>(work: F, polls: usize) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

both! {
    async fn a_refusal_midway_keeps_what_was_read_and_goes_on_there(db: TestStore) {
        let rig = Rig::new(&db).await;
        let flow = rig.flow().await;
        let slow = FaultKind::Status429 { retry_after: Some(30) };
        rig.contacts().fault(Fault::on("GET", LIST, slow).skip(2));
        let run = rig.sync(&flow.id).await;
        assert_eq!(run.status, RunStatus::Waiting, "{:?}", run.error);
        assert!(run.due_at >= db.sim.env.now().plus_secs(29), "the provider's wish is respected");
        assert_eq!(run.progress.as_ref().unwrap()["created"], 200);
        assert_eq!(rig.records().await, 200);
        db.sim.clock.advance_secs(120);
        rig.engine.run_until_idle().await.unwrap();
        let run = rig.run(&run).await;
        let output = run.output.unwrap();
        let output = output.here().unwrap();
        assert_eq!((&output["created"], &output["read"]), (&500.into(), &500.into()));
        assert_eq!(rig.records().await, 500);
    }

    async fn broken_answers_are_read_again(db: TestStore) {
        let rig = Rig::with_contacts(&db, 250).await;
        let flow = rig.flow().await;
        for kind in [
            FaultKind::Truncated,
            FaultKind::Html200,
            FaultKind::Drop,
            FaultKind::Status { status: 503 },
        ] {
            rig.contacts().fault(Fault::on("GET", LIST, kind));
            let run = rig.queued(&flow.id).await;
            let error = rig.attempt(&run).await.unwrap_err();
            assert!(error.is_transient(), "{error}");
            db.sim.clock.advance_secs(60);
        }
        let run = rig.queued(&flow.id).await;
        let counts = rig.attempt(&run).await.unwrap();
        assert_eq!((counts.created, counts.rejected), (250, 0));
    }

    async fn a_page_delivered_twice_is_written_once(db: TestStore) {
        let rig = Rig::with_contacts(&db, 300).await;
        let flow = rig.flow().await;
        rig.contacts().fault(Fault::on("GET", LIST, FaultKind::DuplicatePage).skip(1));
        let counts = rig.counts(&flow.id).await;
        assert_eq!(counts.created, rig.records().await);
        assert_eq!(counts.updated + counts.rejected, 0);
        assert!(counts.created >= 200);
    }

    async fn a_process_that_dies_anywhere_loses_nothing_and_doubles_nothing(db: TestStore) {
        let rig = Rig::with_contacts(&db, 2_300).await;
        let flow = rig.flow().await;
        let run = rig.queued(&flow.id).await;
        let mut finished = None;
        let mut deaths = 0;
        for polls in [1, 2, 4, 7, 11, 16, 22, 30, 40, 60, 90, 150, 300, 100_000] {
            db.sim.clock.advance_secs(60);
            match interrupted(rig.attempt(&run), polls).await {
                None => deaths += 1,
                Some(done) => {
                    finished = Some(done.unwrap());
                    break;
                }
            }
        }
        let counts = finished.unwrap();
        assert!(deaths >= 3, "only {deaths} attempts were cut off");
        assert_eq!((counts.created, counts.updated, counts.rejected), (2_300, 0, 0));
        assert_eq!(rig.records().await, 2_300);
        assert_eq!(rig.reread(&flow.id).await.records_processed, counts.created + counts.unchanged);
    }

    async fn a_refused_credential_stops_the_run_and_says_so(db: TestStore) {
        let rig = Rig::with_contacts(&db, 10).await;
        let flow = rig.flow().await;
        rig.contacts().fault(Fault::on("GET", LIST, FaultKind::ExpiredToken).times(50));
        let run = rig.sync(&flow.id).await;
        assert_eq!(run.status, RunStatus::Failed);
        let error = run.error.unwrap();
        assert_eq!(error.known_code(), Some(Code::ReauthRequired), "{error:?}");
        let mut conn = rig.parts.store.read().await.unwrap();
        let integration = conn.integration(&rig.ctx, &rig.integration).await.unwrap().unwrap();
        assert!(integration.last_error.is_some());
        assert!(!integration.status.is_usable(), "{:?}", integration.status);
    }

    async fn a_cancelled_sync_keeps_what_it_has(db: TestStore) {
        let rig = Rig::with_contacts(&db, 300).await;
        let flow = rig.flow().await;
        let run = rig.queued(&flow.id).await;
        let stop = CancellationToken::new();
        stop.cancel();
        let error = sync::execute(&rig.parts, &rig.ctx, &run, &stop).await.unwrap_err();
        assert_eq!(error.code, Code::Conflict);
        assert_eq!(rig.attempt(&run).await.unwrap().created, 300);
    }

    async fn a_flow_changed_while_it_syncs_is_read_again_from_the_start(db: TestStore) {
        let rig = Rig::with_contacts(&db, 4_500).await;
        let flow = rig.flow().await;
        let run = rig.queued(&flow.id).await;
        let change = flows::FlowChange {
            target_fields: Some(["mail", "given", "family", "town"].map(String::from).to_vec()),
            transformation_rules: Some(serde_json::Map::new()),
            ..flows::FlowChange::default()
        };
        let mut events = rig.parts.store.subscribe();
        // Changed after the first of five checkpoints, while the others are under way.
        let changed = async {
            while events.recv().await.unwrap().kind != EventType::SyncProgressed {}
            flows::update(&rig.parts, &rig.ctx, &flow, change).await.unwrap();
        };
        let (counts, ()) = tokio::join!(rig.attempt(&run), changed);
        let counts = counts.unwrap();
        assert!((1_000..4_500).contains(&counts.updated), "{counts:?}");
        assert_eq!(counts.created, 4_500);
        let mut conn = rig.parts.store.read().await.unwrap();
        let mut after = String::new();
        let mut seen = 0;
        loop {
            let page = conn
                .records_after(&rig.ctx, &crate::rig::collection(), &[], &after, 500)
                .await
                .unwrap();
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key);
            for record in page {
                assert!(record.data.contains_key("mail"), "{}", record.key);
                seen += 1;
            }
        }
        assert_eq!(seen, 4_500);
    }
}
