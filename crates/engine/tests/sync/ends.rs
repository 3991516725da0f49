//! Ends of flows that are no providers: what is sent to them is there once, whatever dies in
//! between, and what is read from them comes by their own times of change.

use connectus_connect::Secrets;
use connectus_core::{
    Code, IntegrationId,
    flow::{DataFlow, Deletes, Direction},
    run::RunStatus,
};
use connectus_engine::{
    connections::NewIntegration,
    flows::{self, FlowChange, NewFlow},
};
use connectus_sandbox::{Fault, FaultKind};
use connectus_store::{
    Database,
    tables::{From, NewRow, Place, Server, Slice, Tables},
};
use connectus_testkit::both;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::{
    outbound::interrupted,
    rig::{Rig, collection, new_flow},
};

/// A PostgreSQL server, by its address.
fn server(url: &str) -> Server {
    let rest = url.trim_start_matches("postgres://");
    let (user, rest) = rest.split_once('@').unwrap();
    let (place, database) = rest.split_once('/').unwrap();
    let (host, port) = place.split_once(':').unwrap();
    Server {
        address: host.parse().unwrap(),
        port: port.parse().unwrap(),
        database: database.split('?').next().unwrap().to_owned(),
        user: user.split(':').next().unwrap().to_owned(),
        password: None,
        schema: "public".into(),
        tls: false,
    }
}

/// The kind of table that goes with the test's database.
async fn integrate(rig: &Rig) -> (IntegrationId, Place) {
    let mut credentials = Secrets::new();
    let (provider, settings, place) = match &rig.db.database {
        Database::Sqlite(path) => {
            let folder = path.with_file_name("blobs").join("tables");
            let file = folder.join(rig.ctx.tenant().as_str()).join("out.sqlite");
            ("sqlite", json!({"file": "out"}), Place::Sqlite(file))
        }
        Database::Postgres(url) => {
            let server = server(url);
            credentials.set("password", SecretString::from("unused"));
            let settings = json!({
                "host": server.address.to_string(), "port": server.port, "tls": "off",
                "database": server.database, "user": server.user,
            });
            ("postgres", settings, Place::Postgres(server))
        }
    };
    let id = create(rig, provider, settings, credentials).await;
    (id, place)
}

async fn create(rig: &Rig, provider: &str, settings: Value, credentials: Secrets) -> IntegrationId {
    let new = NewIntegration {
        provider: provider.into(),
        provider_version: None,
        name: provider.into(),
        credentials,
        settings: settings.as_object().unwrap().clone(),
        sync_config: Map::new(),
    };
    rig.parts.connections.create(&rig.ctx, new).await.unwrap().integration.id
}

fn outbound(integration: &IntegrationId) -> NewFlow {
    let texts = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
    NewFlow {
        direction: Direction::Outbound,
        stream: "people".into(),
        source_fields: texts(&["email", "age", "vip", "tags"]),
        target_fields: texts(&["email", "age", "is vip", "tags"]),
        transformation_rules: Map::new(),
        ..new_flow(integration)
    }
}

async fn fill(rig: &Rig, count: usize) {
    for n in 0..count {
        let fields = json!({"email": format!("p{n}@example.org"), "age": n, "vip": n % 2 == 0,
            "tags": ["a", n]});
        rig.edit_here(&format!("own:{n:04}"), fields).await;
    }
}

async fn rows(place: &Place) -> Vec<Value> {
    let mut tables = Tables::open(place).await.unwrap();
    let slice = Slice { key: "_key", cursor: None, from: From::Start, limit: 10_000 };
    let rows = tables.read("people", &slice).await.unwrap();
    rows.into_iter().map(|row| row.record).collect()
}

async fn deleted(rig: &Rig, key: &str) {
    let (ctx, key) = (rig.ctx.clone(), key.to_owned());
    let delete = rig.parts.store.write(move |tx| {
        Box::pin(async move { Ok(tx.delete_record(&ctx, &collection(), &key).await?) })
    });
    delete.await.unwrap();
}

