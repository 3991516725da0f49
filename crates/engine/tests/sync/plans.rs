//! A plan says what a sync would do, and applying it does exactly that, or nothing.

use connectus_core::{
    Code, Page,
    flow::{ConflictPolicy, DataFlow, Direction, Leg},
    run::{Run, RunStatus},
};
use connectus_engine::flows;
use connectus_sandbox::{Fault, FaultKind, ObjectType};
use connectus_store::plans::FlowPlan;
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::rig::{Rig, new_flow};

async fn made(rig: &Rig, flow: &DataFlow) -> FlowPlan {
    rig.db.sim.clock.advance_secs(60);
    let (plan, run) = flows::make_plan(&rig.parts, &rig.ctx, &flow.id).await.unwrap();
    rig.engine.run_until_idle().await.unwrap();
    let run = rig.run(&run).await;
    assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
    flows::plan(&rig.parts, &rig.ctx, &flow.id, &plan.id).await.unwrap()
}

async fn apply(rig: &Rig, plan: &FlowPlan) -> Run {
    rig.db.sim.clock.advance_secs(60);
    let run = flows::apply_plan(&rig.parts, &rig.ctx, plan).await.unwrap();
    rig.engine.run_until_idle().await.unwrap();
    rig.run(&run).await
}

async fn applied(rig: &Rig, plan: &FlowPlan) -> Value {
    let run = apply(rig, plan).await;
    assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
    run.output.unwrap().shown()
}

async fn refused_as_stale(rig: &Rig, plan: &FlowPlan, why: &str) {
    let run = apply(rig, plan).await;
    let error = run.error.unwrap();
    assert_eq!((run.status, error.known_code()), (RunStatus::Failed, Some(Code::Conflict)));
    assert!(error.message.contains("stale") && error.message.contains(why), "{}", error.message);
}

async fn flow(rig: &Rig, direction: Direction) -> DataFlow {
    let mut new = new_flow(&rig.integration);
    new.direction = direction;
    new.conflict_policy = ConflictPolicy::Newest;
    if direction == Direction::Outbound {
        std::mem::swap(&mut new.source_fields, &mut new.target_fields);
    }
    rig.flow_from(new).await
}

fn counts(plan: &FlowPlan) -> [u64; 5] {
    ["creates", "updates", "rejected", "send_creates", "send_updates"]
        .map(|name| plan.counts[name].as_u64().unwrap())
}

