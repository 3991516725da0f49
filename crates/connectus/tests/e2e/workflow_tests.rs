//! Testing workflows before they run, and keeping tests of them.

use connectus_core::access::Role;
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::world::World;

const RECORDS: &str = "/api/v1/collections/digisol_crm/contacts/records";

/// Reads a contact, keeps it, tells of it, waits, asks.
fn lead() -> Value {
    json!({"version": 1, "name": "Lead", "steps": [
        {"id": "record", "type": "action", "action": "hubspot.get_contact",
         "input": {"id": "{{ trigger.id }}"}},
        {"id": "keep", "type": "action", "action": "collection.upsert",
         "input": {"collection": "digisol_crm/contacts", "key": "{{ trigger.id }}",
                   "record": {"email": "{{ trigger.email|lower }}"}}},
        {"id": "tell", "type": "action", "action": "slack.post_message",
         "input": {"channel": "general", "text": "{{ trigger.email|lower }}"}},
        {"id": "nap", "type": "wait", "for": "2d"},
        {"id": "ok", "type": "approval", "message": "Call {{ steps.keep.output.key }}?",
         "on_reject": "continue"},
        {"id": "way", "type": "branch", "condition": "steps.ok.output.approved",
         "then": [{"id": "called", "type": "set", "vars": {"called": true}}],
         "else": [{"id": "left", "type": "set", "vars": {"called": false}}]}],
        "output": {"called": "{{ vars.called }}"}})
}

struct Bench {
    world: World,
    path: String,
    contact: String,
}

impl Bench {
    async fn open(db: connectus_testkit::TestStore) -> Self {
        let world = World::start(db).await;
        world.hubspot().await;
        world.slack().await;
        let new = json!({"definition": lead()});
        let made = world.owner().post("/api/v1/workflows", &new).await.expect(201);
        let path = format!("/api/v1/workflows/{}", made.text_of("id"));
        let contact = world.fakes.handle.ids(connectus_sandbox::ObjectType::Contacts)[0];
        Self { world, path, contact: contact.to_string() }
    }

    async fn test(&self, body: &Value) -> Value {
        let path = format!("{}/test", self.path);
        self.world.owner().post(&path, body).await.expect(200).json()
    }

    fn input(&self) -> Value {
        json!({"id": self.contact, "email": "ADA@B.C"})
    }

    async fn executions(&self) -> Value {
        let path = format!("{}/executions", self.path);
        self.world.owner().get(&path).await.expect(200).json()["total_count"].clone()
    }

    async fn kept(&self) -> u16 {
        self.world.owner().get(&format!("{RECORDS}/{}", self.contact)).await.status
    }

    /// A run that has gone to its end.
    async fn run(&self, approved: bool) -> String {
        let (owner, body) = (self.world.owner(), json!({"input": self.input()}));
        let run = owner.post(&format!("{}/execute", self.path), &body).await.expect(202);
        let run = run.text_of("id");
        self.world.settle().await;
        self.world.settle_after(2 * 86_400).await;
        let answer = json!({"step": "ok", "approved": approved});
        owner.post(&format!("/api/v1/runs/{run}/approvals"), &answer).await.expect(204);
        self.world.settle().await;
        let ended = owner.get(&format!("/api/v1/runs/{run}")).await.expect(200).json();
        assert_eq!(ended["status"], "completed", "{ended:#}");
        run
    }

    async fn save(&self, name: &str, run: &str) -> Value {
        let new = json!({"name": name, "run": run});
        let path = format!("{}/tests", self.path);
        self.world.owner().post(&path, &new).await.expect(201).json()
    }

    async fn draft(&self, definition: &Value) -> Value {
        let body = json!({"definition": definition});
        let path = format!("{}/versions", self.path);
        self.world.owner().post(&path, &body).await.expect(201).json()["number"].clone()
    }
}

fn step<'r>(report: &'r Value, path: &str) -> &'r Value {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["path"] == path).unwrap_or_else(|| panic!("{path}: {report:#}"))
}