both! {
    async fn a_table_is_made_and_kept_alike(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        let (integration, place) = integrate(&rig).await;
        fill(&rig, 1_203).await;
        let mut new = outbound(&integration);
        new.options.deletes = Deletes::Delete;
        let flow = rig.flow_from(new).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.sent_created, counts.rejected), (1_203, 0), "{counts:?}");
        let found = rows(&place).await;
        assert_eq!(found.len(), 1_203);
        let wanted = json!({"_key": "own:0007", "email": "p7@example.org", "age": 7,
            "is vip": false, "tags": ["a", 7]});
        assert_eq!(found[7], wanted);

        rig.edit_here("own:0007", json!({"age": 70, "tags": null})).await;
        // A text does not go into a column of numbers: that row is refused, with the reason.
        rig.edit_here("own:0008", json!({"age": "old"})).await;
        deleted(&rig, "own:0009").await;
        let counts = rig.counts(&flow.id).await;
        let seen = (counts.sent_updated, counts.rejected, counts.sent_deleted);
        assert_eq!(seen, (1, 1, 1), "{counts:?}");
        let found = rows(&place).await;
        assert_eq!(found.len(), 1_202);
        assert_eq!((&found[7]["age"], &found[7]["tags"]), (&json!(70), &Value::Null));
        assert_eq!(found[8]["age"], json!(8));
        rig.edit_here("own:0008", json!({"age": 80})).await;
        let replay = flows::replay_rejected(&rig.parts, &rig.ctx, &flow.id, &[]).await.unwrap();
        assert_eq!((replay.replayed, replay.still_rejected.len()), (1, 0));
        assert_eq!(rows(&place).await[8]["age"], json!(80));
        assert_eq!(rig.counts(&flow.id).await.sent(), 0);
    }

    async fn a_plan_for_a_table_is_shown_and_then_done(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        let (integration, place) = integrate(&rig).await;
        fill(&rig, 30).await;
        let flow = rig.flow_from(outbound(&integration)).await;
        let (plan, run) = flows::make_plan(&rig.parts, &rig.ctx, &flow.id).await.unwrap();
        rig.engine.run_until_idle().await.unwrap();
        assert_eq!(rig.run(&run).await.output.unwrap().shown()["send_creates"], json!(30));
        let mut tables = Tables::open(&place).await.unwrap();
        assert_eq!(tables.columns("people").await.unwrap(), [], "a plan makes nothing");
        flows::apply_plan(&rig.parts, &rig.ctx, &plan).await.unwrap();
        rig.engine.run_until_idle().await.unwrap();
        assert_eq!(rows(&place).await.len(), 30);
    }

    async fn a_process_that_dies_anywhere_doubles_no_row(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        let (integration, place) = integrate(&rig).await;
        fill(&rig, 1_250).await;
        let flow = rig.flow_from(outbound(&integration)).await;
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
        let found = rows(&place).await;
        assert_eq!(found.len(), 1_250);
        let keys: std::collections::HashSet<&str> =
            found.iter().filter_map(|row| row["_key"].as_str()).collect();
        assert_eq!(keys.len(), 1_250);
        assert_eq!(rig.counts(&flow.id).await.sent(), 1_250, "each was counted once");
        assert_eq!(rig.counts(&flow.id).await.sent(), 0);
    }

    async fn a_table_is_read_by_its_column_of_changes(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        let (integration, place) = integrate(&rig).await;
        let mut tables = Tables::open(&place).await.unwrap();
        let put = async |tables: &mut Tables, keys: std::ops::Range<usize>, at: i64| {
            let rows: Vec<(String, Map<String, Value>)> = keys
                .map(|n| {
                    let fields = json!({"email": format!("p{n}@example.org"), "changed": at});
                    (format!("k{n:05}"), fields.as_object().unwrap().clone())
                })
                .collect();
            let new: Vec<NewRow<'_>> =
                rows.iter().map(|(key, fields)| NewRow { key, fields }).collect();
            let refused = tables.upsert("people", &new).await.unwrap();
            assert!(refused.iter().all(Option::is_none));
        };
        put(&mut tables, 0..2_500, 100).await;
        let mut new = new_flow(&integration);
        new.stream = "people".into();
        new.source_fields = vec!["email".into()];
        new.target_fields = vec!["email".into()];
        new.options.cursor_field = Some("changed".into());
        new.options.deletes = Deletes::Delete;
        new.options.max_deletes_percent = 100;
        let flow = rig.flow_from(new).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.read, counts.created), (2_500, 2_500), "{counts:?}");
        put(&mut tables, 2_490..2_510, 200).await;
        // One that came late, with the value that was read to already.
        put(&mut tables, 5_000..5_001, 100).await;
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.created, counts.updated), (11, 0), "{counts:?}");
        let counts = rig.counts(&flow.id).await;
        assert_eq!((counts.read, counts.created), (20, 0), "only the newest value again");
        tables.delete("people", &["k00001", "k00002"]).await.unwrap();
        assert_eq!(rig.counts(&flow.id).await.deleted, 0, "changes do not tell");
        let run = flows::resync(&rig.parts, &rig.ctx, &flow.id).await.unwrap();
        rig.engine.run_until_idle().await.unwrap();
        let output = rig.run(&run).await.output.unwrap().shown();
        assert_eq!((&output["deleted"], &output["read"]), (&json!(2), &json!(2_509)));
        let change = FlowChange { stream: Some("nothing".into()), ..Default::default() };
        let flow = flows::update(&rig.parts, &rig.ctx, &rig.reread(&flow.id).await, change).await;
        assert_eq!(rig.sync(&flow.unwrap().id).await.status, RunStatus::Failed);
    }

    async fn what_tables_and_receivers_cannot_do_is_refused(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        let (integration, _) = integrate(&rig).await;
        let fault = async |new: NewFlow| {
            let error = flows::create(&rig.parts, &rig.ctx, new).await.unwrap_err();
            error.fields[0].field.clone()
        };
        let with = |change: fn(&mut NewFlow)| {
            let mut new = outbound(&integration);
            change(&mut new);
            new
        };
        assert_eq!(fault(with(|new| new.stream = "a\"b".into())).await, "/stream");
        let both = with(|new| new.direction = Direction::Bidirectional);
        assert_eq!(fault(both).await, "/direction");
        let odd = with(|new| new.target_fields[0] = "x".repeat(64));
        assert_eq!(fault(odd).await, "/target_fields");
        let mut new = new_flow(&rig.integration);
        new.options.cursor_field = Some("x".into());
        assert_eq!(fault(new).await, "/options/cursor_field");
        let mut credentials = Secrets::new();
        credentials.set("password", SecretString::from("p"));
        let settings = json!({"host": "169.254.169.254", "database": "d", "user": "u"});
        let metadata = create(&rig, "postgres", settings, credentials).await;
        let flow = rig.flow_from(outbound(&metadata)).await;
        let error = rig.sync(&flow.id).await.error.unwrap();
        assert_eq!(error.code, Code::EgressDenied.name());
    }

    async fn a_receiver_gets_signed_batches_and_may_refuse_some(db: TestStore) {
        let rig = Rig::with_contacts(&db, 0).await;
        fill(&rig, 450).await;
        let path = rig.hubspot.handle.keys().zapier_hook_path.clone();
        let url = format!("{}{path}", rig.hubspot.zapier_base_url);
        let mut credentials = Secrets::new();
        let secret = connectus_connect::webhook::new_secret(&db.sim.env);
        credentials.set("signing_secret", secret);
        let integration = create(&rig, "webhook", json!({"base_url": url}), credentials).await;
        let flow: DataFlow = rig.flow_from(outbound(&integration)).await;
        let busy = FaultKind::Status { status: 503 };
        rig.contacts().fault(Fault::on("POST", &path, busy).skip(1));
        let run = rig.sync(&flow.id).await;
        assert_ne!(run.status, RunStatus::Failed, "{:?}", run.error);
        db.sim.clock.advance_secs(600);
        rig.engine.run_until_idle().await.unwrap();
        let caught = rig.contacts().zapier_caught(&path);
        let mut keys: Vec<&str> = caught
            .iter()
            .flat_map(|batch| batch["records"].as_array().unwrap())
            .map(|record| record["key"].as_str().unwrap())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 450);
        assert_eq!(caught[0]["type"], "records.upserted");
        assert_eq!(caught[0]["stream"], "people");
        assert_eq!(rig.counts(&flow.id).await.sent(), 0);
    }
}
