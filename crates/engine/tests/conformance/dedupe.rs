//! Starting the same thing twice.

use serde_json::{Value, json};

use crate::{each_driver, support::fakes::post};

fn once() -> Value {
    json!({
        "version": 1, "name": "once",
        "trigger": { "type": "manual", "config": { "dedupe": "{{ trigger.order }}" } },
        "steps": [post("tell", "order {{ trigger.order }}")],
    })
}

each_driver! {
    async fn one_key_starts_one_run(scene: Scene) {
        let mut scene = scene;
        let workflow = scene.define(once()).await;
        let first = scene.start(&workflow, json!({ "order": 1 })).await;
        let again = scene.start(&workflow, json!({ "order": 1 })).await;
        assert_eq!(first.id, again.id, "before it has begun");
        scene.settle().await;
        let late = scene.start(&workflow, json!({ "order": 1 })).await;
        assert_eq!(first.id, late.id, "after it has ended");
        let other = scene.start(&workflow, json!({ "order": 2 })).await;
        assert_ne!(first.id, other.id);
        scene.restart().await;
        assert_eq!(scene.start(&workflow, json!({ "order": 2 })).await.id, other.id);
        scene.settle().await;
        assert_eq!(scene.posted(), ["order 1", "order 2"]);
    }

    async fn starts_at_the_same_time_are_one(scene: Scene) {
        let workflow = scene.define(once()).await;
        let start = || scene.try_start(&workflow, json!({ "order": 7 }));
        let runs = futures::future::join_all((0..16).map(|_| start())).await;
        let ids: std::collections::BTreeSet<_> =
            runs.into_iter().map(|run| run.unwrap().id).collect();
        assert_eq!(ids.len(), 1);
        scene.settle().await;
        assert_eq!(scene.posted(), ["order 7"]);
    }

    async fn other_tenants_have_keys_of_their_own(scene: Scene) {
        let workflow = scene.define(once()).await;
        let mine = scene.start(&workflow, json!({ "order": 1 })).await;
        let other = scene.another_tenant("Other").await;
        let workflow = other.define(once()).await;
        let theirs = other.start(&workflow, json!({ "order": 1 })).await;
        assert_ne!(mine.id, theirs.id);
    }
}
