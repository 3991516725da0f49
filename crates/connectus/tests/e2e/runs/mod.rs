//! What people do with runs: find them, read them, look at their past.

mod history;
mod many;
mod queues;
mod repeats;
mod search;

use serde_json::{Value, json};

use crate::support::world::World;

/// Makes a workflow of these steps; answers its identifier.
async fn workflow(world: &World, name: &str, steps: Value) -> String {
    let definition = json!({"version": 1, "name": name, "steps": steps});
    let new = json!({"definition": definition});
    world.owner().post("/api/v1/workflows", &new).await.expect(201).text_of("id")
}

/// Starts a run of a workflow; answers its identifier.
async fn execute(world: &World, workflow: &str, input: Value) -> String {
    let path = format!("/api/v1/workflows/{workflow}/execute");
    world.owner().post(&path, &json!({"input": input})).await.expect(202).text_of("id")
}

/// The answer to a `GET`, which must succeed.
async fn read(world: &World, path: &str) -> Value {
    world.owner().get(path).await.expect(200).json()
}
