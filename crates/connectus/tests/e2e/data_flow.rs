//! Contacts of HubSpot arrive in a collection: mapped, previewed, only what changed, nothing lost.

use connectus_core::access::Role;
use connectus_sandbox::ObjectType;
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::support::{
    Call,
    world::{World, text},
};

/// Where the records are listed.
const RECORDS: &str = "/api/v1/collections/digisol_crm/contacts/records";
/// Where they are exported.
const EXPORT: &str = "/api/v1/collections/digisol_crm/contacts/export";

/// The data flow, word for word as the requirements give it.
fn contacts_sync(integration: &Value) -> Value {
    json!({
        "integration": integration["id"],
        "name": "Contacts Sync",
        "direction": "inbound",
        "source_fields": ["email", "first_name", "last_name"],
        "target_fields": ["email", "firstName", "lastName"],
        "sync_frequency": "hourly"
    })
}

/// A tenant with a data flow from HubSpot.
struct Mill {
    world: World,
    integration: Value,
    flow: Value,
}

impl Mill {
    async fn of(db: TestStore, contacts: u32, flow: impl FnOnce(&Value) -> Value) -> Self {
        let world = World::with(db, |fakes| fakes.contacts = contacts, |_| {}).await;
        let integration = world.hubspot().await;
        let answer = world.owner().post("/integrations/data-flows/", &flow(&integration)).await;
        let answer = answer.expect(201);
        let flow = answer.json();
        assert_eq!(answer.header("location"), format!("/api/v1/data-flows/{}", text(&flow, "id")));
        assert_eq!(answer.header("etag"), "\"1\"");
        Self { world, integration, flow }
    }

    async fn open(db: TestStore, contacts: u32) -> Self {
        Self::of(db, contacts, contacts_sync).await
    }

    /// The path of the flow or of something below it.
    fn path(&self, rest: &str) -> String {
        format!("/integrations/data-flows/{}/{rest}", text(&self.flow, "id"))
    }

    /// Starts a sync, lets it end and answers its run.
    async fn sync(&self) -> Value {
        // Beyond the rate windows of the run before.
        self.world.app.db.sim.clock.advance_secs(60);
        let operator = self.world.as_role(Role::Operator);
        let run = operator.poke(&self.path("sync/")).await.expect(202).text_of("id");
        self.world.settle().await;
        operator.get(&format!("/api/v1/runs/{run}")).await.expect(200).json()
    }

    /// What a sync did that must end well.
    async fn synced(&self) -> Value {
        let run = self.sync().await;
        assert_eq!(run["status"], "completed", "{run:#}");
        run["output"].clone()
    }

    async fn flow(&self) -> Value {
        self.world.owner().get(&self.path("")).await.expect(200).json()
    }

    async fn records(&self, query: &str) -> Value {
        let viewer = self.world.as_role(Role::Viewer);
        viewer.get(&format!("{RECORDS}?{query}")).await.expect(200).json()
    }

    async fn count(&self) -> Value {
        self.records("limit=1").await["total_count"].clone()
    }

    async fn export(&self, query: &str) -> (String, String) {
        let viewer = self.world.as_role(Role::Viewer);
        let answer = viewer.get(&format!("{EXPORT}?{query}")).await.expect(200);
        (answer.header("content-type").to_owned(), answer.text)
    }

    fn ids(&self) -> Vec<u64> {
        self.world.fakes.handle.ids(ObjectType::Contacts)
    }

    fn edit(&self, id: u64, properties: &[(&str, &str)]) {
        self.world.fakes.handle.edit(ObjectType::Contacts, id, properties).unwrap();
    }

    fn property(&self, id: u64, name: &str) -> Value {
        self.world.fakes.handle.record(ObjectType::Contacts, id).unwrap()["properties"][name]
            .clone()
    }
}

/// What a sync wrote and refused.
fn did(counts: &Value) -> [u64; 4] {
    ["created", "updated", "rejected", "kept"].map(|name| counts[name].as_u64().unwrap())
}

