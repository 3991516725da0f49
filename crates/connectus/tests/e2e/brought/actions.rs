//! An OpenAPI document becomes a provider whose operations are actions of workflows.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use connectus_testkit::both;
use serde_json::{Value, json};

use super::{INTEGRATIONS, PROVIDERS};
use crate::support::world::{World, text};

/// The key that the service takes.
const KEY: &str = "pets-key-canary";

/// Bodies of pets made, each with the key its call carried.
type Pets = Arc<Mutex<Vec<(Value, String)>>>;

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

async fn make(State(pets): State<Pets>, headers: HeaderMap, Json(pet): Json<Value>) -> Response {
    if header(&headers, "x-key") != KEY {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut pets = pets.lock().unwrap();
    pets.push((pet.clone(), header(&headers, "idempotency-key")));
    let id = pets.len();
    (StatusCode::CREATED, Json(json!({"id": id, "name": pet["name"]}))).into_response()
}

async fn look(State(pets): State<Pets>, headers: HeaderMap, Path(id): Path<usize>) -> Response {
    if header(&headers, "x-key") != KEY {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match pets.lock().unwrap().get(id - 1) {
        Some((pet, _)) => Json(json!({"id": id, "name": pet["name"]})).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn service() -> (String, Pets) {
    let pets = Pets::default();
    let routes = Router::new()
        .route("/v1/pets", post(make))
        .route("/v1/pets/{id}", get(look))
        .with_state(pets.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (address.to_string(), pets)
}

fn document() -> Value {
    let pet = json!({"type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}}});
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Pets", "version": "1"},
        "servers": [{"url": "https://api.pets.example.com/v1"}],
        "security": [{"key": []}],
        "components": {"securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
        "paths": {
            "/pets": {"post": {"operationId": "createPet", "requestBody": {"required": true,
                "content": {"application/json": {"schema": pet}}}}},
            "/pets/{id}": {"get": {"operationId": "getPet", "parameters": [
                {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}]}},
            "/photos": {"put": {"operationId": "photo", "requestBody": {"required": true,
                "content": {"image/png": {}}}}},
        },
    })
}

both! {
    async fn operations_of_a_document_are_steps_of_workflows(db: TestStore) {
        let (address, pets) = service().await;
        let allowed = address.parse().unwrap();
        let world = World::with(db, |_| {}, |all| all.egress.allow.push(allowed)).await;
        let owner = world.owner();
        let new = json!({"name": "pets", "source": document().to_string()});
        let made = owner.post(PROVIDERS, &new).await.expect(201).json();
        assert_eq!(made["format"], "openapi");
        assert_eq!(made["report"]["actions"], json!(["create_pet", "get_pet"]));
        let other = &made["report"]["unsupported"][0];
        assert_eq!(other["operation"], "photo");
        assert!(text(other, "reason").contains("image/png"));
        let can = owner.get(&format!("{PROVIDERS}/pets/capabilities")).await.expect(200).json();
        let kinds: Vec<_> = can["actions"].as_array().unwrap().iter().collect();
        let kinds: Vec<_> = kinds.iter().map(|one| &one["idempotency"]).collect();
        assert_eq!(kinds, ["at_most_once", "idempotent"]);
        let schema = owner.get("/api/v1/workflows/schema").await.expect(200);
        assert!(schema.text.contains("pets.create_pet"));

        let new = json!({"provider": "pets", "name": "Our pets",
            "settings": {"base_url": format!("http://{address}/v1")},
            "auth_credentials": {"access_token": KEY}});
        owner.post(INTEGRATIONS, &new).await.expect(201);
        let workflow = json!({"definition": {
            "version": 1,
            "name": "A pet",
            "steps": [
                {"id": "made", "type": "action", "action": "pets.create_pet",
                    "input": {"body": {"name": "{{ trigger.name }}"}}},
                {"id": "seen", "type": "action", "action": "pets.get_pet",
                    "input": {"id": "{{ steps.made.output.records[0].id }}"}},
            ],
            "output": {"name": "{{ steps.seen.output.records[0].name }}"},
        }});
        let workflow = owner.post("/api/v1/workflows", &workflow).await.expect(201).text_of("id");
        let path = format!("/api/v1/workflows/{workflow}/execute");
        let run = owner.post(&path, &json!({"input": {"name": "Rex"}})).await.json();
        world.settle().await;
        let path = format!("/api/v1/runs/{}", text(&run, "id"));
        let run = owner.get(&path).await.expect(200).json();
        assert_eq!(run["status"], "completed", "{run:#}");
        assert_eq!(run["output"], json!({"name": "Rex"}));
        let pets = pets.lock().unwrap().clone();
        assert_eq!(pets.len(), 1);
        assert!(!pets[0].1.is_empty(), "the call carries its key");

        // What nobody brought is no action, and another tenant's is none either.
        let theirs = world.app.organisation("Theirs").await;
        let step = json!({"id": "a", "type": "action", "action": "pets.create_pet"});
        let definition =
            json!({"definition": {"version": 1, "name": "x", "steps": [step]}});
        let call = crate::support::Call::post("/api/v1/workflows").bearer(theirs.owner());
        let no = world.app.send(call.json(&definition)).await.refused(422, "invalid");
        assert!(no.text.contains("pets.create_pet"), "{}", no.text);
    }
}
