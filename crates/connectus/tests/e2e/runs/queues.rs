//! Queues as callers see them.

use connectus_core::access::Role;
use connectus_testkit::both;
use serde_json::{Value, json};

use super::{World, execute, read, workflow};

both! {
    async fn queues_are_looked_at_and_paused(db: TestStore) {
        let world = World::start(db).await;
        let definition = |queue: &str| json!({"definition": {
            "version": 1, "name": format!("In {queue}"), "queue": queue,
            "steps": [{"id": "note", "type": "set", "vars": {"a": 1}}]}});
        let made = world.owner().post("/api/v1/workflows", &definition("generation")).await;
        let made = made.expect(201).text_of("id");
        for wrong in ["delivery", "sync", "slow"] {
            let refused = world.owner().post("/api/v1/workflows", &definition(wrong)).await;
            let refused = refused.refused(422, "invalid");
            assert!(refused.text.contains("/queue"), "{}", refused.text);
        }
        let bad = json!([{"id": "no", "type": "fail", "message": "no paper"}]);
        let bad = workflow(&world, "Bad", bad).await;
        execute(&world, &bad, json!({})).await;
        let run = execute(&world, &made, json!({})).await;
        world.settle().await;
        let run = read(&world, &format!("/api/v1/runs/{run}")).await;
        assert_eq!((&run["queue"], &run["status"]), (&json!("generation"), &json!("completed")));

        let queues = read(&world, "/api/v1/queues").await;
        let named = |name: &str| -> Value {
            let items = queues["items"].as_array().unwrap();
            items.iter().find(|queue| queue["name"] == name).unwrap().clone()
        };
        assert_eq!(queues["items"].as_array().unwrap().len(), 8);
        let generation = named("generation");
        assert_eq!((&generation["concurrency"], &generation["timeout_secs"]),
            (&json!(10), &json!(3600)));
        assert_eq!(generation["lately"]["completed"], 1);
        assert_eq!(generation["lately"]["wait_ms"]["p95"], 0);
        assert_eq!(named("workflow")["depth"]["dead_letters"], 1);
        assert_eq!(named("workflow")["lately"]["failed"], 1);
        assert_eq!(named("delivery")["lately"], Value::Null);

        let pause = "/api/v1/queues/generation/pause";
        world.as_role(Role::Viewer).poke(pause).await.refused(403, "forbidden");
        let paused = world.owner().poke(pause).await.expect(200).json();
        assert!(paused["paused_by"].as_str().unwrap().starts_with("api_key:"), "{paused}");
        let held = execute(&world, &made, json!({})).await;
        world.settle().await;
        let listed = read(&world, "/api/v1/runs?queue=generation&status=queued").await;
        assert_eq!(listed["items"][0]["id"], held.as_str());
        let state = read(&world, "/api/v1/queues/generation").await;
        assert_eq!((&state["depth"]["ready"], &state["depth"]["busy"]), (&json!(1), &json!(0)));
        world.owner().poke("/api/v1/queues/generation/resume").await.expect(200);
        world.settle().await;
        let held = read(&world, &format!("/api/v1/runs/{held}")).await;
        assert_eq!(held["status"], "completed");
        world.owner().get("/api/v1/queues/slow").await.refused(404, "not_found");
        world.owner().poke("/api/v1/queues/slow/pause").await.refused(404, "not_found");
    }
}
