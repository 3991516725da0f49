//! Values that nobody is to read do not get anywhere, and fields that are not read are not there.

use connectus_core::{
    FlowId, Page,
    flow::{DataFlow, Direction},
    run::RunStatus,
};
use connectus_engine::flows::{self, FlowChange, NewFlow};
use connectus_store::Database;
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::rig::{Rig, connect, new_flow};

const SECRETS: [&str; 3] =
    ["Zq7.Very.Secret@example.org", "zq7.very.secret@example.org", "Xk9nobody"];

fn masked(rig: &Rig) -> NewFlow {
    let mut new = new_flow(&rig.integration);
    let rules = json!({
        "email": {"trim": true, "case": "lower", "validate": "email", "redact": "hash"},
        "lastName": {"validate": {"max_length": 30}, "redact": "mask"},
        "firstName": {"concat": {"fields": ["firstname", "lastname"]}},
        "city": {"validate": {"max_length": 60}},
    });
    new.transformation_rules = rules.as_object().unwrap().clone();
    new
}

/// Gives contacts values that must not get anywhere.
fn give(rig: &Rig, ids: &[u64], city: &str) {
    for id in ids {
        let email = format!("n{id}{}", SECRETS[0]);
        let fields = [("email", email.as_str()), ("lastname", SECRETS[2]), ("city", city)];
        rig.edit_there(&[*id], &fields);
    }
}

async fn rejected(rig: &Rig, flow: &FlowId) -> Vec<connectus_store::rejected::RejectedRow> {
    let mut conn = rig.parts.store.read().await.unwrap();
    conn.rejected_rows(&rig.ctx, flow, true, Page::default()).await.unwrap().items
}

