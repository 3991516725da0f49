//! A flow both ways: what changed on one side reaches the other, and then nobody writes again.

use connectus_core::{
    FlowId,
    flow::{ConflictPolicy, DataFlow, Direction},
};
use connectus_engine::{flows, sync::Counts};
use connectus_sandbox::ObjectType;
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::rig::{Rig, new_flow};

async fn both_ways(rig: &Rig, policy: ConflictPolicy) -> DataFlow {
    let mut new = new_flow(&rig.integration);
    new.direction = Direction::Bidirectional;
    new.conflict_policy = policy;
    rig.flow_from(new).await
}

/// Syncs until nothing moves, which must be soon, and then proves that nothing is written.
async fn quiet(rig: &Rig, flow: &FlowId) -> Counts {
    let first = rig.counts(flow).await;
    rig.counts(flow).await;
    for _ in 0..2 {
        rig.db.sim.clock.advance_secs(600);
        let before = stamps(rig).await;
        let counts = rig.counts(flow).await;
        assert_eq!((counts.written(), counts.sent()), (0, 0), "an echo: {counts:?}");
        assert_eq!(stamps(rig).await, before, "neither side is written again");
    }
    first
}

/// When everything on both sides last changed.
async fn stamps(rig: &Rig) -> (Vec<Value>, Vec<i64>) {
    let there = rig.ids().into_iter().map(|id| there(rig, id)["updatedAt"].clone()).collect();
    let mut conn = rig.parts.store.read().await.unwrap();
    let to = crate::rig::collection();
    let page = conn.records_after(&rig.ctx, &to, &[], "", 5_000).await.unwrap();
    (there, page.iter().map(|record| record.updated_at.0).collect())
}

fn there(rig: &Rig, id: u64) -> Value {
    rig.contacts().record(ObjectType::Contacts, id).unwrap()
}

both! {
    async fn changes_of_either_side_reach_the_other_and_then_nobody_writes(db: TestStore) {
        let rig = Rig::with_contacts(&db, 150).await;
        for n in 0..20 {
            let fields = json!({"email": format!("h{n}@example.com"), "firstName": "Here"});
            rig.edit_here(&format!("crm:{n}"), fields).await;
        }
        let flow = both_ways(&rig, ConflictPolicy::Newest).await;
        let first = quiet(&rig, &flow.id).await;
        assert_eq!((first.created, first.sent_created), (150, 20), "{first:?}");
        assert_eq!((rig.records().await, rig.ids().len()), (170, 170));
        let (one, two) = (rig.ids()[0], rig.ids()[1]);
        rig.edit_there(&[one], &[("city", "There")]);
        rig.edit_here(&format!("hubspot:{two}"), json!({"city": "Here"})).await;
        rig.edit_here("crm:3", json!({"lastName": "Lovelace"})).await;
        let counts = quiet(&rig, &flow.id).await;
        assert_eq!((counts.updated, counts.sent_updated, counts.sent_created), (1, 2, 0));
        assert_eq!(rig.record(&format!("hubspot:{one}")).await.data["city"], "There");
        assert_eq!(there(&rig, two)["properties"]["city"], "Here");
        assert_eq!((rig.records().await, rig.ids().len()), (170, 170));
    }

    async fn the_same_person_on_both_sides_becomes_one_pair(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        let id = rig.contacts().add(ObjectType::Contacts,
            &[("email", "ada@example.com"), ("city", "London")]).unwrap();
        db.sim.clock.advance_secs(600);
        rig.edit_here("crm:1", json!({"email": "Ada@Example.com", "firstName": "Ada"})).await;
        let flow = both_ways(&rig, ConflictPolicy::Newest).await;
        quiet(&rig, &flow.id).await;
        assert_eq!((rig.records().await, rig.ids().len()), (1, 1));
        let record = rig.record("crm:1").await;
        assert_eq!((&record.data["city"], &record.data["firstName"]),
            (&json!("London"), &json!("Ada")));
        assert_eq!(there(&rig, id)["properties"]["firstname"], "Ada");
    }

    async fn a_value_the_provider_writes_otherwise_is_taken_once(db: TestStore) {
        let rig = Rig::with_contacts(&db, 1).await;
        let flow = both_ways(&rig, ConflictPolicy::TargetWins).await;
        let key = format!("hubspot:{}", rig.ids()[0]);
        quiet(&rig, &flow.id).await;
        // The mapping of what comes in writes addresses in small letters.
        rig.edit_here(&key, json!({"email": "LOUD@example.com"})).await;
        quiet(&rig, &flow.id).await;
        assert_eq!(rig.record(&key).await.data["email"], "loud@example.com");
    }

    async fn the_policy_decides_when_both_changed(db: TestStore) {
        for (policy, city) in [
            (ConflictPolicy::SourceWins, "There"),
            (ConflictPolicy::TargetWins, "Here"),
            (ConflictPolicy::Newest, "There"),
        ] {
            let rig = Rig::with_contacts(&db, 3).await;
            let flow = both_ways(&rig, policy).await;
            quiet(&rig, &flow.id).await;
            let id = rig.ids()[0];
            let key = format!("hubspot:{id}");
            rig.edit_here(&key, json!({"city": "Here"})).await;
            db.sim.clock.advance_secs(60);
            rig.edit_there(&[id], &[("city", "There"), ("lastname", "Both")]);
            quiet(&rig, &flow.id).await;
            assert_eq!(rig.record(&key).await.data["city"], city, "{policy}");
            assert_eq!(there(&rig, id)["properties"]["city"], city, "{policy}");
            let family = rig.record(&key).await.data["lastName"].clone();
            assert_eq!(there(&rig, id)["properties"]["lastname"], family, "{policy}");
        }
    }

    async fn an_undecided_pair_waits_on_both_sides(db: TestStore) {
        let rig = Rig::with_contacts(&db, 2).await;
        let flow = both_ways(&rig, ConflictPolicy::Manual).await;
        quiet(&rig, &flow.id).await;
        let id = rig.ids()[0];
        let key = format!("hubspot:{id}");
        rig.edit_here(&key, json!({"city": "Here"})).await;
        rig.edit_there(&[id], &[("city", "There")]);
        let counts = quiet(&rig, &flow.id).await;
        assert_eq!((counts.rejected, counts.sent(), counts.written()), (1, 0, 0));
        assert_eq!(rig.record(&key).await.data["city"], "Here");
        assert_eq!(there(&rig, id)["properties"]["city"], "There");
        let replay = flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, &[]).await.unwrap();
        assert_eq!(replay.replayed, 1);
        quiet(&rig, &flow.id).await;
        assert_eq!(rig.record(&key).await.data["city"], "There");
    }

    async fn a_preview_shows_both_ways(db: TestStore) {
        let rig = Rig::with_contacts(&db, 4).await;
        let flow = both_ways(&rig, ConflictPolicy::Newest).await;
        quiet(&rig, &flow.id).await;
        let ids = rig.ids();
        rig.edit_there(&ids[..1], &[("city", "There")]);
        rig.edit_here(&format!("hubspot:{}", ids[1]), json!({"city": "Here"})).await;
        rig.edit_here("crm:1", json!({"email": "new@example.com"})).await;
        let shown = flows::preview(&rig.parts, &rig.ctx, flow.clone(), 50).await.unwrap();
        let all = (shown.creates, shown.updates, shown.send_creates, shown.send_updates);
        assert_eq!(all, (0, 1, 1, 1));
        let done = rig.counts(&flow.id).await;
        assert_eq!((done.created, done.updated, done.sent_created, done.sent_updated), all);
    }
}
