use connectus_core::{integration::Category, provider::AuthMethod};
use serde_json::{Value, json};

use super::*;
use crate::Plan;

fn about() -> About {
    About { name: "pets".into(), display_name: "Pets".into(), category: Category::Other }
}

fn document() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Pets", "version": "1.2"},
        "servers": [{"url": "/relative"}, {"url": "https://{region}.pets.example.com/v1/",
            "variables": {"region": {"default": "eu", "description": "Where you are."}}}],
        "security": [{"key": []}],
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                "query": {"type": "apiKey", "in": "query", "name": "key"},
                "sign": {"type": "oauth2", "flows": {"authorizationCode": {
                    "authorizationUrl": "https://pets.example.com/authorize",
                    "tokenUrl": "https://pets.example.com/token", "scopes": {"read": "r"}}}},
            },
            "parameters": {"limit": {"name": "limit", "in": "query",
                "schema": {"type": "integer", "maximum": 100}}},
            "schemas": {"Pet": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string", "example": "Rex"},
                "parent": {"$ref": "#/components/schemas/Pet"}}}},
        },
        "paths": {
            "/pets": {
                "parameters": [{"$ref": "#/components/parameters/limit"}],
                "get": {"operationId": "listPets", "summary": "All pets", "parameters": [
                    {"name": "tags", "in": "query", "schema": {"type": "array"}}]},
                "post": {"operationId": "createPet", "requestBody": {"required": true,
                    "content": {"application/json": {
                        "schema": {"$ref": "#/components/schemas/Pet"}}}}},
            },
            "/pets/{petId}": {
                "parameters": [{"name": "petId", "in": "path", "required": true,
                    "schema": {"type": "string"}}],
                "get": {"operationId": "pets.get"},
                "put": {"requestBody": {"content": {"application/json": {"schema": {}}}}},
                "patch": {"operationId": "changePet", "parameters": [
                    {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}]},
                "delete": {"operationId": "removePet", "security": [{"sign": ["read"]}]},
                "head": {"operationId": "headPet"},
            },
            "/photos": {
                "post": {"operationId": "addPhoto", "requestBody": {"required": true,
                    "content": {"multipart/form-data": {"schema": {}}}}},
                "get": {"operationId": "photos", "security": [{"query": []}]},
                "delete": {"operationId": "listPets"},
                "put": {"operationId": "cookies", "parameters": [{"name": "c", "in": "cookie",
                    "required": true, "schema": {"type": "string"}}]},
            },
        },
    })
}

#[test]
fn operations_become_actions_and_the_others_say_why_not() {
    let made = import(&document().to_string(), about()).unwrap();
    let shown: Vec<_> = made
        .pack
        .actions
        .iter()
        .map(|one| {
            let path = one.request.path.as_str();
            (one.name.as_str(), one.request.method.name(), path, one.idempotency.name())
        })
        .collect();
    let one = "/pets/{{ input.pet_id }}";
    let mut expected = [
        ("list_pets", "GET", "/pets", "idempotent"),
        ("create_pet", "POST", "/pets", "at_most_once"),
        ("pets_get", "GET", one, "idempotent"),
        ("put_pets_pet_id", "PUT", one, "idempotent"),
        ("change_pet", "PATCH", one, "idempotent"),
        ("remove_pet", "DELETE", one, "idempotent"),
    ];
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    let reasons: Vec<_> =
        made.unsupported.iter().map(|one| (one.operation.as_str(), one.reason.as_str())).collect();
    for (operation, word) in [
        ("headPet", "HEAD"),
        ("addPhoto", "multipart/form-data"),
        ("photos", "into the query"),
        ("listPets", "name of another one"),
        ("cookies", "in the cookie"),
    ] {
        let found = reasons.iter().any(|(name, why)| *name == operation && why.contains(word));
        assert!(found, "{operation}: {reasons:?}");
    }
    assert_eq!(reasons.len(), 5);
}

