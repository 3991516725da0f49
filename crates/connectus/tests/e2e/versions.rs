//! Versions of workflows, files and templates.

use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Call, world::World};

fn definition(text: &str) -> Value {
    json!({
        "version": 1, "name": "Note",
        "steps": [
            {"id": "nap", "type": "wait", "for": "1h"},
            {"id": "end", "type": "stop", "output": {"says": text}},
        ],
    })
}

async fn workflow(world: &World, definition: Value) -> String {
    let new = json!({"definition": definition});
    let made = world.owner().post("/api/v1/workflows", &new).await.expect(201);
    format!("/api/v1/workflows/{}", made.text_of("id"))
}

async fn read(world: &World, path: &str) -> Value {
    world.owner().get(path).await.expect(200).json()
}

async fn execute(world: &World, workflow: &str) -> String {
    let started = world.owner().post(&format!("{workflow}/execute"), &json!({})).await.expect(202);
    format!("/api/v1/runs/{}", started.text_of("id"))
}

fn live(versions: &Value) -> Vec<(u64, bool)> {
    let items = versions["items"].as_array().unwrap();
    items.iter().map(|one| (one["number"].as_u64().unwrap(), one["live"] == true)).collect()
}

both! {
    async fn a_draft_changes_nothing_until_it_is_published(db: TestStore) {
        let world = World::start(db).await;
        let path = workflow(&world, definition("one")).await;
        let before = execute(&world, &path).await;
        world.settle().await;
        let draft = json!({"definition": definition("two"), "note": "says two"});
        let versions = format!("{path}/versions");
        let saved = world.owner().post(&versions, &draft).await.expect(201).json();
        assert_eq!((&saved["number"], &saved["live"]), (&json!(2), &json!(false)));
        let again = world.owner().post(&versions, &draft).await.expect(201).json();
        assert_eq!(again["number"], 2, "what is the newest version is not saved again");
        assert_eq!(live(&read(&world, &versions).await), [(2, false), (1, true)]);
        let meanwhile = execute(&world, &path).await;
        let published = world.owner().poke(&format!("{versions}/2/publish")).await.expect(200);
        assert_eq!(published.json()["definition_hash"], saved["definition_hash"]);
        assert_eq!(live(&read(&world, &versions).await), [(2, true), (1, false)]);
        let after = execute(&world, &path).await;
        world.settle_after(3_600).await;
        world.settle_after(3_600).await;
        // Runs under way stay with the version they began with.
        for (run, says) in [(&before, "one"), (&meanwhile, "one"), (&after, "two")] {
            assert_eq!(read(&world, run).await["output"]["says"], says);
        }
        // Back again, as it was.
        world.owner().poke(&format!("{versions}/1/publish")).await.expect(200);
        assert_eq!(live(&read(&world, &versions).await), [(2, false), (1, true)]);
        let nine = format!("{versions}/9/publish");
        world.owner().poke(&nine).await.refused(404, "not_found");
        let one = read(&world, &format!("{versions}/1")).await;
        assert_eq!(one["definition"]["steps"][1]["output"]["says"], "one");
    }

    async fn a_change_is_a_version_and_can_be_compared(db: TestStore) {
        let world = World::start(db).await;
        let path = workflow(&world, definition("one")).await;
        let change = json!({"definition": definition("two")});
        world.owner().patch(&path, &change).await.expect(200);
        world.owner().patch(&path, &json!({"status": "paused"})).await.expect(200);
        let versions = read(&world, &format!("{path}/versions")).await;
        assert_eq!(live(&versions), [(2, true), (1, false)], "a status is no version");
        let found = read(&world, &format!("{path}/diff?from=1&to=2")).await;
        assert_eq!(found["changes"], json!([{
            "kind": "changed", "step": "end", "path": "/output/says", "before": "one",
            "after": "two",
        }]));
        assert_eq!(read(&world, &format!("{path}/diff")).await["changes"], json!([]));
        let draft = json!({"definition": {"version": 1, "name": "Note", "steps": [
            {"id": "end", "type": "stop"}]}});
        world.owner().post(&format!("{path}/versions"), &draft).await.expect(201);
        let kinds = read(&world, &format!("{path}/diff")).await;
        let kinds: Vec<&Value> =
            kinds["changes"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
        assert!(kinds.contains(&&json!("removed")), "{kinds:?}");
        world.owner().get(&format!("{path}/diff?from=7")).await.refused(404, "not_found");
        let bad = json!({"definition": {"version": 1, "name": "Note", "steps": []}});
        let refused = world.owner().post(&format!("{path}/versions"), &bad).await;
        refused.refused(422, "invalid");
    }

    async fn a_workflow_travels_as_a_file(db: TestStore) {
        let world = World::start(db).await;
        let path = workflow(&world, definition("one")).await;
        for format in ["yaml", "json"] {
            let export = format!("{path}/export?format={format}");
            let file = world.owner().get(&export).await.expect(200);
            assert!(file.header("content-disposition").ends_with(&format!(".{format}\"")));
            let call = Call::post("/api/v1/workflows/import?status=draft")
                .raw("application/yaml", file.text.as_bytes());
            let made = world.owner().send(call).await.expect(201).json();
            assert_eq!(made["definition"], read(&world, &path).await["definition"]);
            assert_eq!(made["status"], "draft");
        }
        // The next version of the same workflow, in the short form.
        let short = "name: Note\ntrigger_type: manual\nactions:\n  - type: create_contact\n    \
                     target: digisol_crm\n";
        let id = path.rsplit('/').next().unwrap();
        let target = format!("/api/v1/workflows/import?workflow={id}");
        let call = Call::post(&target).raw("application/yaml", short.as_bytes());
        let changed = world.owner().send(call).await.expect(200).json();
        assert_eq!(changed["actions"][0]["type"], "create_contact");
        assert_eq!(read(&world, &format!("{path}/versions")).await["items"][0]["number"], 2);
        let exported = world.owner().get(&format!("{path}/export?version=1")).await.expect(200);
        assert!(exported.text.contains("says: one"), "{}", exported.text);
        let call = Call::post("/api/v1/workflows/import").raw("application/yaml", b"a: [");
        world.owner().send(call).await.refused(400, "bad_request");
    }

    async fn every_template_runs_against_the_sandbox(db: TestStore) {
        let world = World::start(db).await;
        world.hubspot().await;
        world.slack().await;
        let listed = read(&world, "/api/v1/workflow-templates").await;
        let listed = listed["items"].as_array().unwrap();
        assert!(listed.len() >= 12, "there are {} templates", listed.len());
        let mut wrong = Vec::new();
        for template in listed {
            let id = template["id"].as_str().unwrap();
            let whole = read(&world, &format!("/api/v1/workflow-templates/{id}")).await;
            assert!(whole["definition"]["steps"].is_array(), "{id}");
            let new = json!({"template": id, "name": format!("My {id}")});
            let made = world.owner().post("/api/v1/workflows", &new).await.expect(201).json();
            assert_eq!(made["name"], format!("My {id}"));
            let path = format!("/api/v1/workflows/{}/execute", made["id"].as_str().unwrap());
            let body = json!({"input": template["sample"]});
            let run = world.owner().post(&path, &body).await.expect(202).text_of("id");
            world.settle().await;
            world.settle_after(4 * 86_400).await;
            let run = read(&world, &format!("/api/v1/runs/{run}")).await;
            if run["status"] != "completed" {
                wrong.push(format!("{id}: {} {} {}", run["status"], run["error"], run["output"]));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let unknown = json!({"template": "nothing"});
        world.owner().post("/api/v1/workflows", &unknown).await.refused(404, "not_found");
    }

    async fn what_a_workflow_takes_and_gives_is_checked(db: TestStore) {
        let world = World::start(db).await;
        let path = workflow(&world, json!({
            "version": 1, "name": "Typed",
            "inputs": {
                "email": {"type": "string", "required": true},
                "times": {"type": "integer", "default": 2},
            },
            "outputs": {"done": {"type": "boolean", "required": true}},
            "steps": [{"id": "note", "type": "set", "vars": {"n": "{{ trigger.times }}"}}],
            "output": {"done": "{{ trigger.times == 2 or 'no' }}"},
        })).await;
        let execute = format!("{path}/execute");
        let bad = json!({"input": {"times": "two"}});
        let refused = world.owner().post(&execute, &bad).await;
        let problem = refused.json();
        refused.refused(422, "invalid");
        let named: Vec<&Value> =
            problem["errors"].as_array().unwrap().iter().map(|one| &one["field"]).collect();
        assert_eq!(named, ["/input/email", "/input/times"]);
        for (times, status) in [(2, "completed"), (3, "failed")] {
            let input = json!({"input": {"email": "a@b.c", "times": times}});
            let run = world.owner().post(&execute, &input).await.expect(202).text_of("id");
            world.settle().await;
            let run = read(&world, &format!("/api/v1/runs/{run}")).await;
            assert_eq!(run["status"], status, "{run}");
        }
    }

    async fn the_schema_says_what_there_is(db: TestStore) {
        let world = World::start(db).await;
        let schema = read(&world, "/api/v1/workflows/schema").await;
        let actions = schema["x-completion"]["actions"].as_array().unwrap();
        let has = |name: &str| actions.iter().any(|one| one["name"] == name);
        assert!(has("slack.post_message") && has("collection.upsert"));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}
