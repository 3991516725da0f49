//! Starting: by hand, by the clock, never twice.

use connectus_core::{Code, Page, flow::FlowStatus, run::RunStatus};
use connectus_engine::flows::{self, FlowChange};
use connectus_sandbox::{Fault, FaultKind};
use connectus_store::runs::{Only, RunFilter};
use connectus_testkit::both;

use crate::rig::{Rig, new_flow};

async fn runs(rig: &Rig) -> u64 {
    let mut conn = rig.parts.store.read().await.unwrap();
    conn.runs(&rig.ctx, &RunFilter::default(), Page::default()).await.unwrap().total_count
}

both! {
    async fn a_flow_has_one_open_run(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let flow = rig.flow().await;
        let starts = (0..8).map(|_| flows::sync_now(&rig.parts, &rig.ctx, &flow.id, "manual"));
        let started = futures::future::join_all(starts).await;
        let first = started[0].as_ref().unwrap().id.clone();
        assert!(started.iter().all(|run| run.as_ref().unwrap().id == first));
        assert_eq!(runs(&rig).await, 1);
        rig.engine.run_until_idle().await.unwrap();
        assert_ne!(rig.queued(&flow.id).await.id, first, "an ended run is not open");
    }

    async fn a_sync_is_repeated_only_while_none_is_open(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let flow = rig.flow().await;
        let ended = rig.sync(&flow.id).await;
        let again = rig.engine.retry(&rig.ctx, &ended).await.unwrap();
        assert_eq!(rig.reread(&flow.id).await.last_run, Some(again.id.clone()));
        let third = rig.engine.retry(&rig.ctx, &ended).await.unwrap_err();
        assert_eq!(third.code, Code::Conflict);
        assert!(third.detail.contains(again.id.as_str()), "{third:?}");
        assert_eq!(rig.queued(&flow.id).await.id, again.id, "nor does the clock start another");
    }

    async fn a_failed_sync_is_a_dead_letter_until_a_later_one_makes_up_for_it(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let flow = rig.flow().await;
        rig.contacts().fault(Fault::on("GET", "/crm", FaultKind::Status { status: 403 }).times(1));
        let failed = rig.sync(&flow.id).await;
        assert_eq!(failed.status, RunStatus::Failed);
        let dead = RunFilter { only: Some(Only::DeadLetters), ..RunFilter::default() };
        let matching = async || {
            let mut conn = rig.parts.store.read().await.unwrap();
            conn.runs_matching(&rig.ctx, &dead).await.unwrap()
        };
        assert_eq!(matching().await, 1);
        rig.queued(&flow.id).await;
        assert_eq!(matching().await, 0);
    }

    async fn a_slot_starts_one_run_however_often_the_clock_ticks(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let flow = rig.flow().await;
        let slot = flow.next_due_at.unwrap();
        flows::start_due(&rig.parts, slot.plus_secs(-1)).await.unwrap();
        assert_eq!(runs(&rig).await, 0);
        let ticks = (0..4).map(|_| flows::start_due(&rig.parts, slot));
        for outcome in futures::future::join_all(ticks).await {
            outcome.unwrap();
        }
        assert_eq!(runs(&rig).await, 1);
        let next = rig.reread(&flow.id).await.next_due_at.unwrap();
        assert_eq!(next, slot.plus_secs(3_600));
        rig.engine.run_until_idle().await.unwrap();
        // Nobody looked for a day: one run makes up for all slots.
        db.sim.clock.set(slot.plus_secs(86_400));
        rig.engine.run_until_idle().await.unwrap();
        assert_eq!(runs(&rig).await, 2);
        let filter = RunFilter { status: vec![RunStatus::Completed], ..RunFilter::default() };
        let done = rig
            .parts
            .store
            .read()
            .await
            .unwrap()
            .runs(&rig.ctx, &filter, Page::default())
            .await
            .unwrap();
        assert_eq!(done.items[0].trigger, "schedule");
    }

    async fn paused_flows_and_paused_integrations_start_nothing(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let flow = rig.flow().await;
        let pause = FlowChange { status: Some(FlowStatus::Paused), ..FlowChange::default() };
        let paused = flows::update(&rig.parts, &rig.ctx, &flow, pause).await.unwrap();
        assert_eq!(paused.next_due_at, None);
        flows::start_due(&rig.parts, flow.next_due_at.unwrap().plus_secs(86_400)).await.unwrap();
        assert_eq!(runs(&rig).await, 0);
    }

    async fn all_active_flows_of_an_integration_start_together(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let error =
            flows::sync_all(&rig.parts, &rig.ctx, &rig.integration, "manual").await.unwrap_err();
        assert_eq!(error.code, connectus_core::Code::Conflict);
        rig.flow().await;
        let mut new = new_flow(&rig.integration);
        new.destination = "archive/contacts".parse().unwrap();
        rig.flow_from(new).await;
        let mut draft = new_flow(&rig.integration);
        draft.status = FlowStatus::Draft;
        rig.flow_from(draft).await;
        let started =
            flows::sync_all(&rig.parts, &rig.ctx, &rig.integration, "manual").await.unwrap();
        assert_eq!(started.len(), 2);
        let other = db.tenant("Other").await.unwrap();
        let error =
            flows::sync_all(&rig.parts, &other, &rig.integration, "manual").await.unwrap_err();
        assert_eq!(error.code, connectus_core::Code::NotFound);
    }
}
