//! Manifests that mean harm, or are broken: refused with what to do, and never without an end.

use connectus_testkit::both;
use serde_json::{Value, json};

use super::{PROVIDERS, brought, connect, fake::manifest, flow, world};

both! {
    async fn what_is_broken_is_refused_with_its_place(db: TestStore) {
        let (world, _acme) = world(db).await;
        let owner = world.owner();
        let refused = async |source: String, status: u16, code: &str, words: &str| {
            let new = json!({"name": "acme", "source": source});
            let no = owner.post(PROVIDERS, &new).await.refused(status, code);
            assert!(no.text.contains(words), "{words}: {}", no.text);
        };
        refused("a: [".into(), 422, "invalid", "not YAML").await;
        refused("type: Something".into(), 422, "invalid", "DeclarativeSource").await;
        refused("type: DeclarativeSource".into(), 422, "invalid", "streams").await;
        refused("schema: 1\nprovider: {}\n".into(), 422, "invalid", "provider.yaml").await;
        let mut twice = manifest("1");
        twice["streams"][1]["name"] = json!("users");
        refused(twice.to_string(), 422, "invalid", "name").await;
        let mut lost = manifest("1");
        lost["streams"][0] = json!({"$ref": "#/definitions/nothing"});
        refused(lost.to_string(), 422, "invalid", "nothing").await;
        for name in ["hubspot", "http", "Acme", "a-b", ""] {
            let new = json!({"name": name, "source": manifest("1").to_string()});
            let answer = owner.post(PROVIDERS, &new).await;
            assert!([409, 422].contains(&answer.status), "{name}: {}", answer.text);
        }
    }

    async fn bombs_do_not_go_off(db: TestStore) {
        let (world, _acme) = world(db).await;
        let owner = world.owner();
        // Aliases, and references, each of which doubles what it stands for.
        let mut aliases = String::from("type: DeclarativeSource\nd0: &d0 [x, x]\n");
        let mut references = manifest("1");
        for level in 1..60 {
            let below = level - 1;
            aliases.push_str(&format!("d{level}: &d{level} [*d{below}, *d{below}]\n"));
            let link = format!("#/definitions/d{below}");
            references["definitions"][format!("d{level}")] =
                json!({"a": {"$ref": link}, "b": {"$ref": link}});
        }
        references["definitions"]["d0"] = json!({"x": 1});
        references["streams"][0]["retriever"]["requester"]["request_body_json"] =
            json!({"$ref": "#/definitions/d59"});
        for source in [aliases, references.to_string()] {
            let new = json!({"name": "bomb", "source": source});
            let answer = owner.post(PROVIDERS, &new).await;
            assert!([413, 422].contains(&answer.status), "{}", answer.text);
        }
        let (open, shut) = ("[".repeat(5_000), "]".repeat(5_000));
        let deep = format!("type: DeclarativeSource\nx: {open}{shut}");
        let new = json!({"name": "deep", "source": deep});
        owner.post(PROVIDERS, &new).await.refused(422, "invalid");
    }

    async fn pages_that_never_end_do(db: TestStore) {
        let (world, acme) = world(db).await;
        world.owner().post(PROVIDERS, &brought("acme", &manifest("1"))).await.expect(201);
        let integration = connect(&world, &acme, &json!({})).await;
        let users = flow(&world, &integration, "users", &["id", "name"]).await;
        acme.shop.lock().unwrap().endless = true;
        let path = format!("/api/v1/data-flows/{users}/sync");
        let run = world.owner().poke(&path).await.expect(202).text_of("id");
        world.settle().await;
        let run = world.owner().get(&format!("/api/v1/runs/{run}")).await.expect(200).json();
        assert_ne!(run["status"], "completed", "{run:#}");
        assert_ne!(run["error"], Value::Null, "{run:#}");
        let asked = acme.asked().len();
        assert!(asked < 100, "{asked} pages were asked for");
    }
}
