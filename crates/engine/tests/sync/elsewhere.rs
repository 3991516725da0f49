//! Records are sent to Salesforce and Mailchimp, too: each in its own batches, matched its own way.

use connectus_core::{
    IntegrationId, Page,
    flow::{DataFlow, Direction, FlowOptions},
};
use connectus_engine::flows::{self, NewFlow};
use connectus_sandbox::{Fault, FaultKind, SalesforceType};
use connectus_testkit::both;
use serde_json::{Map, Value, json};

use crate::rig::{Rig, connect_to, new_flow};

const EXTERNAL_ID: &str = "External_Id__c";
/// The fake's first audience.
const LIST: &str = "a1b2c3d4e5";
const SOBJECTS: &str = "/services/data/v67.0/composite/sobjects/Contact/External_Id__c";

async fn outbound(
    rig: &Rig,
    integration: &IntegrationId,
    stream: &str,
    fields: &[(&str, &str)],
    options: FlowOptions,
) -> DataFlow {
    let flow = NewFlow {
        direction: Direction::Outbound,
        stream: stream.into(),
        source_fields: fields.iter().map(|(here, _)| (*here).to_owned()).collect(),
        target_fields: fields.iter().map(|(_, there)| (*there).to_owned()).collect(),
        transformation_rules: Map::new(),
        options,
        ..new_flow(integration)
    };
    rig.flow_from(flow).await
}

async fn people(rig: &Rig, count: usize) {
    for n in 0..count {
        let fields = json!({"ref": format!("crm-{n}"), "email": format!("p{n}@example.com"),
            "given": format!("P{n}"), "family": "Doe", "state": "subscribed"});
        rig.edit_here(&format!("crm:{n:04}"), fields).await;
    }
}

async fn salesforce(rig: &Rig) -> DataFlow {
    let fake = &rig.hubspot;
    let keys = fake.handle.keys();
    let secrets = [
        ("client_id", keys.salesforce_client_id.as_str()),
        ("client_secret", keys.salesforce_client_secret.as_str()),
        ("access_token", keys.salesforce_token.as_str()),
    ];
    let settings = json!({ "base_url": fake.salesforce_base_url });
    let integration = connect_to(&rig.parts, &rig.ctx, "salesforce", &secrets, settings).await;
    let fields =
        [("ref", EXTERNAL_ID), ("given", "FirstName"), ("family", "LastName"), ("email", "Email")];
    let options =
        FlowOptions { match_field: Some(EXTERNAL_ID.to_owned()), ..FlowOptions::default() };
    outbound(rig, &integration, "contacts", &fields, options).await
}

/// The ids of the contacts that carry this key of ours.
fn carrying(rig: &Rig, key: &str) -> Vec<String> {
    let ids = rig.contacts().salesforce_ids(SalesforceType::Contact);
    let value =
        |id: &String| rig.contacts().salesforce_value(SalesforceType::Contact, id, EXTERNAL_ID);
    ids.into_iter().filter(|id| value(id) == key).collect()
}

fn field(rig: &Rig, key: &str, name: &str) -> Value {
    let ids = carrying(rig, key);
    assert_eq!(ids.len(), 1, "{key}");
    rig.contacts().salesforce_value(SalesforceType::Contact, &ids[0], name)
}

async fn mailchimp(rig: &Rig) -> DataFlow {
    let fake = &rig.hubspot;
    let secrets = [("api_key", fake.handle.keys().mailchimp_api_key.as_str())];
    let settings = json!({ "base_url": fake.mailchimp_base_url, "dc": "us6",
        "list_id": LIST });
    let integration = connect_to(&rig.parts, &rig.ctx, "mailchimp", &secrets, settings).await;
    let fields = [("email", "email_address"), ("state", "status"), ("given", "merge_fields.FNAME")];
    outbound(rig, &integration, "members", &fields, FlowOptions::default()).await
}

both! {
    async fn salesforce_takes_two_hundred_a_call_by_an_external_id(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 450).await;
        let flow = salesforce(&rig).await;
        let before = rig.contacts().salesforce_ids(SalesforceType::Contact).len();
        rig.contacts().clear_calls();
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_created, counts.rejected), (450, 0), "{counts:?}");
        assert_eq!(rig.contacts().calls_of("PATCH", SOBJECTS), 3);
        let after = rig.contacts().salesforce_ids(SalesforceType::Contact).len();
        assert_eq!((after - before, field(&rig, "crm-7", "FirstName")), (450, json!("P7")));
        rig.edit_here("crm:0007", json!({"given": "Zoë"})).await;
        db.sim.clock.advance_secs(600);
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_updated, field(&rig, "crm-7", "FirstName")), (1, json!("Zoë")));
        assert_eq!(rig.contacts().salesforce_ids(SalesforceType::Contact).len(), after);
    }

    async fn a_record_that_salesforce_refuses_names_why_and_keeps_nobody(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 5).await;
        rig.edit_here("crm:0002", json!({"email": "nobody"})).await;
        let flow = salesforce(&rig).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_created, counts.rejected), (4, 1), "{counts:?}");
        let mut conn = rig.parts.store.read().await.unwrap();
        let kept = conn.rejected_rows(&rig.ctx, &flow.id, false, Page::default()).await.unwrap();
        drop(conn);
        let why = format!("{:?}", kept.items[0].errors);
        assert!(why.contains("invalid email address"), "{why}");
        rig.edit_here("crm:0002", json!({"email": "p2@example.com"})).await;
        let replay = flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, &[]).await.unwrap();
        assert_eq!((replay.replayed, field(&rig, "crm-2", "LastName")), (1, json!("Doe")));
    }

    async fn a_call_to_salesforce_whose_answer_is_lost_doubles_nothing(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 250).await;
        let flow = salesforce(&rig).await;
        rig.contacts().fault(Fault::on("PATCH", SOBJECTS, FaultKind::Drop).after_effect());
        let run = rig.queued(&flow.id).await;
        let error = rig.attempt(&run).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        db.sim.clock.advance_secs(60);
        rig.attempt(&run).await.unwrap();
        for n in [0, 199, 200, 249] {
            assert_eq!(carrying(&rig, &format!("crm-{n}")).len(), 1, "{n}");
        }
    }

    async fn mailchimp_takes_members_by_their_address(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        people(&rig, 30).await;
        rig.edit_here("crm:0003", json!({"state": "no such state"})).await;
        let flow = mailchimp(&rig).await;
        let before = rig.contacts().members(LIST);
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_created, counts.rejected), (29, 1), "{counts:?}");
        assert_eq!(rig.contacts().members(LIST) - before, 29);
        let member = rig.contacts().member(LIST, "p7@example.com").unwrap();
        assert_eq!((&member["merge_fields"]["FNAME"], &member["status"]),
            (&json!("P7"), &json!("subscribed")));
        rig.edit_here("crm:0007", json!({"given": "Zoë"})).await;
        rig.edit_here("crm:0003", json!({"state": "unsubscribed"})).await;
        db.sim.clock.advance_secs(600);
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent(), rig.open_rejected(&flow.id).await), (2, 0), "{counts:?}");
        let member = rig.contacts().member(LIST, "p7@example.com").unwrap();
        assert_eq!(member["merge_fields"]["FNAME"], "Zoë");
        assert_eq!(rig.contacts().members(LIST) - before, 30);
    }
}
