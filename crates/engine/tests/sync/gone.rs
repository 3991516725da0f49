//! What is gone on one side is marked or deleted on the other, if the flow says so, and never too
//! much at once.

use connectus_core::{
    Code,
    flow::{DataFlow, Deletes, Direction},
};
use connectus_engine::{flows, sync::Counts};
use connectus_sandbox::{Fault, FaultKind, ObjectType};
use connectus_testkit::both;
use serde_json::json;

use crate::rig::{Rig, new_flow};

async fn flow(rig: &Rig, direction: Direction, deletes: Deletes) -> DataFlow {
    let mut new = new_flow(&rig.integration);
    (new.direction, new.options.deletes) = (direction, deletes);
    let short = json!({"validate": {"max_length": 60}});
    new.transformation_rules.insert("city".to_owned(), short);
    rig.flow_from(new).await
}

async fn full(rig: &Rig, flow: &DataFlow) -> Counts {
    rig.db.sim.clock.advance_secs(600);
    let run = flows::resync(&rig.parts, &rig.ctx, &flow.id).await.unwrap();
    rig.engine.run_until_idle().await.unwrap();
    let run = rig.run(&run).await;
    serde_json::from_value(run.output.unwrap().shown()).unwrap()
}

fn lose(rig: &Rig, ids: &[u64]) {
    for id in ids {
        assert!(rig.contacts().delete(ObjectType::Contacts, *id));
    }
}

async fn deletions_reported(rig: &Rig) -> usize {
    let mut conn = rig.parts.store.read().await.unwrap();
    let logs = conn.health_logs(&rig.ctx, &Default::default(), Default::default()).await.unwrap();
    logs.items.iter().filter(|log| log.operation == "sync deletions").count()
}

both! {
    async fn what_is_gone_at_the_provider_goes_as_the_flow_says(db: TestStore) {
        for (deletes, left) in [(Deletes::Ignore, 60), (Deletes::Mark, 60), (Deletes::Delete, 57)] {
            let rig = Rig::with_contacts(&db, 60).await;
            let flow = flow(&rig, Direction::Inbound, deletes).await;
            rig.counts(&flow.id).await;
            let ids = rig.ids();
            lose(&rig, &ids[..4]);
            let mine = format!("hubspot:{}", ids[3]);
            rig.edit_here(&mine, json!({"city": "Here"})).await;
            let counts = rig.counts(&flow.id).await;
            assert_eq!((counts.deleted, rig.records().await), (0, 60), "changes do not tell");
            let counts = full(&rig, &flow).await;
            let gone = if deletes == Deletes::Ignore { 0 } else { 3 };
            let found = (counts.deleted, rig.records().await);
            assert_eq!(found, (gone, left), "{deletes}: {counts:?}");
            assert_eq!(rig.record(&mine).await.data["city"], "Here");
            if deletes == Deletes::Mark {
                for (id, marked) in [(ids[0], true), (ids[9], false)] {
                    let record = rig.record(&format!("hubspot:{id}")).await;
                    assert_eq!(record.data["_deleted"], marked, "{id}");
                }
            }
            let again = full(&rig, &flow).await;
            assert_eq!((again.deleted, again.written()), (0, 0), "{deletes}: {again:?}");
        }
    }

    async fn too_much_at_once_is_left_alone_and_reported(db: TestStore) {
        let rig = Rig::with_contacts(&db, 60).await;
        let flow = flow(&rig, Direction::Inbound, Deletes::Delete).await;
        rig.counts(&flow.id).await;
        lose(&rig, &rig.ids()[..20]);
        assert_eq!((full(&rig, &flow).await.deleted, rig.records().await), (0, 60));
        assert_eq!(deletions_reported(&rig).await, 1);
        let mut options = flow.options.clone();
        options.max_deletes_percent = 50;
        let change = flows::FlowChange { options: Some(options), ..Default::default() };
        let flow = flows::update(&rig.parts, &rig.ctx, &rig.reread(&flow.id).await, change).await;
        assert_eq!((full(&rig, &flow.unwrap()).await.deleted, rig.records().await), (20, 40));
    }

    async fn a_full_read_that_is_interrupted_or_refuses_rows_takes_nothing_for_gone(db: TestStore) {
        let rig = Rig::with_contacts(&db, 350).await;
        let flow = flow(&rig, Direction::Inbound, Deletes::Delete).await;
        rig.counts(&flow.id).await;
        let ids = rig.ids();
        lose(&rig, &ids[..2]);
        rig.edit_there(&ids[2..6], &[("city", &"x".repeat(61))]);
        db.sim.clock.advance_secs(600);
        let list = "/crm/v3/objects/contacts";
        let slow = FaultKind::Status429 { retry_after: Some(30) };
        rig.contacts().fault(Fault::on("GET", list, slow).skip(2));
        let run = flows::resync(&rig.parts, &rig.ctx, &flow.id).await.unwrap();
        rig.engine.run_until_idle().await.unwrap();
        let busy = flows::resync(&rig.parts, &rig.ctx, &flow.id).await.unwrap_err();
        assert_eq!(busy.code, Code::Conflict);
        assert_eq!(rig.records().await, 350);
        db.sim.clock.advance_secs(120);
        rig.engine.run_until_idle().await.unwrap();
        let output = rig.run(&run).await.output.unwrap().shown();
        assert_eq!((&output["deleted"], rig.records().await), (&json!(2), 348), "{output}");
    }

    async fn both_ways_either_side_follows(db: TestStore) {
        let rig = Rig::with_contacts(&db, 40).await;
        let flow = flow(&rig, Direction::Bidirectional, Deletes::Delete).await;
        rig.counts(&flow.id).await;
        rig.counts(&flow.id).await;
        let ids = rig.ids();
        lose(&rig, &ids[..1]);
        let (ctx, key) = (rig.ctx.clone(), format!("hubspot:{}", ids[1]));
        rig.parts.store.write(move |tx| Box::pin(async move {
            Ok(tx.delete_record(&ctx, &crate::rig::collection(), &key).await?)
        })).await.unwrap();
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_deleted, rig.ids().len()), (1, 38), "{counts:?}");
        let counts = full(&rig, &flow).await;
        assert_eq!((counts.deleted, counts.sent_created), (1, 0), "{counts:?}");
        assert_eq!((rig.records().await, rig.ids().len()), (38, 38));
        let counts = full(&rig, &flow).await;
        assert_eq!((counts.written(), counts.sent(), counts.deleted), (0, 0, 0), "{counts:?}");
    }
}
