//! What a sync writes, and what it leaves alone.

use connectus_core::event::EventType;
use connectus_engine::flows;
use connectus_testkit::both;
use serde_json::json;

use crate::rig::Rig;

both! {
    async fn all_contacts_arrive_mapped_and_a_second_run_writes_nothing(db: TestStore) {
        let rig = Rig::new(&db).await;
        let flow = rig.flow().await;
        let first = rig.counts(&flow.id).await;
        assert_eq!((first.read, first.created, first.written()), (500, 500, 500));
        assert_eq!((first.rejected, first.updated, first.pages), (0, 0, 5));
        assert_eq!(rig.records().await, 500);
        let id = rig.ids()[0];
        let record = rig.record(&format!("hubspot:{id}")).await;
        let there = rig.contacts().record(connectus_sandbox::ObjectType::Contacts, id).unwrap();
        assert_eq!(record.data["firstName"], there["properties"]["firstname"]);
        assert_eq!(record.data["lastName"], there["properties"]["lastname"]);
        assert_eq!(record.source, flow.id.as_str());
        assert!(!record.data.contains_key("firstname"));

        let second = rig.counts(&flow.id).await;
        assert_eq!((second.written(), second.rejected), (0, 0));
        assert!(second.read < 500, "a second run reads changes, not everything: {second:?}");
        let read = rig.reread(&flow.id).await;
        assert_eq!((read.records_processed, read.records_failed), (500 + second.read, 0));
        assert!(read.last_run.is_some() && read.last_synced_at.is_some());

        let mut conn = rig.parts.store.read().await.unwrap();
        let events = conn.events_after(&rig.ctx, 0, 100).await.unwrap();
        let progress = events.iter().rfind(|event| event.kind == EventType::SyncProgressed);
        assert!(progress.unwrap().data.value()["counts"]["checkpoints"].as_u64() >= Some(1));
    }

    async fn only_what_changed_is_written_and_other_fields_stay(db: TestStore) {
        let rig = Rig::new(&db).await;
        let flow = rig.flow().await;
        rig.counts(&flow.id).await;
        let ids = rig.ids();
        let key = format!("hubspot:{}", ids[7]);
        rig.edit_here(&key, json!({"note": "likes tea"})).await;
        db.sim.clock.advance_secs(600);
        rig.edit_there(&[ids[7], ids[8], ids[499]], &[("city", "Saint-Louis")]);
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.updated, counts.created, counts.rejected), (3, 0, 0));
        let record = rig.record(&key).await;
        assert_eq!(record.data["city"], "Saint-Louis");
        assert_eq!(record.data["note"], "likes tea", "a flow leaves alone what it does not map");
        assert_eq!(rig.counts(&flow.id).await.written(), 0);

        // A full read over what is there finds nothing to write either.
        rig.forget_cursor(&flow.id).await;
        let again = rig.counts(&flow.id).await;
        assert_eq!((again.read, again.written(), again.unchanged), (500, 0, 500));
    }

    async fn records_that_share_a_time_of_change_are_all_found(db: TestStore) {
        let rig = Rig::new(&db).await;
        let flow = rig.flow().await;
        rig.counts(&flow.id).await;
        let ids = rig.ids();
        db.sim.clock.advance_secs(600);
        rig.edit_there(&ids[..5], &[("city", "Ziguinchor")]);
        let run = rig.queued(&flow.id).await;
        rig.engine.run_until_idle().await.unwrap();
        let output = rig.run(&run).await.output.unwrap().shown();
        assert_eq!(output["updated"], 5);
        // The clock has not moved: these changed in the same microsecond as those just read.
        rig.edit_there(&ids[3..9], &[("city", "Kaolack")]);
        let run = rig.queued(&flow.id).await;
        rig.engine.run_until_idle().await.unwrap();
        let output = rig.run(&run).await.output.unwrap().shown();
        let seen: Vec<u64> = vec![5, 6, 7, 8];
        for at in &seen {
            let record =
                rig.record(&format!("hubspot:{}", ids[usize::try_from(*at).unwrap()])).await;
            assert_eq!(record.data["city"], "Kaolack", "row {at}: {output}");
        }
    }

    async fn a_preview_tells_what_a_sync_then_does_and_writes_nothing(db: TestStore) {
        let rig = Rig::with_contacts(&db, 120).await;
        let flow = rig.flow().await;
        let preview = flows::preview(&rig.parts, &rig.ctx, flow.clone(), 10).await.unwrap();
        assert_eq!((preview.creates, preview.updates, preview.rows.len()), (120, 0, 10));
        assert!(preview.truncated, "more rows differ than are shown");
        assert!(preview.rows[0].changes.iter().all(|change| change.before.is_null()));
        assert_eq!(rig.records().await, 0);
        rig.counts(&flow.id).await;
        db.sim.clock.advance_secs(600);
        let ids = rig.ids();
        rig.edit_there(&ids[..2], &[("city", "Thiès")]);
        rig.contacts()
            .add(connectus_sandbox::ObjectType::Contacts, &[("email", "new@example.com")])
            .unwrap();
        let flow = rig.reread(&flow.id).await;
        for _ in 0..2 {
            db.sim.clock.advance_secs(5);
            let preview = flows::preview(&rig.parts, &rig.ctx, flow.clone(), 50).await.unwrap();
            assert_eq!((preview.creates, preview.updates), (1, 2), "a preview moves no cursor");
            assert!(!preview.truncated);
            let change = &preview
                .rows
                .iter()
                .find(|row| !row.changes.is_empty() && row.key == format!("hubspot:{}", ids[0]))
                .unwrap()
                .changes;
            assert_eq!((change.len(), change[0].field.as_str()), (1, "city"));
            assert_eq!(change[0].after, "Thiès");
        }
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.created, counts.updated), (1, 2));
    }

    async fn a_preview_that_ends_at_its_limits_knows_whether_there_is_more(db: TestStore) {
        // Ten pages of a hundred are the most that a preview shows.
        let rig = Rig::with_contacts(&db, 1_000).await;
        let flow = rig.flow().await;
        assert_eq!(rig.counts(&flow.id).await.created, 1_000);
        rig.forget_cursor(&flow.id).await;
        let whole = flows::preview(&rig.parts, &rig.ctx, flow.clone(), 50).await.unwrap();
        assert_eq!((whole.read, whole.unchanged, whole.rows.len()), (1_000, 1_000, 0));
        assert!(!whole.truncated, "all there is was read, and nothing differs");
        rig.contacts()
            .add(connectus_sandbox::ObjectType::Contacts, &[("email", "more@example.com")])
            .unwrap();
        let cut = flows::preview(&rig.parts, &rig.ctx, flow, 50).await.unwrap();
        assert_eq!((cut.read, cut.truncated), (1_000, true));
    }

    async fn a_mapping_is_tried_on_a_given_or_a_live_record(db: TestStore) {
        let rig = Rig::with_contacts(&db, 3).await;
        let flow = rig.flow().await;
        let live = flows::test_mapping(&rig.parts, &rig.ctx, &flow, None).await.unwrap();
        assert!(live.accepted && live.row.unwrap().contains_key("firstName"));
        assert_eq!(live.fields.len(), 4);
        let sample = json!({"id": "1", "properties": {"email": " not an address "}});
        let given = flows::test_mapping(&rig.parts, &rig.ctx, &flow, Some(sample)).await.unwrap();
        assert!(!given.accepted);
        let email = &given.fields[0];
        assert!(email.error.is_some(), "{email:?}");
        assert_eq!(email.steps[0].output, Some(json!("not an address")));
    }

    async fn field_names_written_in_another_style_find_their_property(db: TestStore) {
        let rig = Rig::with_contacts(&db, 3).await;
        let mut new = crate::rig::new_flow(&rig.integration);
        let texts = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
        new.source_fields = texts(&["email", "first_name", "last_name"]);
        new.target_fields = texts(&["email", "firstName", "lastName"]);
        let flow = rig.flow_from(new).await;
        rig.counts(&flow.id).await;
        let id = rig.ids()[0];
        let there = rig.contacts().record(connectus_sandbox::ObjectType::Contacts, id).unwrap();
        let record = rig.record(&format!("hubspot:{id}")).await;
        assert_eq!(record.data["firstName"], there["properties"]["firstname"]);
        assert_eq!(rig.reread(&flow.id).await.source_fields[1], "first_name", "kept as written");
    }
}