both! {
    async fn five_hundred_arrive_and_then_only_what_changed(db: TestStore) {
        let mill = Mill::open(db, 500).await;
        assert_eq!(mill.flow["stream"], "contacts");
        assert_eq!(mill.flow["destination"], "digisol_crm/contacts");
        assert_eq!(mill.flow["status"], "active");
        assert_eq!(did(&mill.synced().await), [500, 0, 0, 0]);
        assert_eq!(mill.count().await, 500);
        let id = mill.ids()[250];
        let path = format!("{RECORDS}/hubspot:{id}");
        let record = mill.world.owner().get(&path).await.expect(200).json();
        assert_eq!(record["data"]["email"], mill.property(id, "email"));
        assert_eq!(record["data"]["firstName"], mill.property(id, "firstname"));
        assert_eq!(record["data"]["lastName"], mill.property(id, "lastname"));
        assert_eq!(record["data"].as_object().unwrap().len(), 3, "{record}");
        assert_eq!(record["source"], mill.flow["id"]);

        let again = mill.synced().await;
        assert_eq!(did(&again), [0, 0, 0, 0]);
        assert!(again["read"].as_u64().unwrap() < 500, "it reads changes only: {again}");

        mill.world.app.db.sim.clock.advance_secs(600);
        for id in &mill.ids()[10..13] {
            mill.edit(*id, &[("lastname", "Sarr-Diop")]);
        }
        // A property that the flow does not read is no change.
        mill.edit(mill.ids()[20], &[("city", "Thiès")]);
        assert_eq!(did(&mill.synced().await), [0, 3, 0, 0]);
        let found = mill.records("filter[lastName]=Sarr-Diop").await;
        assert_eq!(found["total_count"], 3);
        assert_eq!(did(&mill.synced().await), [0, 0, 0, 0]);
        assert_eq!(mill.count().await, 500);

        let flow = mill.flow().await;
        assert!(flow["records_processed"].as_u64() >= Some(503), "{flow}");
        assert_eq!(flow["records_failed"], 0);
        assert!(flow["last_run"].is_string() && flow["last_synced_at"].is_string(), "{flow}");
        let runs = mill.world.owner().get(&mill.path("runs/")).await.expect(200).json();
        assert_eq!(runs["total_count"], 4);
    }

    async fn a_schedule_and_a_person_start_one_run_at_a_time(db: TestStore) {
        let mill = Mill::open(db, 30).await;
        let operator = mill.world.as_role(Role::Operator);
        let sync = mill.path("sync/");
        let first = operator.poke(&sync).await.expect(202).text_of("id");
        let second = operator.poke(&sync).await.expect(202).text_of("id");
        assert_eq!(first, second, "a sync is under way");
        mill.world.settle().await;
        mill.world.settle_after(3_600).await;
        let runs = operator.get(&mill.path("runs/")).await.expect(200).json();
        let triggers: Vec<_> =
            runs["items"].as_array().unwrap().iter().map(|run| text(run, "trigger")).collect();
        assert_eq!(triggers, ["schedule", "manual"]);
        let path =
            format!("/integrations/integrations/{}/sync_now/", text(&mill.integration, "id"));
        let started = operator.poke(&path).await.expect(202).json();
        assert_eq!(
            (&started["total_count"], &started["runs"][0]["status"]),
            (&json!(1), &json!("queued"))
        );
        mill.world.settle().await;
        let pause = json!({"status": "paused"});
        mill.world.owner().patch(&mill.path(""), &pause).await.expect(200);
        mill.world.settle_after(7_200).await;
        let runs = operator.get(&mill.path("runs/")).await.expect(200).json();
        assert_eq!(runs["total_count"], 3, "a paused flow is left alone by its schedule");
    }

    async fn a_mapping_is_tried_field_by_field(db: TestStore) {
        let mill = Mill::open(db, 5).await;
        let operator = mill.world.as_role(Role::Operator);
        let path = mill.path("test_mapping/");
        let before = stored(&mill, &["records", "runs", "flow_cursors", "collections"]).await;

        let live = operator.poke(&path).await.expect(200).json();
        assert_eq!((&live["sample"], &live["accepted"]), (&json!("live"), &json!(true)));
        let fields = live["fields"].as_array().unwrap();
        assert_eq!(fields.len(), 3);
        assert!(fields.iter().all(|field| field["ok"] == true), "{live:#}");
        assert_eq!(fields[1]["source"], "firstname", "as HubSpot writes it");
        assert_eq!(fields[1]["target"], "firstName");
        assert_eq!(live["row"]["firstName"], fields[1]["output"]);

        let sample =
            json!({"id": "7", "properties": {"email": "  ADA@Example.com ", "firstname": "Ada"}});
        let rules = json!({
            "email": {"trim": true, "case": "lower", "validate": "email"},
            "lastName": {"validate": "required"}
        });
        let trial = json!({"sample": sample, "transformation_rules": rules});
        let given = operator.post(&path, &trial).await.expect(200).json();
        assert_eq!((&given["sample"], &given["accepted"]), (&json!("given"), &json!(false)));
        assert_eq!(given["row"], Value::Null);
        let [email, first, last] = given["fields"].as_array().unwrap().as_slice() else {
            panic!("{given:#}");
        };
        assert_eq!((&email["ok"], &email["output"]), (&json!(true), &json!("ada@example.com")));
        let steps: Vec<_> =
            email["steps"].as_array().unwrap().iter().map(|step| text(step, "step")).collect();
        assert_eq!(steps, ["trim", "case", "validate"]);
        assert_eq!(first["output"], "Ada");
        assert_eq!(last["ok"], false);
        assert!(last["error"].as_str().is_some_and(|error| !error.is_empty()), "{last}");

        let wrong = json!({"transformation_rules": {"email": {"shout": true}}});
        let refused = operator.post(&path, &wrong).await.refused(422, "invalid").json();
        assert_eq!(refused["errors"][0]["field"], "/transformation_rules/email/shout");
        let after = stored(&mill, &["records", "runs", "flow_cursors", "collections"]).await;
        assert_eq!(before, after, "nothing is written");
    }

    async fn a_preview_shows_each_change_and_makes_none(db: TestStore) {
        let mill = Mill::open(db, 40).await;
        let operator = mill.world.as_role(Role::Operator);
        let path = mill.path("preview/");
        let tables =
            ["records", "runs", "flow_cursors", "collections", "rejected_rows", "data_flows"];
        let before = stored(&mill, &tables).await;
        let preview = operator.poke(&format!("{path}?limit=5")).await.expect(200).json();
        assert_eq!((&preview["creates"], &preview["updates"]), (&json!(40), &json!(0)));
        assert_eq!(preview["rows"].as_array().unwrap().len(), 5);
        assert_eq!(preview["truncated"], true);
        assert_eq!(stored(&mill, &tables).await, before);

        mill.synced().await;
        mill.world.app.db.sim.clock.advance_secs(600);
        let id = mill.ids()[4];
        let old = mill.property(id, "firstname");
        mill.edit(id, &[("firstname", "Renamed")]);
        let new = [("email", "new@example.com"), ("firstname", "New")];
        mill.world.fakes.handle.add(ObjectType::Contacts, &new).unwrap();
        let before = stored(&mill, &tables).await;
        let preview = operator.poke(&path).await.expect(200).json();
        assert_eq!((&preview["creates"], &preview["updates"]), (&json!(1), &json!(1)));
        let rows = preview["rows"].as_array().unwrap();
        let changed = rows.iter().find(|row| row["kind"] == "update").unwrap();
        assert_eq!(changed["key"], format!("hubspot:{id}"));
        let change = json!([{"field": "firstName", "before": old, "after": "Renamed"}]);
        assert_eq!(changed["changes"], change);
        assert_eq!(stored(&mill, &tables).await, before);
        mill.world.app.db.sim.clock.advance_secs(5);
        assert_eq!(did(&mill.synced().await), [1, 1, 0, 0], "the sync does what was shown");
        operator.poke(&format!("{path}?limit=0")).await.refused(422, "invalid");
    }

    async fn rows_that_do_not_fit_wait_with_their_reason(db: TestStore) {
        let mill = Mill::of(db, 0, |integration| {
            let mut flow = contacts_sync(integration);
            flow["source_fields"] = json!(["email", "jobtitle"]);
            flow["target_fields"] = json!(["email", "seats"]);
            flow["transformation_rules"] = json!({"seats": {"cast": "integer"}});
            flow
        })
        .await;
        let handle = &mill.world.fakes.handle;
        let seats = ["12", "a dozen", "7", "many"];
        let ids: Vec<u64> = seats
            .iter()
            .map(|seats| {
                let email = format!("{}@example.com", seats.replace(' ', "-"));
                let properties = [("email", email.as_str()), ("jobtitle", seats)];
                handle.add(ObjectType::Contacts, &properties).unwrap()
            })
            .collect();
        mill.world.app.db.sim.clock.advance_secs(600);
        assert_eq!(did(&mill.synced().await), [2, 0, 2, 0]);
        assert_eq!(mill.flow().await["records_failed"], 2);
        let owner = mill.world.owner();
        let path = mill.path("rejected/");
        let listed = owner.get(&path).await.expect(200).json();
        assert_eq!(listed["total_count"], 2);
        let rows = listed["items"].as_array().unwrap();
        let dozen = ids[1].to_string();
        let row = rows.iter().find(|row| row["source_key"] == dozen).unwrap();
        assert_eq!(row["source"]["properties"]["jobtitle"], "a dozen");
        assert_eq!(row["errors"][0]["field"], "seats");
        assert!(text(&row["errors"][0], "message").contains("whole number"), "{row}");

        // As long as nothing has changed they stay refused, and are not listed twice.
        let replay = mill.path("rejected/replay/");
        let still = owner.poke(&replay).await.expect(200).json();
        assert_eq!(still["replayed"], 0);
        assert_eq!(still["still_rejected"].as_array().unwrap().len(), 2);
        mill.synced().await;
        assert_eq!(owner.get(&path).await.json()["total_count"], 2);

        let rules = json!({"transformation_rules": {"seats": {
            "lookup": {"table": {"a dozen": 12}}, "cast": "integer"
        }}});
        owner.patch(&mill.path(""), &rules).await.expect(200);
        let one = json!({"ids": [row["id"]]});
        assert_eq!(owner.post(&replay, &one).await.expect(200).json()["replayed"], 1);
        assert_eq!(owner.get(&path).await.json()["total_count"], 1);
        let all = owner.get(&format!("{path}?all=true")).await.expect(200).json();
        assert_eq!(all["total_count"], 2);
        let taken = owner.get(&format!("{RECORDS}/hubspot:{}", ids[1])).await.expect(200).json();
        assert_eq!(taken["data"]["seats"], 12);
        assert_eq!(mill.count().await, 3);
        let unknown = json!({"ids": ["no-such-row"]});
        owner.post(&replay, &unknown).await.refused(404, "not_found");
        mill.world.as_role(Role::Viewer).poke(&replay).await.refused(403, "forbidden");
    }

    async fn records_are_filtered_sorted_and_paged(db: TestStore) {
        let mill = Mill::open(db, 120).await;
        mill.synced().await;
        let pages = [
            mill.records("limit=50").await,
            mill.records("limit=50&offset=50").await,
            mill.records("limit=50&offset=100").await,
        ];
        let keys: Vec<&str> = pages
            .iter()
            .flat_map(|page| page["items"].as_array().unwrap())
            .map(|record| text(record, "key"))
            .collect();
        assert_eq!(keys.len(), 120);
        assert!(keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]));
        let down = mill.records("sort=-key&limit=200").await;
        let down: Vec<&str> =
            down["items"].as_array().unwrap().iter().map(|record| text(record, "key")).collect();
        assert!(down.iter().rev().eq(keys.iter()));

        let names: Vec<String> = mill
            .ids()
            .into_iter()
            .filter_map(|id| Some(mill.property(id, "firstname").as_str()?.to_owned()))
            .collect();
        let wanted = &names[0];
        let expected = names.iter().filter(|name| *name == wanted).count();
        let query = |op: &str, value: &str| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair(&format!("filter[firstName]{op}"), value).finish()
        };
        let total =
            async |query: String| mill.records(&query).await["total_count"].as_u64().unwrap();
        assert_eq!(total(query("", wanted)).await, expected as u64);
        assert_eq!(total(query("[ne]", wanted)).await, (120 - expected) as u64);
        assert_eq!(total(query("[is_null]", "true")).await, (120 - names.len()) as u64);
        let part = mill.records("fields=email&limit=1").await;
        assert_eq!(part["items"][0]["data"].as_object().unwrap().len(), 1);
        let owner = mill.world.owner();
        for bad in ["filter[firstName][like]=x", "sort=a%20b", "filter[a';--]=1"] {
            owner.get(&format!("{RECORDS}?{bad}")).await.refused(422, "invalid");
        }
        let nothing = owner.get("/api/v1/collections/digisol_crm/nothing/records").await;
        nothing.refused(404, "not_found");
    }

    async fn an_export_has_every_record_once(db: TestStore) {
        let mill = Mill::open(db, 700).await;
        mill.synced().await;
        let first = mill.ids()[0];
        mill.edit(first, &[("firstname", "=HYPERLINK(\"http://x\")"), ("lastname", "a,\"b\"")]);
        mill.world.app.db.sim.clock.advance_secs(600);
        mill.synced().await;
        let (kind, jsonl) = mill.export("format=jsonl").await;
        assert_eq!(kind, "application/x-ndjson");
        let lines: Vec<Value> =
            jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 700);
        let line = lines.iter().find(|line| line["key"] == format!("hubspot:{first}")).unwrap();
        assert_eq!(line["data"]["lastName"], "a,\"b\"");
        let (kind, csv) = mill.export("format=csv").await;
        assert!(kind.starts_with("text/csv"), "{kind}");
        let mut rows = csv.split("\r\n");
        assert_eq!(rows.next(), Some("key,email,firstName,lastName"));
        let rows: Vec<&str> = rows.filter(|row| !row.is_empty()).collect();
        assert_eq!(rows.len(), 700);
        let mut keys: Vec<&str> = rows.iter().map(|row| row.split(',').next().unwrap()).collect();
        keys.dedup();
        assert_eq!(keys.len(), 700);
        let row = rows.iter().find(|row| row.starts_with(&format!("hubspot:{first},"))).unwrap();
        assert!(row.contains("\"'=HYPERLINK(\"\"http://x\"\")\""), "a formula is disarmed: {row}");
        assert!(row.ends_with("\"a,\"\"b\"\"\""), "{row}");
        let (_, some) = mill.export("format=csv&fields=email&filter[lastName][contains]=a,").await;
        assert_eq!(some.matches("\r\n").count(), 2, "{some}");
        mill.world.owner().get(&format!("{EXPORT}?format=xml")).await.refused(400, "bad_request");
        let audit = mill.world.owner().get("/api/v1/audit").await.expect(200).text;
        assert!(audit.contains("collection.exported"), "an export is remembered");
    }

    async fn a_flow_is_read_changed_and_deleted(db: TestStore) {
        let mill = Mill::open(db, 3).await;
        let owner = mill.world.owner();
        let path = mill.path("");
        let read = owner.get(&path).await.expect(200);
        assert_eq!((read.header("etag"), read.json()), ("\"1\"", mill.flow.clone()));
        let listed = owner.get("/integrations/data-flows/").await.expect(200).json();
        assert_eq!((&listed["total_count"], &listed["items"][0]), (&json!(1), &mill.flow));
        let change =
            Call::patch(&path).json(&json!({"name": "Renamed"})).header("if-match", "\"1\"");
        let changed = owner.send(change.clone()).await.expect(200);
        assert_eq!(
            (changed.header("etag"), changed.text_of("name").as_str()),
            ("\"2\"", "Renamed")
        );
        owner.send(change).await.refused(412, "precondition_failed");
        mill.synced().await;
        owner.delete(&path).await.expect(204);
        owner.get(&path).await.refused(404, "not_found");
        owner.delete(&path).await.refused(404, "not_found");
        owner.poke(&mill.path("sync/")).await.refused(404, "not_found");
        assert_eq!(mill.count().await, 3, "records stay");
    }

    async fn a_flow_that_cannot_work_is_refused_with_the_place(db: TestStore) {
        let mill = Mill::open(db, 1).await;
        let owner = mill.world.owner();
        let create = "/api/v1/data-flows";
        let with = |member: &str, value: Value| {
            let mut flow = contacts_sync(&mill.integration);
            flow[member] = value;
            flow
        };
        for (body, field) in [
            (with("direction", json!("sideways")), "direction"),
            (with("options", json!({"match_field": ""})), "/options/match_field"),
            (with("target_fields", json!(["email", "email", "lastName"])), "/target_fields/1"),
            (with("sync_frequency", json!("now and then")), "sync_frequency"),
            (with("stream", json!("tickets")), "/stream"),
            (with("name", json!("")), "name"),
            (
                with("transformation_rules", json!({"email": {"case": "loud"}})),
                "/transformation_rules/email/case",
            ),
            (
                with("transformation_rules", json!({"elsewhere": {"trim": true}})),
                "/transformation_rules/elsewhere",
            ),
            (with("surprise", json!(1)), "surprise"),
        ] {
            let answer = owner.post(create, &body).await.refused(422, "invalid").json();
            let named = text(&answer["errors"][0], "field");
            assert!(named.contains(field), "{field}: {answer:#}");
        }
        for (member, value) in [("source_fields", json!([])), ("target_fields", json!(["email"]))] {
            let unequal = owner.post(create, &with(member, value)).await;
            let detail = unequal.refused(400, "bad_request").text_of("detail");
            assert!(detail.contains("pair up by position"), "{detail}");
        }
        let foreign = with("integration", json!("int_01k6t2c8x9v3f5g7h2j4m6n8p0"));
        owner.post(create, &foreign).await.refused(404, "not_found");
        assert_eq!(owner.get(create).await.json()["total_count"], 1);
    }
}

/// The rows of some tables.
async fn stored(mill: &Mill, tables: &[&str]) -> Vec<(String, Vec<String>)> {
    let all = mill.world.everything().await;
    let wanted = all.into_iter().filter(|table| tables.contains(&table.table.as_str()));
    let found: Vec<_> = wanted.map(|table| (table.table, table.rows)).collect();
    assert_eq!(found.len(), tables.len());
    found
}