#[test]
fn the_service_its_input_and_its_sign_in_are_as_described() {
    let made = import(&document().to_string(), about()).unwrap();
    let pack = &made.pack;
    assert_eq!(pack.provider.base_url, "https://{{ config.region }}.pets.example.com/v1");
    assert_eq!(pack.provider.hosts, ["*.pets.example.com"]);
    assert_eq!(pack.provider.settings[0].default.as_deref(), Some("eu"));
    let names: Vec<_> = pack.auth.iter().map(AuthMethod::name).collect();
    assert_eq!(names, ["key", "sign"]);
    assert!(made.warnings.iter().any(|one| one.contains("`query` puts a key into the query")));
    let list = pack.action("list_pets").unwrap();
    assert_eq!(list.input["properties"]["limit"]["maximum"], 100);
    assert!(list.input["properties"].get("tags").is_none(), "what need not be sent is not");
    assert_eq!(list.auth, ["key"]);
    let create = pack.action("create_pet").unwrap();
    assert_eq!(create.input["required"], json!(["body"]));
    let pet = &create.input["properties"]["body"]["properties"];
    assert_eq!(pet["name"], json!({"type": "string"}));
    assert_eq!(pet["parent"]["properties"]["name"], json!({"type": "string"}));
    assert!(create.input.to_string().len() < 20_000, "a schema within itself ends");
    assert_eq!(pack.action("remove_pet").unwrap().auth, ["sign"]);
    Plan::compile(made.pack).unwrap();
}

#[test]
fn what_is_no_document_is_refused_with_what_to_do() {
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document = document();
        change(&mut document);
        let error = import(&document.to_string(), about()).unwrap_err();
        format!("{} {:?}", error.detail, error.fields)
    };
    assert!(changed(&|d| d["openapi"] = json!("2.0")).contains("OpenAPI 3"));
    assert!(changed(&|d| d["servers"] = json!([{"url": "/v1"}])).contains("https://"));
    assert!(changed(&|d| d["servers"] = json!([{"url": "http://x.example"}])).contains("https://"));
    let anywhere = json!([{"url": "https://{host}/v1", "variables": {"host": {"default": "a.b"}}}]);
    assert!(changed(&|d| d["servers"] = anywhere.clone()).contains("https://"));
    assert!(changed(&|d| d["paths"] = json!({})).contains("nothing that can be called"));
    assert!(import("- [", about()).unwrap_err().detail.contains("neither JSON nor YAML"));
    let circle = json!({"$ref": "#/components/parameters/limit"});
    let mut document = document();
    document["components"]["parameters"]["limit"] = circle;
    let made = import(&document.to_string(), about()).unwrap();
    assert!(made.unsupported.iter().all(|one| one.operation != "pets.get"));
}

#[test]
fn templates_in_a_document_are_not_run() {
    let mut document = document();
    let body = json!({"get": {"operationId": "evil", "parameters": []}});
    document["paths"]["/x/{{ config.access_token }}"] = body.clone();
    document["paths"]["/y/{% if x %}"] = body;
    let made = import(&document.to_string(), about()).unwrap();
    assert!(made.pack.action("evil").is_none());
    assert_eq!(made.unsupported.iter().filter(|one| one.operation == "evil").count(), 2);
}

/// Whatever chance makes of a document or a manifest is read or refused, and soon.
#[test]
fn what_chance_makes_of_texts_is_read_or_refused() {
    let manifest = "type: DeclarativeSource\ndefinitions: {a: &a [1, {b: 2}], c: *a}\n\
        streams:\n  - {type: DeclarativeStream, name: x, primary_key: [id], $parameters: {n: 1},\n\
        retriever: {$ref: '#/definitions/c'}}\nspec: {connection_specification: {properties: \
        {k: {airbyte_secret: true}}}}\n";
    let mut seed = 7_u64;
    let mut chance = |most: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or_default() % most
    };
    for text in [document().to_string(), manifest.to_owned()] {
        for _ in 0..400 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=chance(4) {
                let (at, from) = (chance(bytes.len()), chance(bytes.len()));
                match chance(3) {
                    0 => bytes[at] = b"{}[]:,\"'#&*$-\n x1"[chance(17)],
                    1 => drop(bytes.remove(at)),
                    _ => bytes[at] = bytes[from],
                }
            }
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            if let Ok(made) = import(&changed, about()) {
                drop(Plan::compile(made.pack));
            }
            drop(crate::manifest::Offer::read(&changed, std::collections::BTreeMap::new()));
        }
    }
}

#[test]
fn names_are_written_as_people_write_them_here() {
    for (from, to) in [
        ("listPets", "list_pets"),
        ("pets/list-all", "pets_list_all"),
        ("GET /pets/{petId}", "get_pets_pet_id"),
        ("getHTTPStatus", "get_httpstatus"),
        ("__", ""),
    ] {
        assert_eq!(snake(from), to);
    }
}