/// All that the database holds, as far as it can be looked at from outside.
async fn leaks(rig: &Rig, flow: &DataFlow) -> Vec<String> {
    let mut all = Vec::new();
    if let Database::Sqlite(path) = &rig.db.database {
        for end in ["", "-wal"] {
            let file = format!("{}{end}", path.display());
            let bytes = std::fs::read(&file).unwrap_or_default();
            all.push((file, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    let mut conn = rig.parts.store.read().await.unwrap();
    let events = conn.events_after(&rig.ctx, 0, 10_000).await.unwrap();
    all.push(("events".into(), format!("{events:?}")));
    let rows = conn.rejected_rows(&rig.ctx, &flow.id, true, Page::default()).await.unwrap();
    all.push(("rejected rows".into(), format!("{rows:?}")));
    let (search, page) = (Default::default(), Page::default());
    let records = conn.search_records(&rig.ctx, &flow.destination, &search, page).await.unwrap();
    all.push(("records".into(), format!("{records:?}")));
    let found = |text: &str| SECRETS.iter().any(|secret| text.contains(secret));
    all.into_iter().filter(|(_, text)| found(text)).map(|(name, _)| name).collect()
}

both! {
    async fn a_redacted_value_is_nowhere_and_refused_rows_are_tried_again(db: TestStore) {
        let rig = Rig::with_contacts(&db, 30).await;
        let ids = rig.ids();
        give(&rig, &ids[..2], "Turin");
        give(&rig, &ids[2..4], &"x".repeat(61));
        rig.edit_there(&ids[4..5], &[("lastname", &SECRETS[2].repeat(5))]);
        let flow = rig.flow_from(masked(&rig)).await;
        let preview = flows::preview(&rig.parts, &rig.ctx, flow.clone(), 200).await.unwrap();
        let shown = format!("{preview:?}");
        assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
        let (plan, _) = flows::make_plan(&rig.parts, &rig.ctx, &flow.id).await.unwrap();
        rig.engine.run_until_idle().await.unwrap();
        assert_eq!(leaks(&rig, &flow).await, Vec::<String>::new(), "of a plan");
        let run = flows::apply_plan(&rig.parts, &rig.ctx, &plan).await.unwrap();
        rig.engine.run_until_idle().await.unwrap();
        let run = rig.run(&run).await;
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
        assert_eq!((rig.records().await, rig.open_rejected(&flow.id).await), (27, 3));
        assert_eq!(leaks(&rig, &flow).await, Vec::<String>::new());
        let record = rig.record(&format!("hubspot:{}", ids[0])).await.data;
        assert_eq!((&record["lastName"], &record["city"]), (&json!("***"), &json!("Turin")));
        assert_eq!(record["email"].as_str().map(str::len), Some(64));
        assert!(record["firstName"].as_str().unwrap().ends_with(" ***"), "{record:?}");
        let twin = rig.record(&format!("hubspot:{}", ids[1])).await.data;
        assert_ne!(record["email"], twin["email"]);

        let unread = rejected(&rig, &flow.id).await.into_iter().filter(|row| row.source.is_null());
        assert_eq!(unread.count(), 1, "one that was refused before it was redacted");
        let mut rules = flow.transformation_rules.clone();
        rules.remove("city");
        let change = FlowChange { transformation_rules: Some(rules), ..Default::default() };
        let flow = flows::update(&rig.parts, &rig.ctx, &rig.reread(&flow.id).await, change).await;
        let flow = flow.unwrap();
        let replay = flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, &[]).await.unwrap();
        assert_eq!((replay.replayed, replay.still_rejected.len()), (2, 1));
        // Read again as it is at its source, the row is what the replay made of what was kept.
        let before = rig.record(&format!("hubspot:{}", ids[2])).await;
        rig.counts(&flow.id).await;
        let after = rig.record(&format!("hubspot:{}", ids[2])).await;
        assert_eq!((before.data, before.updated_at), (after.data, after.updated_at));
        assert_eq!(leaks(&rig, &flow).await, Vec::<String>::new());
    }

    async fn other_tenants_get_other_digests_and_trials_hold_no_value(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let ids = rig.ids();
        give(&rig, &ids[..1], "Turin");
        let flow = rig.flow_from(masked(&rig)).await;
        let trial = flows::test_mapping(&rig.parts, &rig.ctx, &flow, None).await.unwrap();
        let shown = format!("{trial:?}");
        assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
        let ours = trial.row.unwrap()["email"].clone();
        let ctx = db.tenant("Other").await.unwrap();
        let mut new = masked(&rig);
        new.integration = connect(&rig.parts, &ctx, &rig.hubspot).await;
        let flow = flows::create(&rig.parts, &ctx, new).await.unwrap();
        let trial = flows::test_mapping(&rig.parts, &ctx, &flow, None).await.unwrap();
        assert_ne!(ours, trial.row.unwrap()["email"]);
    }

    async fn redaction_that_starts_later_forgets_what_was_kept(db: TestStore) {
        let rig = Rig::with_contacts(&db, 10).await;
        let ids = rig.ids();
        give(&rig, &ids[..2], &"x".repeat(61));
        give(&rig, &ids[2..4], "Turin");
        let mut new = masked(&rig);
        new.transformation_rules.remove("email");
        new.transformation_rules.remove("lastName");
        let flow = rig.flow_from(new).await;
        rig.counts(&flow.id).await;
        let kept = format!("{:?}", rejected(&rig, &flow.id).await);
        assert!(kept.contains(SECRETS[0]), "the test must have something to lose");
        let rules = Some(masked(&rig).transformation_rules);
        let change = FlowChange { transformation_rules: rules, ..Default::default() };
        let flow = flows::update(&rig.parts, &rig.ctx, &flow, change).await.unwrap();
        let kept = rejected(&rig, &flow.id).await;
        assert!(kept.iter().all(|row| row.source == Value::Null), "{kept:?}");
        rig.counts(&flow.id).await;
        let record = rig.record(&format!("hubspot:{}", ids[2])).await.data;
        assert_eq!(record["lastName"], "***");
        let mut shown = format!("{:?}", rejected(&rig, &flow.id).await);
        shown += &format!("{record:?}");
        assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
    }

    async fn what_would_destroy_or_mix_up_records_is_refused(db: TestStore) {
        let rig = Rig::with_contacts(&db, 2).await;
        let mut new = masked(&rig);
        new.direction = Direction::Bidirectional;
        let error = flows::create(&rig.parts, &rig.ctx, new).await.unwrap_err();
        assert_eq!(error.fields[0].field, "/transformation_rules", "{error:?}");
        let mut new = masked(&rig);
        new.source_fields[1] = "id".into();
        new.transformation_rules.insert("firstName".into(), json!({"redact": "mask"}));
        let error = flows::create(&rig.parts, &rig.ctx, new.clone()).await.unwrap_err();
        assert!(error.fields[0].message.contains("identifies"), "{error:?}");
        new.transformation_rules.insert("firstName".into(), json!({"redact": "hash"}));
        let flow = rig.flow_from(new).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.created, counts.rejected), (2, 0), "{counts:?}");
    }

    async fn a_field_that_is_not_read_is_not_asked_for_and_not_kept(db: TestStore) {
        let rig = Rig::with_contacts(&db, 12).await;
        let ids = rig.ids();
        give(&rig, &ids[..2], &"x".repeat(61));
        let mut new = masked(&rig);
        new.transformation_rules.remove("lastName");
        new.options.fields.exclude = vec!["lastname".into()];
        let error = flows::create(&rig.parts, &rig.ctx, new.clone()).await.unwrap_err();
        assert!(error.fields[0].message.contains("`lastname`"), "{error:?}");
        new.source_fields.remove(2);
        new.target_fields.remove(2);
        new.transformation_rules.remove("firstName");
        rig.contacts().clear_calls();
        let flow = rig.flow_from(new).await;
        rig.counts(&flow.id).await;
        assert_eq!(leaks(&rig, &flow).await, Vec::<String>::new());
        let asked = format!("{:?}", rig.contacts().calls());
        assert!(!asked.contains("lastname") && asked.contains("contacts"), "{asked}");
        let schema = flows::source_schema(&rig.parts, &rig.ctx, &flow).await.unwrap();
        assert!(schema.fields.iter().all(|field| field.field.name != "lastname"));
    }
}
