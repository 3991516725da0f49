//! Records that come to meet a condition.

use connectus_core::run::WorkflowStatus;
use connectus_engine::{triggers, workflows};
use connectus_testkit::both;
use serde_json::{Value, json};

use super::{nothing, runs, set_status, workflow};
use crate::support::{Rig, fakes};

fn on(config: &Value) -> Value {
    json!({ "type": "condition", "config": config })
}

fn hot_leads() -> Value {
    on(&json!({
        "collection": "digisol_crm/contacts",
        "expression": "record.score|default(0) >= 80",
        "every": "5m",
    }))
}

async fn contact(rig: &Rig, key: &str, score: i64) {
    let collection = "digisol_crm/contacts".parse().unwrap();
    let Value::Object(fields) = json!({ "score": score }) else { unreachable!() };
    let put = connectus_engine::collections::put;
    put(&rig.parts, &rig.ctx, &collection, key, fields, |_| Ok(())).await.unwrap();
}

/// Whose records started runs, in order.
async fn fired(rig: &Rig, of: &connectus_store::workflows::WorkflowRow) -> Vec<String> {
    let runs = runs(rig, of).await;
    runs.iter()
        .map(|run| run.input.here().unwrap()["key"].as_str().unwrap_or("all").to_owned())
        .collect()
}

both! {
    async fn a_run_starts_when_a_record_comes_to_meet_it(db: TestStore) {
        let rig = Rig::new(&db).await;
        contact(&rig, "old", 90).await;
        let hot = workflow(&rig, "hot", hot_leads(), nothing()).await;
        rig.settle().await;
        assert!(fired(&rig, &hot).await.is_empty(), "what held at the first look starts nothing");
        contact(&rig, "ada", 85).await;
        contact(&rig, "bob", 10).await;
        rig.settle().await;
        assert!(fired(&rig, &hot).await.is_empty(), "it is not due yet");
        for _ in 0..3 {
            db.sim.clock.advance_secs(300);
            rig.settle().await;
            assert_eq!(fired(&rig, &hot).await, ["ada"]);
        }
        let run = &runs(&rig, &hot).await[0];
        let score = &run.input.here().unwrap()["record"]["score"];
        assert_eq!((run.trigger.as_str(), score), ("condition", &json!(85)));
        // It has to turn false before it can turn true again.
        contact(&rig, "ada", 1).await;
        db.sim.clock.advance_secs(300);
        rig.settle().await;
        contact(&rig, "ada", 99).await;
        db.sim.clock.advance_secs(300);
        rig.settle().await;
        assert_eq!(fired(&rig, &hot).await, ["ada", "ada"]);
    }

    async fn what_was_seen_outlives_the_process(db: TestStore) {
        let rig = Rig::new(&db).await;
        let hot = workflow(&rig, "hot", hot_leads(), nothing()).await;
        rig.settle().await;
        contact(&rig, "ada", 85).await;
        db.sim.clock.advance_secs(300);
        rig.settle().await;
        assert_eq!(fired(&rig, &hot).await, ["ada"]);
        let ctx = rig.ctx.clone();
        drop(rig);
        db.restart().await.unwrap();
        let rig = Rig::again(&db, ctx);
        contact(&rig, "bob", 85).await;
        db.sim.clock.advance_secs(86_400);
        rig.settle().await;
        assert_eq!(fired(&rig, &hot).await, ["ada", "bob"]);
        let seen = triggers::seen(&rig.parts, &rig.ctx, &hot.id).await.unwrap().unwrap();
        assert_eq!((seen.holding, seen.problem), (2, None));
        // What turned true during a pause is noticed after it.
        set_status(&rig, &hot, "paused").await;
        contact(&rig, "eve", 85).await;
        set_status(&rig, &hot, "active").await;
        db.sim.clock.advance_secs(300);
        rig.settle().await;
        assert_eq!(fired(&rig, &hot).await, ["ada", "bob", "eve"]);
    }

    async fn a_clock_that_jumps_fires_nothing_twice(db: TestStore) {
        let rig = Rig::new(&db).await;
        let hot = workflow(&rig, "hot", hot_leads(), nothing()).await;
        rig.settle().await;
        contact(&rig, "ada", 85).await;
        for jump in [300, -7_200, 300, 86_400, 300, -86_400, 300, 90_000] {
            db.sim.clock.advance_secs(jump);
            rig.settle().await;
        }
        assert_eq!(fired(&rig, &hot).await, ["ada"]);
    }

    async fn a_condition_can_be_about_all_records(db: TestStore) {
        let rig = Rig::new(&db).await;
        let config = json!({
            "collection": "digisol_crm/contacts", "on": "all",
            "expression": "count >= 2 and records|map(attribute='score')|sum > 100",
        });
        let many = workflow(&rig, "many", on(&config), nothing()).await;
        rig.settle().await;
        for (key, runs) in [("a", 0), ("b", 1), ("c", 1)] {
            contact(&rig, key, 60).await;
            db.sim.clock.advance_secs(300);
            rig.settle().await;
            assert_eq!(fired(&rig, &many).await.len(), runs, "{key}");
        }
    }

    async fn a_record_without_the_field_does_not_meet_it_and_is_told(db: TestStore) {
        let rig = Rig::new(&db).await;
        let config = json!({
            "collection": "digisol_crm/contacts", "expression": "record.scroe > 80",
        });
        let slip = workflow(&rig, "slip", on(&config), nothing()).await;
        contact(&rig, "ada", 90).await;
        rig.settle().await;
        let seen = triggers::seen(&rig.parts, &rig.ctx, &slip.id).await.unwrap().unwrap();
        assert!(seen.problem.unwrap().contains("scroe"));
        assert!(fired(&rig, &slip).await.is_empty());
    }

    async fn records_of_a_provider_are_looked_at_too(db: TestStore) {
        let sandbox = fakes::start(&db).await;
        let address = sandbox.hubspot_base_url.trim_start_matches("http://").to_owned();
        let ctx = db.tenant("Digi Sol").await.unwrap();
        let rig = Rig::reaching(&db, ctx, &[&address]);
        fakes::connect_hubspot(&rig.parts, &rig.ctx, &sandbox).await;
        let config = json!({
            "integration": "hubspot", "stream": "contacts", "every": "15m",
            "expression": "record.properties.lifecyclestage|default('') == 'opportunity'",
        });
        let won = workflow(&rig, "won", on(&config), nothing()).await;
        let input = json!({ "properties": {
            "email": "ada@example.com", "lifecyclestage": "opportunity",
        } });
        rig.settle().await;
        let create = json!([{
            "id": "make", "type": "action", "action": "hubspot.create_contact", "input": input,
        }]);
        let made = rig.start("make", create, json!({})).await;
        rig.settle().await;
        assert_eq!(rig.state(&made.id).await.error, None);
        db.sim.clock.advance_secs(900);
        rig.settle().await;
        let started = runs(&rig, &won).await;
        assert_eq!(started.len(), 1);
        let input = started[0].input.here().unwrap();
        assert_eq!(input["record"]["properties"]["email"], "ada@example.com");
        // A provider that cannot be reached changes nothing that was seen.
        drop(sandbox);
        db.sim.clock.advance_secs(900);
        rig.settle().await;
        let row = workflows::find(&rig.parts, &rig.ctx, &won.id).await.unwrap();
        assert_eq!((row.status, runs(&rig, &won).await.len()), (WorkflowStatus::Active, 1));
        let seen = triggers::seen(&rig.parts, &rig.ctx, &won.id).await.unwrap().unwrap();
        assert!(seen.holding == 1 && seen.problem.is_some(), "{seen:?}");
    }
}
