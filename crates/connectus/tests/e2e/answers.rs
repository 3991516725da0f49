//! Callers that wait for their run's answer: at a workflow's own address, and executing.

use std::time::Duration;

use connectus_connect::webhook;
use connectus_core::{RunId, run::RunStatus};
use connectus_engine::answers::Awaited;
use connectus_store::ends::MAX_WAITING_OF_TENANT;
use connectus_testkit::both;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Answer, Call, PUBLIC_URL, world::World};

/// A workflow with an address of its own, and what opens it.
struct Address {
    id: String,
    path: String,
    secret: String,
}

impl Address {
    async fn of(world: &World, config: Value, steps: Value) -> Self {
        let new = json!({"definition": {
            "version": 1, "name": "Answer",
            "trigger": {"type": "webhook", "config": {"endpoint": config}},
            "steps": steps,
        }});
        let id = world.owner().post("/api/v1/workflows", &new).await.expect(201).text_of("id");
        let route = format!("/api/v1/workflows/{id}/endpoint");
        let made = world.owner().post(&route, &json!({})).await.expect(201).json();
        let path = made["url"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned();
        Self { id, path, secret: made["secret"].as_str().unwrap().to_owned() }
    }

    fn call(&self, world: &World, id: &str, body: &Value) -> Call {
        let text = body.to_string();
        let now = world.app.db.sim.env.now();
        let secrets = [self.secret.clone().into()];
        let headers = webhook::sign(&secrets, id, now, text.as_bytes()).unwrap();
        Call::post(&self.path)
            .raw("application/json", text.as_bytes())
            .header("webhook-id", &headers.id)
            .header("webhook-timestamp", &headers.timestamp)
            .header("webhook-signature", &headers.signature)
    }

    fn execute(&self) -> Call {
        Call::post(&format!("/api/v1/workflows/{}/execute", self.id))
    }
}

fn greeting() -> Value {
    json!([{"id": "greet", "type": "set", "vars": {"text": "Hello {{ trigger.body.name }}"}}])
}

/// Waits for a call, and lets the engine work until it is answered.
async fn answered(world: &World, call: Call) -> Answer {
    let over = CancellationToken::new();
    let asked = async {
        let answer = world.app.send(call).await;
        over.cancel();
        answer
    };
    let worked = async {
        while !over.is_cancelled() {
            world.settle().await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(asked, worked).0
}

/// Returns when there is a run.
async fn accepted(world: &World) {
    while runs(world).await.is_empty() {
        // SQLite answers without ever waiting.
        tokio::task::yield_now().await;
    }
}

async fn runs(world: &World) -> Vec<Value> {
    let runs = world.owner().get("/api/v1/runs").await.expect(200).json();
    runs["items"].as_array().unwrap().clone()
}

both! {
    async fn a_call_is_answered_with_what_its_run_made(db: TestStore) {
        let world = World::start(db).await;
        let address = Address::of(&world, json!({"respond": "at_end"}), greeting()).await;
        let call = || address.call(&world, "call_1", &json!({"name": "Ada"}));
        let answer = answered(&world, call()).await.expect(200);
        assert_eq!(answer.json(), json!({"text": "Hello Ada"}));
        let run = runs(&world).await.remove(0);
        let place = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
        assert_eq!(answer.header("location"), place);
        // Sent again, it gets the same answer, and nothing is done again.
        let again = world.app.send(call()).await.expect(200);
        assert_eq!(again.json(), json!({"text": "Hello Ada"}));
        assert_eq!(runs(&world).await.len(), 1);
    }

    async fn a_run_that_fails_is_a_problem_with_its_run(db: TestStore) {
        let world = World::start(db).await;
        let steps = json!([{"id": "no", "type": "fail", "message": "no paper"}]);
        let address = Address::of(&world, json!({"respond": "at_end"}), steps).await;
        let call = address.call(&world, "call_1", &json!({}));
        let refused = answered(&world, call).await;
        let problem = refused.refused(424, "run_failed").json();
        let run = runs(&world).await.remove(0);
        assert_eq!((&problem["run_id"], &problem["run_status"]), (&run["id"], &json!("failed")));
        assert!(problem["detail"].as_str().unwrap().contains("no paper"), "{problem}");
        let executed = address.execute().json(&json!({})).header("prefer", "wait=60");
        let executed = executed.bearer(world.ours.owner());
        let problem = answered(&world, executed).await.refused(424, "run_failed").json();
        assert_eq!(problem["error"]["message"], "no paper");
    }

    async fn who_waits_too_long_learns_where_to_look_and_may_ask_again(db: TestStore) {
        let world = World::start(db).await;
        let config = json!({"respond": "at_end", "timeout": "1s"});
        let address = Address::of(&world, config, greeting()).await;
        let call = || address.call(&world, "call_1", &json!({"name": "Bob"}));
        // Nobody works on runs yet.
        let late = world.app.send(call()).await.expect(202);
        let told = late.json();
        assert_eq!((&told["status"], &told["runs"]), (&json!("accepted"), &json!(1)));
        let run = runs(&world).await.remove(0);
        assert_eq!(told["run_id"], run["id"]);
        let place = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
        assert_eq!(told["status_url"], format!("{PUBLIC_URL}{place}"));
        assert_eq!(late.header("location"), place);
        let replayed = world.app.send(call()).await.expect(202).json();
        assert_eq!((&replayed["status"], &replayed["runs"]), (&json!("replayed"), &json!(0)));
        world.settle().await;
        let answer = world.app.send(call()).await.expect(200);
        assert_eq!(answer.json(), json!({"text": "Hello Bob"}));
    }

    async fn who_hangs_up_loses_nothing(db: TestStore) {
        let world = World::start(db).await;
        let address = Address::of(&world, json!({"respond": "at_end"}), greeting()).await;
        let call = address.call(&world, "call_1", &json!({"name": "Eve"}));
        tokio::select! {
            _ = world.app.send(call) => panic!("nobody works on the run"),
            () = accepted(&world) => {}
        }
        world.settle().await;
        let run = runs(&world).await.remove(0);
        let (status, cancel) = (&run["status"], &run["cancel_requested"]);
        assert_eq!((status, cancel), (&json!("completed"), &json!(false)));
        assert_eq!(run["output"], json!({"text": "Hello Eve"}));
    }

    async fn an_execution_waits_as_long_as_its_caller_prefers(db: TestStore) {
        let world = World::start(db).await;
        let steps = json!([{"id": "n", "type": "set", "vars": {"n": "{{ trigger.n + 1 }}"}}]);
        let address = Address::of(&world, json!({}), steps).await;
        let execute = |n: u8| {
            let call = address.execute().json(&json!({"input": {"n": n}}));
            call.bearer(world.ours.owner())
        };
        let plain = world.app.send(execute(0)).await.expect(202);
        assert_eq!((plain.text_of("status").as_str(), plain.header("preference-applied")),
            ("queued", ""));
        let waited = answered(&world, execute(1).header("prefer", "wait=61")).await.expect(200);
        assert_eq!(waited.header("preference-applied"), "wait=60");
        assert_eq!(waited.json()["output"], json!({"n": 2}));
        assert_eq!(waited.text_of("status"), "completed");
        let late = world.app.send(execute(2).header("prefer", "wait=1")).await.expect(202);
        assert_eq!(late.header("preference-applied"), "wait=1");
        assert_eq!(late.text_of("status"), "queued");
        // Under a key the first answer is the answer.
        let under_key = || execute(3).header("prefer", "wait=60").key("once");
        let first = answered(&world, under_key()).await.expect(200);
        let second = world.app.send(under_key()).await.expect(200);
        assert_eq!(second.header("preference-applied"), "wait=60");
        assert_eq!((first.text, runs(&world).await.len()), (second.text, 4));
    }

    async fn a_process_that_stops_answers_those_who_wait(db: TestStore) {
        let world = World::start(db).await;
        let address = Address::of(&world, json!({"respond": "at_end"}), greeting()).await;
        let call = address.call(&world, "call_1", &json!({"name": "Mia"}));
        let stop = async {
            accepted(&world).await;
            world.app.app.stopping.cancel();
        };
        let answer = tokio::join!(world.app.send(call), stop).0.expect(202);
        assert_eq!(answer.json()["status"], "accepted");
    }

    async fn no_more_wait_than_there_are_places(db: TestStore) {
        let world = World::start(db).await;
        let address = Address::of(&world, json!({"respond": "at_end"}), greeting()).await;
        let (tenant, ends) = (world.ours.id.clone(), world.app.app.store().ends().clone());
        let run = RunId::trusted("run_other");
        let held: Vec<_> =
            (0..MAX_WAITING_OF_TENANT).map(|_| ends.expect(&tenant, &run).unwrap()).collect();
        let call = address.call(&world, "call_1", &json!({"name": "Kim"}));
        assert_eq!(world.app.send(call).await.expect(202).json()["runs"], 1);
        let execute = address.execute().json(&json!({})).header("prefer", "wait=60");
        let answer = world.app.send(execute.bearer(world.ours.owner())).await.expect(202);
        assert_eq!(answer.header("preference-applied"), "", "it was not waited");
        drop(held);
        let call = address.call(&world, "call_2", &json!({"name": "Kim"}));
        answered(&world, call).await.expect(200);
    }

    async fn runs_of_another_process_are_waited_for_too(db: TestStore) {
        let world = World::start(db).await;
        let address = Address::of(&world, json!({"respond": "at_end"}), greeting()).await;
        let input = json!({"input": {"body": {"name": "Joe"}}});
        let run = world.app.send(address.execute().json(&input).bearer(world.ours.owner()));
        let run = RunId::trusted(run.await.expect(202).text_of("id"));
        // Whoever waits here is not told of what the engine commits there.
        let here = world.app.db.another_process().await.unwrap();
        let ctx = &world.ours.ctx;
        let row = here.read().await.unwrap().run(ctx, &run).await.unwrap().unwrap();
        let (awaited, over) = (Awaited::of(&here, row), CancellationToken::new());
        let waits = awaited.answer(&here, ctx, Duration::from_secs(60), &over);
        let ended = tokio::join!(waits, world.settle()).0.unwrap();
        assert_eq!(ended.status, RunStatus::Completed);
        here.close().await;
    }
}
