//! A record changed on both sides, and two integrations that claim the same record.

use connectus_core::flow::ConflictPolicy;
use connectus_engine::flows;
use connectus_testkit::both;
use serde_json::json;

use crate::rig::{Rig, connect, new_flow};

/// Syncs, changes one contact here and there (in that order), and syncs again.
async fn changed_on_both_sides(
    rig: &Rig,
    policy: ConflictPolicy,
) -> (flows::NewFlow, connectus_core::FlowId, String, connectus_engine::sync::Counts) {
    let mut new = new_flow(&rig.integration);
    new.conflict_policy = policy;
    let flow = rig.flow_from(new.clone()).await;
    rig.counts(&flow.id).await;
    let id = rig.ids()[0];
    let key = format!("hubspot:{id}");
    rig.db.sim.clock.advance_secs(600);
    rig.edit_here(&key, json!({"city": "Here"})).await;
    rig.db.sim.clock.advance_secs(600);
    rig.edit_there(&[id], &[("city", "There")]);
    let counts = rig.counts(&flow.id).await;
    (new, flow.id, key, counts)
}

both! {
    async fn the_policy_decides_who_wins(db: TestStore) {
        for (policy, city, updated, kept) in [
            (ConflictPolicy::SourceWins, "There", 1, 0),
            (ConflictPolicy::TargetWins, "Here", 0, 1),
            (ConflictPolicy::Newest, "There", 1, 0),
        ] {
            let rig = Rig::with_contacts(&db, 5).await;
            let (_, _, key, counts) = changed_on_both_sides(&rig, policy).await;
            assert_eq!((counts.updated, counts.kept), (updated, kept), "{policy}");
            assert_eq!(rig.record(&key).await.data["city"], city, "{policy}");
        }
    }

    async fn the_newer_change_wins_when_it_was_made_here(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let flow = rig.flow().await;
        rig.counts(&flow.id).await;
        let id = rig.ids()[0];
        db.sim.clock.advance_secs(600);
        rig.edit_there(&[id], &[("city", "There")]);
        db.sim.clock.advance_secs(600);
        rig.edit_here(&format!("hubspot:{id}"), json!({"city": "Here"})).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.updated, counts.kept), (0, 1));
        assert_eq!(rig.record(&format!("hubspot:{id}")).await.data["city"], "Here");
    }

    async fn an_undecided_conflict_waits_for_a_person(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let (_, flow, key, counts) = changed_on_both_sides(&rig, ConflictPolicy::Manual).await;
        assert_eq!((counts.updated, counts.rejected), (0, 1));
        assert_eq!(rig.record(&key).await.data["city"], "Here");
        let replay = flows::replay_rejected(&rig.parts, &rig.ctx, &flow, &[]).await.unwrap();
        assert_eq!(replay.replayed, 1);
        assert_eq!(rig.record(&key).await.data["city"], "There");
    }

    async fn what_a_record_made_here_lacks_is_added_and_the_rest_stays(db: TestStore) {
        for policy in [ConflictPolicy::TargetWins, ConflictPolicy::Newest, ConflictPolicy::Manual] {
            let rig = Rig::with_contacts(&db, 2).await;
            let (made, other) = (rig.ids()[0], rig.ids()[1]);
            rig.edit_there(&[made], &[("city", "There"), ("firstname", "Awa")]);
            db.sim.clock.advance_secs(600);
            let key = format!("hubspot:{made}");
            let here = if policy == ConflictPolicy::Manual { "There" } else { "Here" };
            rig.edit_here(&key, json!({"city": here, "firstname": "left alone"})).await;
            let mut new = new_flow(&rig.integration);
            new.conflict_policy = policy;
            let flow = rig.flow_from(new).await;
            let counts = rig.counts(&flow.id).await;
            assert_eq!((counts.created, counts.updated, counts.kept), (1, 1, 0), "{policy}");
            let record = rig.record(&key).await;
            assert_eq!(record.data["city"], here, "{policy}");
            assert_eq!(record.data["firstName"], "Awa", "{policy}");
            assert_eq!(record.data["firstname"], "left alone", "{policy}");
            assert_eq!(record.source, "user:usr_1", "whoever made it stays answerable for it");
            // Only what the stream says anew is looked at again, and it is still a conflict.
            rig.edit_there(&[other], &[("city", "Elsewhere")]);
            assert_eq!(rig.counts(&flow.id).await.kept, 0, "{policy}");
            assert_eq!(rig.record(&key).await.data["city"], here, "{policy}");
        }
    }

    async fn two_portals_never_overwrite_each_others_contacts(db: TestStore) {
        let rig = Rig::with_contacts(&db, 5).await;
        let flow = rig.flow().await;
        rig.counts(&flow.id).await;
        let second = connect(&rig.parts, &rig.ctx, &rig.hubspot).await;
        let mut new = new_flow(&second);
        new.name = "Second".into();
        let other = rig.flow_from(new).await;
        rig.edit_there(&rig.ids()[..1], &[("city", "Elsewhere")]);
        let counts = rig.counts(&other.id).await;
        assert_eq!((counts.rejected, counts.written()), (5, 0));
        // Once the first integration is gone, its records may be taken over.
        rig.parts.connections.delete(&rig.ctx, &rig.integration, |_| Ok(())).await.unwrap();
        let replay = flows::replay_rejected(&rig.parts, &rig.ctx, &other.id, &[]).await.unwrap();
        assert_eq!((replay.replayed, replay.still_rejected.len()), (5, 0));
    }
}
