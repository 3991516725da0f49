//! Rows a flow cannot take.

use connectus_core::{Code, Page};
use connectus_engine::flows::{self, FlowChange};
use connectus_sandbox::ObjectType;
use connectus_testkit::both;
use serde_json::{Map, json};

use crate::rig::{Rig, new_flow};

/// A flow that takes contacts with a city only.
fn picky(rig: &Rig) -> flows::NewFlow {
    let mut new = new_flow(&rig.integration);
    new.transformation_rules =
        Map::from_iter([("city".to_owned(), json!({"validate": "required"}))]);
    new
}

both! {
    async fn refused_rows_are_kept_once_and_replayed_when_the_mapping_is_mended(db: TestStore) {
        let rig = Rig::with_contacts(&db, 120).await;
        let ids = rig.ids();
        rig.edit_there(&ids[10..14], &[("city", "")]);
        db.sim.clock.advance_secs(600);
        let flow = rig.flow_from(picky(&rig)).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.created, counts.rejected), (116, 4));
        assert_eq!(rig.open_rejected(&flow.id).await, 4);
        let mut conn = rig.parts.store.read().await.unwrap();
        let row = conn
            .rejected_rows(&rig.ctx, &flow.id, false, Page::default())
            .await
            .unwrap()
            .items
            .remove(0);
        drop(conn);
        assert_eq!(row.errors[0]["field"], "city");
        assert_eq!(row.source["id"], row.source_key);

        // Nothing is mended: replaying changes nothing, and neither does reading again.
        let replay = flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, &[]).await.unwrap();
        assert_eq!((replay.replayed, replay.still_rejected.len()), (0, 4));
        let forget = (rig.ctx.clone(), flow.id.clone());
        rig.parts
            .store
            .write(move |tx| {
                Box::pin(async move { Ok(tx.clear_flow_cursor(&forget.0, &forget.1).await?) })
            })
            .await
            .unwrap();
        rig.counts(&flow.id).await;
        assert_eq!(rig.open_rejected(&flow.id).await, 4);

        // Mended: the rows are taken without asking the provider again.
        let change = FlowChange { transformation_rules: Some(Map::new()), ..FlowChange::default() };
        flows::update(&rig.parts, &rig.ctx, &rig.reread(&flow.id).await, change).await.unwrap();
        let calls = rig.contacts().call_count();
        let one =
            flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, std::slice::from_ref(&row.id))
                .await
                .unwrap();
        assert_eq!(one.replayed, 1);
        let rest = flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, &[]).await.unwrap();
        assert_eq!((rest.replayed, rest.still_rejected.len()), (3, 0));
        assert_eq!(rig.contacts().call_count(), calls);
        assert_eq!(rig.records().await, 120);
        assert_eq!(rig.reread(&flow.id).await.records_failed, 4 + 4, "two syncs refused them");
    }

    async fn a_row_mended_at_its_source_is_no_longer_open(db: TestStore) {
        let rig = Rig::with_contacts(&db, 20).await;
        let id = rig.contacts().add(ObjectType::Contacts, &[("email", "x@example.com")]).unwrap();
        db.sim.clock.advance_secs(600);
        let flow = rig.flow_from(picky(&rig)).await;
        rig.counts(&flow.id).await;
        let open = rig.open_rejected(&flow.id).await;
        assert!(open >= 1);
        db.sim.clock.advance_secs(600);
        rig.edit_there(&[id], &[("city", "Touba")]);
        let counts = rig.counts(&flow.id).await;
        assert_eq!(counts.created, 1);
        assert_eq!(rig.open_rejected(&flow.id).await, open - 1);
    }

    async fn unknown_and_foreign_rows_are_the_same_to_a_caller(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let flow = rig.flow().await;
        let id = connectus_core::RejectedRowId::trusted("rej_unknown");
        let error =
            flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, &[id]).await.unwrap_err();
        assert_eq!(error.code, Code::NotFound);
        let other = db.tenant("Other").await.unwrap();
        let error = flows::replay_rejected(&rig.parts, &other, &flow.id, &[]).await.unwrap_err();
        assert_eq!(error.code, Code::NotFound);
    }
}