both! {
    async fn a_test_reads_and_writes_nothing(db: TestStore) {
        let bench = Bench::open(db).await;
        let approvals = json!({"ok": {"approved": true}});
        let report = bench.test(&json!({"input": bench.input(), "approvals": approvals})).await;
        assert_eq!(report["status"], "completed", "{report:#}");
        assert_eq!(report["output"], json!({"called": true}));
        let how = |path: &str| step(&report, path)["how"].as_str().unwrap().to_owned();
        assert_eq!(how("record"), "performed");
        assert_eq!(how("keep"), "simulated");
        assert_eq!(step(&report, "keep")["output"]["change"], "created");
        assert_eq!(step(&report, "keep")["input"]["record"]["email"], "ada@b.c");
        assert_eq!(how("tell"), "not_performed");
        assert!(step(&report, "tell")["hint"].as_str().unwrap().contains("pin an output"));
        assert_eq!((how("nap"), how("ok")), ("time_passed".to_owned(), "given".to_owned()));
        assert_eq!(step(&report, "way")["took"], "then");
        assert_eq!(report["not_performed"], json!(["tell"]));
        assert_eq!(report["not_reached"], json!(["left"]));
        assert_eq!((bench.executions().await, bench.kept().await), (json!(0), 404));
        assert!(bench.world.fakes.handle.messages().is_empty());
        // Without an answer it waits, and says for what.
        let report = bench.test(&json!({"input": bench.input()})).await;
        assert_eq!(report["status"], "waiting");
        assert!(step(&report, "ok")["hint"].as_str().unwrap().contains("`approvals`"));
    }

    async fn what_is_performed_is_performed_and_audited(db: TestStore) {
        let bench = Bench::open(db).await;
        let report =
            bench.test(&json!({"input": bench.input(), "until": "tell", "perform": true})).await;
        assert_eq!(report["status"], "completed", "{report:#}");
        assert_eq!(step(&report, "tell")["how"], "performed");
        assert_eq!((bench.executions().await, bench.kept().await), (json!(0), 200));
        assert_eq!(bench.world.fakes.handle.messages().len(), 1);
        let audit = bench.world.owner().get("/api/v1/audit?action=workflow.tested").await;
        assert_eq!(audit.expect(200).json()["items"][0]["detail"]["calls"], 3);
    }

    async fn a_step_is_tested_alone_or_up_to(db: TestStore) {
        let bench = Bench::open(db).await;
        let alone = json!({"step": "ok", "pinned": {"keep": {"output": {"key": "k7"}}},
            "approvals": {"ok": {"approved": false, "comment": "no"}}});
        let report = bench.test(&alone).await;
        assert_eq!(report["steps"].as_array().unwrap().len(), 1, "{report:#}");
        assert_eq!(step(&report, "ok")["wait"]["asks"]["message"], "Call k7?");
        assert_eq!(report["output"]["comment"], "no");
        let pinned = json!({"record": {"error": {"code": "not_found", "message": "gone"}}});
        let report = bench.test(&json!({"until": "keep", "pinned": pinned,
            "input": bench.input()})).await;
        assert_eq!(report["status"], "failed");
        assert_eq!(report["failed_step"], "record");
        assert_eq!(report["error"]["code"], "not_found");
        let broken = bench.test(&json!({"until": "keep", "input": {"id": 1}})).await;
        assert_eq!(broken["failed_step"], "record", "{broken:#}");
        let wrong = json!({"pinned": {"nobody": {"output": 1}}});
        let path = format!("{}/test", bench.path);
        let refused = bench.world.owner().post(&path, &wrong).await.refused(422, "invalid");
        assert!(refused.text.contains("/pinned/nobody"), "{}", refused.text);
        let both = json!({"step": "ok", "until": "keep"});
        bench.world.owner().post(&path, &both).await.refused(422, "invalid");
        let viewer = bench.world.as_role(Role::Viewer).post(&path, &json!({})).await;
        viewer.refused(403, "forbidden");
        // Who may only run workflows does nothing that nobody has written.
        let operator = bench.world.as_role(Role::Operator);
        operator.post(&path, &alone).await.expect(200);
        for more in [json!({"perform": true}), json!({"definition": lead()})] {
            operator.post(&path, &more).await.refused(403, "forbidden");
        }
    }

    async fn a_definition_is_tested_before_it_is_saved(db: TestStore) {
        let bench = Bench::open(db).await;
        let definition = json!({"version": 1, "name": "Sum", "inputs": {
            "a": {"type": "integer", "required": true}},
            "steps": [{"id": "sum", "type": "set", "vars": {"n": "{{ trigger.a + 1 }}"}}]});
        let owner = bench.world.owner();
        let test = async |body: Value| owner.post("/api/v1/workflows/test", &body).await;
        let report = test(json!({"definition": definition, "input": {"a": 2}})).await;
        assert_eq!(report.expect(200).json()["output"], json!({"n": 3}));
        test(json!({"definition": definition, "input": {"a": "x"}})).await.refused(422, "invalid");
        test(json!({"input": {"a": 2}})).await.refused(422, "invalid");
        let bad = json!({"version": 1, "name": "x", "steps": []});
        test(json!({"definition": bad})).await.refused(422, "invalid");
        // One version or another of a workflow.
        let mut changed = lead();
        changed["steps"] = json!([{"id": "end", "type": "stop", "output": "two"}]);
        changed.as_object_mut().unwrap().remove("output");
        let number = bench.draft(&changed).await;
        let report = bench.test(&json!({"number": number})).await;
        assert_eq!(report["output"], "two");
    }

    async fn an_editor_learns_what_can_be_written(db: TestStore) {
        let bench = Bench::open(db).await;
        bench.run(true).await;
        let path = format!("{}/completions?step=ok", bench.path);
        let found = bench.world.as_role(Role::Viewer).get(&path).await.expect(200).json();
        let of = |path: &str| {
            let names = found["names"].as_array().unwrap();
            names.iter().find(|name| name["path"] == path).cloned().unwrap_or_default()
        };
        assert_eq!(of("steps.keep.output.change")["source"], "declared");
        assert_eq!(of("steps.record.output.records[0].id")["source"], "recorded", "{found:#}");
        assert_eq!(of("trigger.email")["type"], "string");
        assert_eq!(of("steps.way.output"), Value::Null, "it comes later");
        assert!(found["filters"].as_array().unwrap().iter().any(|one| {
            one["signature"] == "replace(old, new)"
        }));
        let unsaved = json!({"definition": {"version": 1, "name": "x", "steps": [
            {"id": "a", "type": "action", "action": "http.request", "input": {"url": "{{ oops"}},
            {"id": "b", "type": "stop"}]}, "step": "b"});
        let path = "/api/v1/workflows/completions";
        let found = bench.world.owner().post(path, &unsaved).await.expect(200).json();
        assert!(found["names"].to_string().contains("steps.a.output.status"), "{found:#}");
        let unknown = format!("{}/completions?step=nobody", bench.path);
        bench.world.owner().get(&unknown).await.refused(422, "invalid");
    }

    async fn a_recorded_run_is_kept_as_a_test(db: TestStore) {
        let bench = Bench::open(db).await;
        let run = bench.run(true).await;
        let saved = bench.save("Approved", &run).await;
        assert_eq!((&saved["run"], &saved["plan"]["input"]), (&json!(run), &bench.input()));
        assert_eq!(saved["expected"]["output"], json!({"called": true}));
        let calls = bench.world.fakes.handle.call_count();
        let (owner, tests) = (bench.world.owner(), format!("{}/tests", bench.path));
        let one = format!("{tests}/{}/run", saved["id"].as_str().unwrap());
        let verdict = owner.poke(&one).await.expect(200).json();
        assert_eq!((&verdict["passed"], &verdict["differences"]), (&json!(true), &json!([])));
        // A draft that says something else differs in what it says.
        let mut changed = lead();
        changed["steps"][2]["input"]["text"] = json!("New: {{ trigger.email|lower }}");
        let number = bench.draft(&changed).await;
        let against = json!({"number": number});
        let verdict = owner.post(&one, &against).await.expect(200).json();
        assert_eq!(verdict["differences"], json!([{"path": "/steps/tell/input/text",
            "left": "ada@b.c", "right": "New: ada@b.c"}]));
        let publish = format!("{}/versions/{number}/publish", bench.path);
        let refused = owner.post(&publish, &json!({"require_tests": true})).await;
        let refused = refused.refused(409, "conflict").json();
        assert_eq!(refused["failing_tests"], json!(["Approved"]));
        let at_once = json!({"definition": changed, "publish": true, "require_tests": true});
        owner.post(&format!("{}/versions", bench.path), &at_once).await.refused(409, "conflict");
        assert_eq!(owner.poke(&one).await.json()["passed"], true, "the live one is the old one");
        let published = owner.poke(&publish).await.expect(200).json();
        assert_eq!(published["failing_tests"], json!(["Approved"]));
        // Somebody looks at it and takes it.
        owner.post(&one, &json!({"accept": true})).await.expect(200);
        let all = owner.poke(&format!("{tests}/run")).await.expect(200).json();
        assert_eq!((&all["passed"], &all["failed"]), (&json!(1), &json!(0)));
        let operator = bench.world.as_role(Role::Operator);
        operator.post(&one, &json!({"accept": true})).await.refused(403, "forbidden");
        assert_eq!(bench.world.fakes.handle.call_count(), calls, "tests reach nothing outside");
    }

    async fn a_test_shows_another_way_and_a_new_step(db: TestStore) {
        let bench = Bench::open(db).await;
        let run = bench.run(false).await;
        bench.save("Refused", &run).await;
        let mut changed = lead();
        changed["steps"][5]["condition"] = json!("not steps.ok.output.approved");
        changed["steps"][3] = json!({"id": "log", "type": "action", "action": "notify.webhook",
            "input": {"name": "lead"}});
        let body = json!({"definition": changed});
        let path = format!("{}/tests/run", bench.path);
        let found = bench.world.owner().post(&path, &body).await.expect(200).json();
        let differences = found["tests"][0]["differences"].as_array().unwrap().clone();
        let at = |place: &str| differences.iter().any(|one| one["path"] == place);
        assert!(at("/steps/way/took") && at("/output/called"), "{differences:#?}");
        assert!(at("/steps/log") && at("/steps/nap") && at("/steps/called"), "{differences:#?}");
    }

    async fn tests_are_listed_made_of_tests_and_deleted(db: TestStore) {
        let bench = Bench::open(db).await;
        let (owner, tests) = (bench.world.owner(), format!("{}/tests", bench.path));
        let of_test = json!({"name": "By hand", "test": {"input": bench.input(),
            "approvals": {"ok": {"approved": true}}}});
        let made = owner.post(&tests, &of_test).await.expect(201).json();
        assert!(made["plan"]["pinned"]["record"]["output"].is_object(), "what was read is pinned");
        owner.post(&tests, &of_test).await.refused(409, "conflict");
        bench.world.fakes.handle.delete(connectus_sandbox::ObjectType::Contacts,
            bench.contact.parse().unwrap());
        let all = owner.poke(&format!("{tests}/run")).await.expect(200).json();
        assert_eq!(all["passed"], 1, "{all:#}");
        for (body, code) in [
            (json!({"name": "x", "run": "run_nobody"}), "not_found"),
            (json!({"name": "x"}), "invalid"),
            (json!({"name": " ", "test": {}}), "invalid"),
            (json!({"name": "x", "test": {"perform": true}}), "invalid"),
        ] {
            let answer = owner.post(&tests, &body).await;
            assert_eq!(answer.code(), code, "{body}: {}", answer.text);
        }
        let started = owner.post(&format!("{}/execute", bench.path), &json!({})).await;
        let open = json!({"name": "Open", "run": started.expect(202).text_of("id")});
        owner.post(&tests, &open).await.refused(409, "conflict");
        let listed = owner.get(&tests).await.expect(200).json();
        assert_eq!(listed["total_count"], 1);
        assert_eq!(listed["items"][0]["name"], "By hand");
        let one = format!("{tests}/{}", made["id"].as_str().unwrap());
        assert_eq!(owner.get(&one).await.expect(200).json()["expected"], made["expected"]);
        owner.delete(&one).await.expect(204);
        owner.get(&one).await.refused(404, "not_found");
        owner.delete(&one).await.refused(404, "not_found");
    }
}