both! {
    async fn what_is_planned_is_what_is_done(db: TestStore) {
        let rig = Rig::with_contacts(&db, 1_250).await;
        let flow = flow(&rig, Direction::Inbound).await;
        let plan = made(&rig, &flow).await;
        assert_eq!((plan.state.as_str(), counts(&plan)), ("ready", [1_250, 0, 0, 0, 0]));
        assert_eq!(rig.records().await, 0, "a plan writes nothing");
        let page = Page { limit: 10, offset: 1_245 };
        let wanted = (Some(Leg::Inbound), Some("create"));
        let rows = flows::plan_rows(&rig.parts, &rig.ctx, &plan, wanted, page).await.unwrap();
        assert_eq!((rows.total_count, rows.items.len()), (1_250, 5));
        assert_eq!(rows.items[0].shown["changes"].as_array().unwrap().len(), 4);
        // What changes at the provider after the plan is the next sync's.
        let id = rig.ids()[0];
        rig.edit_there(&[id], &[("city", "Later")]);
        let done = applied(&rig, &plan).await;
        assert_eq!((&done["created"], &done["updated"]), (&json!(1_250), &json!(0)));
        assert_ne!(rig.record(&format!("hubspot:{id}")).await.data["city"], "Later");
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.created, counts.updated), (0, 1));
        let error = flows::apply_plan(&rig.parts, &rig.ctx, &plan).await;
        let after = flows::plan(&rig.parts, &rig.ctx, &flow.id, &plan.id).await.unwrap();
        assert_eq!((after.state.as_str(), error.unwrap_err().code), ("applied", Code::Conflict));
    }

    async fn a_stale_plan_writes_nothing(db: TestStore) {
        let rig = Rig::with_contacts(&db, 30).await;
        let flow = flow(&rig, Direction::Inbound).await;
        rig.counts(&flow.id).await;
        let ids = rig.ids();
        db.sim.clock.advance_secs(600);
        rig.edit_there(&ids[..3], &[("city", "There")]);
        let plan = made(&rig, &flow).await;
        assert_eq!(counts(&plan), [0, 3, 0, 0, 0]);
        let key = format!("hubspot:{}", ids[2]);
        rig.edit_here(&key, json!({"city": "Here"})).await;
        refused_as_stale(&rig, &plan, &key).await;
        assert_ne!(rig.record(&format!("hubspot:{}", ids[0])).await.data["city"], "There");
        // The plan of another mapping, one overtaken by a sync, and one that is old.
        let plan = made(&rig, &flow).await;
        rig.counts(&flow.id).await;
        refused_as_stale(&rig, &plan, "has synced").await;
        let plan = made(&rig, &flow).await;
        let change = flows::FlowChange { name: Some("Renamed".into()), ..Default::default() };
        let flow = rig.reread(&flow.id).await;
        let flow = flows::update(&rig.parts, &rig.ctx, &flow, change).await.unwrap();
        refused_as_stale(&rig, &plan, "was changed").await;
        let plan = made(&rig, &flow).await;
        db.sim.clock.advance_secs(25 * 3_600);
        let error = flows::apply_plan(&rig.parts, &rig.ctx, &plan).await.unwrap_err();
        assert!(error.detail.contains("a day"), "{error}");
    }

    async fn a_plan_of_sending_sends_exactly_that(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        for n in 0..130 {
            let email = format!("p{n}@example.com");
            let fields = json!({"email": email, "firstName": "P", "city": "Bari"});
            rig.edit_here(&format!("crm:{n:03}"), fields).await;
        }
        rig.edit_here("crm:007", json!({"email": "nobody"})).await;
        let flow = flow(&rig, Direction::Outbound).await;
        let plan = made(&rig, &flow).await;
        assert_eq!(counts(&plan), [0, 0, 1, 129, 0]);
        assert_eq!((rig.ids().len(), rig.contacts().call_count()), (0, 0));
        // A record that comes after the plan is the next sync's.
        rig.edit_here("crm:later", json!({"email": "later@example.com"})).await;
        let slow = FaultKind::Status { status: 503 };
        let upsert = "/crm/v3/objects/contacts/batch/upsert";
        rig.contacts().fault(Fault::on("POST", upsert, slow).skip(1).after_effect());
        let run = apply(&rig, &plan).await;
        assert_eq!(run.status, RunStatus::Waiting, "{:?}", run.error);
        db.sim.clock.advance_secs(600);
        rig.engine.run_until_idle().await.unwrap();
        let run = rig.run(&run).await;
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
        assert_eq!(run.output.unwrap().shown()["sent_created"], 129);
        assert_eq!((rig.ids().len(), rig.open_rejected(&flow.id).await), (129, 1));
        assert_eq!(rig.counts(&flow.id).await.sent_created, 1);
        rig.edit_here("crm:001", json!({"city": "Rome"})).await;
        let plan = made(&rig, &flow).await;
        assert_eq!(counts(&plan), [0, 0, 0, 0, 1]);
        rig.edit_here("crm:001", json!({"city": "Lecce"})).await;
        refused_as_stale(&rig, &plan, "crm:001").await;
    }

    async fn a_plan_of_both_ways_leaves_nothing_behind(db: TestStore) {
        let rig = Rig::with_contacts(&db, 40).await;
        rig.edit_here("crm:1", json!({"email": "here@example.com"})).await;
        let flow = flow(&rig, Direction::Bidirectional).await;
        let plan = made(&rig, &flow).await;
        assert_eq!(counts(&plan), [40, 0, 0, 1, 0]);
        applied(&rig, &plan).await;
        assert_eq!((rig.records().await, rig.ids().len()), (41, 41));
        for _ in 0..2 {
            db.sim.clock.advance_secs(600);
            let after = rig.counts(&flow.id).await;
            assert_eq!((after.written(), after.sent()), (0, 0), "{after:?}");
        }
        let id = rig.ids()[0];
        rig.edit_here(&format!("hubspot:{id}"), json!({"city": "Here"})).await;
        rig.edit_there(&[rig.ids()[1]], &[("city", "There")]);
        let plan = made(&rig, &flow).await;
        assert_eq!(counts(&plan), [0, 1, 0, 0, 1]);
        applied(&rig, &plan).await;
        let there = rig.contacts().record(ObjectType::Contacts, id).unwrap();
        assert_eq!(there["properties"]["city"], "Here");
    }
}
