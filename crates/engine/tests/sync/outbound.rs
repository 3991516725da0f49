//! Records of a collection are sent to the provider: what changed, once, row by row.

use std::{future::Future, pin::pin, task::Poll};

use connectus_core::{Code, flow::Direction, run::RunStatus};
use connectus_engine::flows::{self, FlowChange, NewFlow, PreviewKind};
use connectus_sandbox::{Fault, FaultKind, ObjectType};
use connectus_testkit::both;
use serde_json::{Map, json};

use crate::rig::{Rig, new_flow};

const UPSERT: &str = "/crm/v3/objects/contacts/batch/upsert";
const UPDATE: &str = "/crm/v3/objects/contacts/batch/update";

fn outbound(rig: &Rig) -> NewFlow {
    let texts = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
    NewFlow {
        direction: Direction::Outbound,
        source_fields: texts(&["email", "given", "city", "stage"]),
        target_fields: texts(&["email", "first_name", "properties.city", "lifecyclestage"]),
        transformation_rules: Map::from_iter([("email".to_owned(), json!({"trim": true}))]),
        ..new_flow(&rig.integration)
    }
}

async fn people(rig: &Rig, count: usize) {
    for n in 0..count {
        let fields = json!({"email": format!("p{n}@example.com"), "given": format!("P{n}"),
            "city": "Turin", "private": "stays here"});
        rig.edit_here(&format!("crm:{n:04}"), fields).await;
    }
}

fn there(rig: &Rig, email: &str) -> Option<serde_json::Value> {
    let find = |id: &u64| rig.contacts().record(ObjectType::Contacts, *id);
    rig.ids().iter().filter_map(find).find(|record| record["properties"]["email"] == email)
}

pub async fn interrupted<F: Future>(work: F, polls: usize) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

