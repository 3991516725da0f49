//! Sources whose fields change: everyone is told of the fields, and the flow does what it was told.

use connectus_core::{
    Page,
    event::EventType,
    flow::{DataFlow, Direction, FlowStatus, SchemaChanges},
    run::RunStatus,
};
use connectus_engine::flows::{self, FlowChange};
use connectus_sandbox::{Fault, FaultKind};
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::rig::{Rig, new_flow};

async fn flow(rig: &Rig, policy: SchemaChanges) -> DataFlow {
    let mut new = new_flow(&rig.integration);
    new.options.schema_changes = policy;
    rig.flow_from(new).await
}

/// From now on, every answer about contacts calls a field otherwise.
fn rename(rig: &Rig, from: &str, to: Option<&str>) {
    let kind = FaultKind::SchemaDrift { from: from.into(), to: to.map(Into::into) };
    rig.contacts().fault(Fault::on("", "/crm/v3/objects/contacts", kind).times(1_000));
}

async fn told(rig: &Rig) -> Vec<Value> {
    let mut conn = rig.parts.store.read().await.unwrap();
    let events = conn.events_after(&rig.ctx, 0, 10_000).await.unwrap();
    let changes = events.into_iter().filter(|event| event.kind == EventType::FlowSchemaChanged);
    changes.map(|event| event.data.value()).collect()
}

async fn entries(rig: &Rig) -> Vec<String> {
    let mut conn = rig.parts.store.read().await.unwrap();
    let logs = conn.health_logs(&rig.ctx, &Default::default(), Page::default()).await.unwrap();
    let ours = logs.items.into_iter().filter(|log| log.operation == "schema");
    ours.map(|log| log.message).collect()
}

fn touch(rig: &Rig, ids: &[u64]) {
    rig.edit_there(ids, &[("city", "Elsewhere")]);
}

both! {
    async fn a_flow_goes_on_as_it_is_and_tells_of_the_fields_once(db: TestStore) {
        let rig = Rig::with_contacts(&db, 30).await;
        let flow = flow(&rig, SchemaChanges::Ignore).await;
        rig.counts(&flow.id).await;
        rig.counts(&flow.id).await;
        assert_eq!(told(&rig).await, Vec::<Value>::new(), "what is learnt is no news");
        let ids = rig.ids();
        let before = rig.record(&format!("hubspot:{}", ids[0])).await.data;
        rename(&rig, "email", Some("mail"));
        touch(&rig, &ids[..3]);
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.updated, counts.rejected), (3, 0), "{counts:?}");
        let told_of = told(&rig).await;
        assert_eq!(told_of.len(), 1, "{told_of:?}");
        assert_eq!(told_of[0]["added"], json!(["mail"]));
        assert_eq!(told_of[0]["vanished"], json!(["email"]));
        let entries = entries(&rig).await;
        assert!(entries[0].contains("`mail`") && entries[0].contains("`email`"), "{entries:?}");
        let after = rig.record(&format!("hubspot:{}", ids[0])).await.data;
        assert_eq!((&after["email"], &after["city"]), (&before["email"], &json!("Elsewhere")));
        touch(&rig, &ids[3..6]);
        rig.counts(&flow.id).await;
        assert_eq!(told(&rig).await.len(), 1);
        assert_eq!(rig.reread(&flow.id).await.version, flow.version);
    }

    async fn new_fields_are_mapped_from_the_first_record_that_has_them(db: TestStore) {
        let rig = Rig::with_contacts(&db, 350).await;
        let flow = flow(&rig, SchemaChanges::Add).await;
        rig.counts(&flow.id).await;
        let ids = rig.ids();
        rename(&rig, "phone", Some("telephone"));
        touch(&rig, &ids[..250]);
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.updated, counts.rejected), (250, 0), "{counts:?}");
        let after = rig.reread(&flow.id).await;
        assert_eq!(after.source_fields.last().map(String::as_str), Some("telephone"));
        assert_eq!(after.target_fields.last().map(String::as_str), Some("telephone"));
        assert_eq!(after.next_due_at, flow.next_due_at, "the schedule stays");
        for id in [ids[0], ids[249]] {
            let record = rig.record(&format!("hubspot:{id}")).await;
            assert!(record.data.contains_key("telephone"), "{:?}", record.data);
        }
        assert_eq!(told(&rig).await[0]["mapped"], json!(["telephone"]));
        let schema = flows::source_schema(&rig.parts, &rig.ctx, &after).await.unwrap();
        let field = schema.fields.iter().find(|one| one.field.name == "telephone").unwrap();
        assert!(schema.learned && field.mapped);
        assert_eq!(rig.counts(&flow.id).await.written(), 0);
    }

    async fn a_paused_flow_says_why_and_loses_nothing(db: TestStore) {
        let rig = Rig::with_contacts(&db, 350).await;
        let flow = flow(&rig, SchemaChanges::Pause).await;
        rig.counts(&flow.id).await;
        let ids = rig.ids();
        touch(&rig, &ids[..250]);
        // The second page of changes differs, the first does not.
        let kind = FaultKind::SchemaDrift { from: "email".into(), to: Some("mail".into()) };
        let search = "/crm/v3/objects/contacts/search";
        rig.contacts().fault(Fault::on("POST", search, kind).skip(1).times(1_000));
        let run = rig.sync(&flow.id).await;
        assert_eq!(run.status, RunStatus::Failed);
        let error = run.error.unwrap().message;
        assert!(error.contains("`mail`") && error.contains("set its status"), "{error}");
        let paused = rig.reread(&flow.id).await;
        assert_eq!((paused.status, paused.next_due_at), (FlowStatus::Paused, None));
        assert_eq!(paused.status_reason.as_deref(), Some(error.as_str()));
        assert_eq!(told(&rig).await.len(), 1);
        let elsewhere = |ids: Vec<u64>| {
            let rig = &rig;
            async move {
                let mut count = 0;
                for id in ids {
                    let record = rig.record(&format!("hubspot:{id}")).await;
                    count += u32::from(record.data["city"] == "Elsewhere");
                }
                count
            }
        };
        let written = elsewhere(ids.clone()).await;
        assert!((1..250).contains(&written), "what came before is written: {written}");
        let change = FlowChange { status: Some(FlowStatus::Active), ..Default::default() };
        let resumed = flows::update(&rig.parts, &rig.ctx, &paused, change).await.unwrap();
        assert_eq!(resumed.status_reason, None);
        let counts = rig.counts(&flow.id).await;
        assert_eq!(counts.rejected, 0, "{counts:?}");
        assert_eq!(elsewhere(ids).await, 250);
        assert_eq!(told(&rig).await.len(), 1, "a person has seen it");
    }

    async fn a_flow_that_sends_cannot_add_and_watches_all_the_same(db: TestStore) {
        let rig = Rig::with_contacts(&db, 20).await;
        let mut new = new_flow(&rig.integration);
        new.options.schema_changes = SchemaChanges::Add;
        new.direction = Direction::Bidirectional;
        let error = flows::create(&rig.parts, &rig.ctx, new.clone()).await.unwrap_err();
        assert_eq!(error.fields[0].field, "/options/schema_changes");
        new.options.schema_changes = SchemaChanges::Ignore;
        let flow = rig.flow_from(new).await;
        rig.counts(&flow.id).await;
        rename(&rig, "city", None);
        rig.edit_there(&rig.ids()[..2], &[("firstname", "Ada")]);
        rig.counts(&flow.id).await;
        let told_of = told(&rig).await;
        assert_eq!((told_of.len(), &told_of[0]["vanished"]), (1, &json!(["city"])));
    }
}
