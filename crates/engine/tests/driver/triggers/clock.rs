//! The clock, also when it jumps.

use std::collections::BTreeSet;

use connectus_core::Timestamp;
use connectus_testkit::both;
use serde_json::{Value, json};

use super::{nothing, runs, set_status, workflow};
use crate::support::Rig;

fn schedule(config: &Value) -> Value {
    json!({ "type": "schedule", "config": config })
}

/// The slots for which there are runs, each of which must be there once.
async fn slots(rig: &Rig, of: &connectus_store::workflows::WorkflowRow) -> Vec<String> {
    let mut slots: Vec<String> = runs(rig, of)
        .await
        .iter()
        .map(|run| run.input.here().unwrap()["scheduled_at"].as_str().unwrap().to_owned())
        .collect();
    slots.sort();
    let distinct: BTreeSet<&String> = slots.iter().collect();
    assert_eq!(distinct.len(), slots.len(), "a slot is doubled: {slots:?}");
    slots
}

both! {
    async fn missed_times_are_made_up_for_as_the_schedule_says(db: TestStore) {
        let rig = Rig::new(&db).await;
        let hourly = |missed: &str| schedule(&json!({ "cron": "0 * * * *", "missed": missed }));
        let one = workflow(&rig, "one", hourly("one"), nothing()).await;
        let all = workflow(&rig, "all", hourly("all"), nothing()).await;
        let skip = workflow(&rig, "skip", hourly("skip"), nothing()).await;
        // Nothing runs from 09:00 to 14:30.
        db.sim.clock.advance_secs(5 * 3_600 + 1_800);
        rig.settle().await;
        assert_eq!(slots(&rig, &one).await, ["2026-01-05T10:00:00Z"]);
        assert_eq!(slots(&rig, &all).await, [
            "2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z", "2026-01-05T12:00:00Z",
            "2026-01-05T13:00:00Z", "2026-01-05T14:00:00Z",
        ]);
        assert!(slots(&rig, &skip).await.is_empty());
        // The next one comes in time for all of them.
        db.sim.clock.advance_secs(1_800 + 30);
        rig.settle().await;
        for workflow in [&one, &all, &skip] {
            assert_eq!(slots(&rig, workflow).await.last().unwrap(), "2026-01-05T15:00:00Z");
        }
        assert_eq!(slots(&rig, &skip).await.len(), 1);
    }

    async fn a_clock_that_jumps_doubles_no_slot(db: TestStore) {
        let rig = Rig::new(&db).await;
        let config = json!({ "every": "15m", "missed": "all" });
        let tick = workflow(&rig, "tick", schedule(&config), nothing()).await;
        for jump in [900, 900, -7_200, 900, 900, 86_400, 900, -86_400, 900, -7_200, 3_600] {
            db.sim.clock.advance_secs(jump);
            rig.settle().await;
            slots(&rig, &tick).await;
            // Whoever saves the workflow has its next slot planned anew, by the clock of the day.
            set_status(&rig, &tick, "paused").await;
            set_status(&rig, &tick, "active").await;
            rig.settle().await;
            slots(&rig, &tick).await;
        }
        assert!(slots(&rig, &tick).await.len() > 90);
    }

    async fn a_night_in_which_the_clock_changes_has_each_slot_once(db: TestStore) {
        let rig = Rig::new(&db).await;
        let config = json!({ "cron": "30 2 * * *", "timezone": "Europe/Paris" });
        let spring = workflow(&rig, "spring", schedule(&config), nothing()).await;
        for (from, expected) in [
            // 02:30 does not exist on 29 March: it is due when the clock has moved.
            ("2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
            // It comes twice on 25 October.
            ("2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        ] {
            db.sim.clock.set(Timestamp::parse(from).unwrap());
            set_status(&rig, &spring, "paused").await;
            set_status(&rig, &spring, "active").await;
            let before = slots(&rig, &spring).await.len();
            for _ in 0..4 * 40 {
                db.sim.clock.advance_secs(900);
                rig.settle().await;
            }
            assert_eq!(slots(&rig, &spring).await[before..], expected);
        }
    }
}
