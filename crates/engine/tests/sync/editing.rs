//! What a data flow can and cannot be.

use connectus_core::{Code, IntegrationId, flow::Direction};
use connectus_engine::flows::{self, FlowChange};
use connectus_testkit::both;
use serde_json::{Map, json};

use crate::rig::{Rig, new_flow};

both! {
    async fn what_is_wrong_is_named(db: TestStore) {
        let rig = Rig::with_contacts(&db, 1).await;
        let base = || new_flow(&rig.integration);
        let texts =
            |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>();
        let rules = |value: serde_json::Value| value.as_object().unwrap().clone();
        for (new, code, word) in [
            (
                flows::NewFlow { integration: IntegrationId::trusted("int_x"), ..base() },
                Code::NotFound,
                "integration",
            ),
            (
                flows::NewFlow {
                    direction: Direction::Bidirectional,
                    stream: "companies".into(),
                    ..base()
                },
                Code::Invalid,
                "match_field",
            ),
            (flows::NewFlow { stream: "unicorns".into(), ..base() }, Code::Invalid, "companies"),
            (
                flows::NewFlow {
                    target_fields: texts(&["email"]),
                    transformation_rules: Map::new(),
                    ..base()
                },
                Code::BadRequest,
                "length",
            ),
            (
                flows::NewFlow {
                    source_fields: Vec::new(),
                    target_fields: Vec::new(),
                    transformation_rules: Map::new(),
                    ..base()
                },
                Code::Invalid,
                "source_fields",
            ),
            (
                flows::NewFlow { sync_frequency: "sometimes".into(), ..base() },
                Code::Invalid,
                "schedule",
            ),
            (flows::NewFlow { name: " ".into(), ..base() }, Code::Invalid, "name"),
            (
                flows::NewFlow {
                    transformation_rules: rules(json!({"phone": {"trim": true}})),
                    ..base()
                },
                Code::Invalid,
                "phone",
            ),
            (
                flows::NewFlow {
                    transformation_rules: rules(json!({"email": {"hash": {"salt": "PEPPER"}}})),
                    ..base()
                },
                Code::Invalid,
                "PEPPER",
            ),
        ] {
            let error = flows::create(&rig.parts, &rig.ctx, new).await.unwrap_err();
            assert_eq!(error.code, code, "{error}");
            let said = format!("{error} {:?}", error.fields);
            assert!(said.contains(word), "{word}: {said}");
        }
    }

    async fn a_change_by_two_people_is_made_by_one(db: TestStore) {
        let rig = Rig::with_contacts(&db, 1).await;
        let flow = rig.flow().await;
        let name = |name: &str| FlowChange { name: Some(name.into()), ..FlowChange::default() };
        let first = flows::update(&rig.parts, &rig.ctx, &flow, name("A")).await.unwrap();
        assert_eq!((first.version, first.name.as_str()), (2, "A"));
        let error = flows::update(&rig.parts, &rig.ctx, &flow, name("B")).await.unwrap_err();
        assert_eq!(error.code, Code::PreconditionFailed);
        assert_eq!(rig.reread(&flow.id).await, first);
    }

    async fn a_new_mapping_reads_everything_again_and_a_new_name_does_not(db: TestStore) {
        let rig = Rig::with_contacts(&db, 12).await;
        let flow = rig.flow().await;
        rig.counts(&flow.id).await;
        let flow = rig.reread(&flow.id).await;
        let change = FlowChange { name: Some("Renamed".into()), ..FlowChange::default() };
        let flow = flows::update(&rig.parts, &rig.ctx, &flow, change).await.unwrap();
        assert_eq!(rig.counts(&flow.id).await.written(), 0);
        let change = FlowChange {
            transformation_rules: Some(
                json!({"city": {"case": "upper"}}).as_object().unwrap().clone(),
            ),
            ..FlowChange::default()
        };
        let flow =
            flows::update(&rig.parts, &rig.ctx, &rig.reread(&flow.id).await, change).await.unwrap();
        let counts = rig.counts(&flow.id).await;
        assert_eq!(counts.read, 12);
        assert!(counts.updated >= 1, "{counts:?}");
    }

    async fn a_deleted_flow_is_gone_for_everyone_but_its_records_stay(db: TestStore) {
        let rig = Rig::with_contacts(&db, 3).await;
        let flow = rig.flow().await;
        rig.counts(&flow.id).await;
        let other = db.tenant("Other").await.unwrap();
        assert_eq!(
            flows::delete(&rig.parts, &other, &flow.id).await.unwrap_err().code,
            Code::NotFound
        );
        let run = rig.queued(&flow.id).await;
        flows::delete(&rig.parts, &rig.ctx, &flow.id).await.unwrap();
        assert_eq!(
            flows::get(&rig.parts, &rig.ctx, &flow.id).await.unwrap_err().code,
            Code::NotFound
        );
        rig.engine.run_until_idle().await.unwrap();
        assert!(rig.run(&run).await.cancel_requested);
        assert_eq!(rig.records().await, 3);
        let error = flows::sync_now(&rig.parts, &rig.ctx, &flow.id, "manual").await.unwrap_err();
        assert_eq!(error.code, Code::NotFound);
    }
}