both! {
    async fn records_are_sent_in_batches_and_then_only_what_changed(db: TestStore) {
        let rig = Rig::with_contacts(&db, 3).await;
        people(&rig, 250).await;
        let flow = rig.flow_from(outbound(&rig)).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_created, counts.sent_updated, counts.rejected), (250, 0, 0));
        assert_eq!((rig.ids().len(), rig.contacts().calls_of("POST", UPSERT)), (253, 3));
        let person = there(&rig, "p7@example.com").unwrap();
        assert_eq!(person["properties"]["firstname"], "P7");
        assert_eq!(person["properties"]["city"], "Turin");
        rig.contacts().clear_calls();
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent(), rig.contacts().call_count()), (0, 0), "nothing changed");
        db.sim.clock.advance_secs(600);
        let counts = rig.counts(&flow.id).await;
        assert_eq!(counts.read, 250, "the first pass is looked at again once: {counts:?}");
        rig.edit_here("crm:0007", json!({"city": "Milan"})).await;
        rig.edit_here("crm:0008", json!({"private": "still"})).await;
        db.sim.clock.advance_secs(600);
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.read, counts.sent_updated, counts.unchanged), (2, 1, 1));
        assert_eq!(rig.contacts().calls_of("POST", UPDATE), 1);
        assert_eq!(there(&rig, "p7@example.com").unwrap()["properties"]["city"], "Milan");
        assert_eq!(rig.reread(&flow.id).await.records_processed, 251);
    }

    async fn a_record_keeps_its_contact_when_its_address_changes(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 2).await;
        let flow = rig.flow_from(outbound(&rig)).await;
        rig.counts(&flow.id).await;
        rig.edit_here("crm:0000", json!({"email": "new@example.com", "city": null})).await;
        assert_eq!(rig.counts(&flow.id).await.sent_updated, 1);
        assert_eq!(rig.ids().len(), 2);
        let person = there(&rig, "new@example.com").unwrap();
        assert_eq!(person["properties"].get("city"), None, "null empties a property");
    }

    async fn a_contact_that_is_there_already_is_changed_and_not_doubled(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        rig.contacts()
            .add(ObjectType::Contacts, &[("email", "P1@example.com"), ("phone", "1")])
            .unwrap();
        people(&rig, 2).await;
        let flow = rig.flow_from(outbound(&rig)).await;
        rig.counts(&flow.id).await;
        assert_eq!(rig.ids().len(), 2);
        let person = there(&rig, "p1@example.com").unwrap();
        assert_eq!(person["properties"]["phone"], "1");
    }

    async fn a_refused_row_is_kept_with_the_providers_words_and_sent_when_mended(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 30).await;
        rig.edit_here("crm:0003", json!({"stage": "no such stage"})).await;
        rig.edit_here("crm:0004", json!({"email": ""})).await;
        rig.edit_here("crm:0006", json!({"email": "p5@example.com"})).await;
        let flow = rig.flow_from(outbound(&rig)).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_created, counts.rejected), (27, 3), "{counts:?}");
        assert_eq!((rig.ids().len(), rig.open_rejected(&flow.id).await), (27, 3));
        let replay = flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, &[]).await.unwrap();
        assert_eq!((replay.replayed, replay.still_rejected.len()), (0, 3), "nothing is mended yet");
        rig.edit_here("crm:0003", json!({"stage": "lead"})).await;
        rig.edit_here("crm:0004", json!({"email": "p4@example.com"})).await;
        let replay = flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, &[]).await.unwrap();
        assert_eq!((replay.replayed, replay.still_rejected.len()), (2, 1));
        assert_eq!(there(&rig, "p3@example.com").unwrap()["properties"]["lifecyclestage"], "lead");
        rig.edit_here("crm:0006", json!({"email": "p6@example.com"})).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_created, rig.open_rejected(&flow.id).await), (1, 0));
    }

    async fn one_bad_row_does_not_hold_up_the_others_of_its_batch(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 40).await;
        let flow = rig.flow_from(outbound(&rig)).await;
        // The whole batch is refused, and so is every half with the bad row in it.
        let refused = FaultKind::Status { status: 400 };
        rig.contacts().fault(Fault::on("POST", UPSERT, refused).times(3));
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_created, counts.rejected), (40, 0), "{counts:?}");
        assert_eq!(rig.ids().len(), 40);
    }

    async fn a_call_whose_answer_is_lost_doubles_nothing(db: TestStore) {
        for kind in [FaultKind::Drop, FaultKind::Truncated, FaultKind::Status { status: 503 }] {
            let rig = Rig::with_contacts(&db, 0).await;
            people(&rig, 120).await;
            let flow = rig.flow_from(outbound(&rig)).await;
            rig.contacts().fault(Fault::on("POST", UPSERT, kind).after_effect());
            let run = rig.queued(&flow.id).await;
            let error = rig.attempt(&run).await.unwrap_err();
            assert!(error.is_transient(), "{error}");
            // What was on its way is sent by the value it had, whatever it has become since.
            rig.edit_here("crm:0000", json!({"email": "other@example.com"})).await;
            db.sim.clock.advance_secs(60);
            rig.attempt(&run).await.unwrap();
            assert_eq!(rig.ids().len(), 120);
            assert!(there(&rig, "other@example.com").is_some());
            assert!(there(&rig, "p0@example.com").is_none());
        }
    }

    async fn a_process_that_dies_anywhere_doubles_nothing(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 450).await;
        let flow = rig.flow_from(outbound(&rig)).await;
        let run = rig.queued(&flow.id).await;
        let (mut deaths, mut done) = (0, false);
        for polls in [1, 2, 4, 7, 11, 16, 22, 30, 40, 60, 90, 150, 300, 100_000] {
            db.sim.clock.advance_secs(60);
            match interrupted(rig.attempt(&run), polls).await {
                None => deaths += 1,
                Some(ended) => {
                    ended.unwrap();
                    done = true;
                    break;
                }
            }
        }
        assert!(done && deaths >= 3, "only {deaths} attempts were cut off");
        assert_eq!(rig.ids().len(), 450);
        db.sim.clock.advance_secs(60);
        rig.contacts().clear_calls();
        assert_eq!(rig.counts(&flow.id).await.sent(), 450, "each was counted once");
        assert_eq!(rig.contacts().call_count(), 0);
    }

    async fn a_provider_that_is_slow_is_waited_for(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 250).await;
        let flow = rig.flow_from(outbound(&rig)).await;
        let slow = FaultKind::Status429 { retry_after: Some(30) };
        rig.contacts().fault(Fault::on("POST", UPSERT, slow).skip(1));
        let run = rig.sync(&flow.id).await;
        assert_eq!(run.status, RunStatus::Waiting, "{:?}", run.error);
        // What was under way beside the call that was refused has come to its end.
        let sent = run.progress.as_ref().unwrap()["sent_created"].as_u64().unwrap();
        assert!((100..250).contains(&sent), "{sent}");
        db.sim.clock.advance_secs(120);
        rig.engine.run_until_idle().await.unwrap();
        let output = rig.run(&run).await.output.unwrap();
        assert_eq!(output.here().unwrap()["sent_created"], 250);
        assert_eq!(rig.ids().len(), 250);
    }

    async fn a_preview_of_what_is_sent_sends_nothing(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 12).await;
        let flow = rig.flow_from(outbound(&rig)).await;
        let preview = flows::preview(&rig.parts, &rig.ctx, flow.clone(), 5).await.unwrap();
        assert_eq!((preview.send_creates, preview.send_updates, preview.rows.len()), (12, 0, 5));
        assert_eq!((rig.contacts().call_count(), preview.truncated), (0, true));
        rig.counts(&flow.id).await;
        rig.edit_here("crm:0003", json!({"city": "Rome"})).await;
        let preview = flows::preview(&rig.parts, &rig.ctx, flow.clone(), 5).await.unwrap();
        assert_eq!((preview.send_creates, preview.send_updates, preview.unchanged), (0, 1, 11));
        let row = &preview.rows[0];
        assert_eq!((row.key.as_str(), row.kind), ("crm:0003", PreviewKind::Update));
        assert_eq!(row.changes.len(), 1);
        let change = &row.changes[0];
        assert_eq!((&change.before, &change.after), (&json!("Turin"), &json!("Rome")));
    }

    async fn another_mapping_sends_what_differs_by_it(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 3).await;
        let flow = rig.flow_from(outbound(&rig)).await;
        rig.counts(&flow.id).await;
        let rules = json!({"firstname": {"case": "upper"}});
        let targets = ["email", "firstname", "city", "hs_lead_status"];
        let change = FlowChange {
            target_fields: Some(targets.map(String::from).to_vec()),
            transformation_rules: Some(rules.as_object().unwrap().clone()),
            ..FlowChange::default()
        };
        let flow = rig.reread(&flow.id).await;
        rig.edit_here("crm:0001", json!({"given": "Ada"})).await;
        flows::update(&rig.parts, &rig.ctx, &flow, change).await.unwrap();
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_updated, counts.unchanged), (1, 2));
        assert_eq!(there(&rig, "p1@example.com").unwrap()["properties"]["firstname"], "ADA");
    }

    async fn a_flow_that_cannot_send_is_refused_with_the_reason(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        let refused = async |new: NewFlow| {
            flows::create(&rig.parts, &rig.ctx, new).await.unwrap_err()
        };
        let mut new = outbound(&rig);
        new.target_fields[0] = "phone".into();
        new.transformation_rules.clear();
        let error = refused(new).await;
        assert_eq!((error.code, error.fields[0].field.as_str()),
            (Code::Invalid, "/options/match_field"));
        let mut new = outbound(&rig);
        new.stream = "companies".into();
        new.target_fields[0] = "name".into();
        new.transformation_rules.clear();
        let error = refused(new.clone()).await;
        assert!(error.fields[0].message.starts_with("is needed"), "{error:?}");
        new.options.match_field = Some("external_id".into());
        new.target_fields[0] = "external_id".into();
        rig.flow_from(new).await;
    }
}
