//! Whose turn it is when there are more runs than places.

use serde_json::{Value, json};

use crate::{each_driver, support::fakes::post};

/// A workflow that says what its input says.
fn says(name: &str, priority: i64) -> Value {
    json!({ "version": 1, "name": name, "priority": priority,
        "steps": [post("say", "{{ trigger.text }}")] })
}

each_driver! {
    async fn a_flood_of_one_tenant_does_not_hold_up_another(scene: Scene) {
        let mut scene = scene;
        scene.limit("workflow", 4).await;
        let calm = scene.another_tenant("Calm").await;
        calm.connect().await;
        let flood = scene.define(says("flood", 0)).await;
        for n in 0..80 {
            scene.start(&flood, json!({ "text": format!("flood {n}") })).await;
        }
        let few = calm.define(says("few", 0)).await;
        for n in 0..5 {
            calm.start(&few, json!({ "text": format!("calm {n}") })).await;
        }
        scene.settle().await;
        let posted = scene.posted();
        assert_eq!(posted.len(), 85);
        let last = posted.iter().rposition(|text| text.starts_with("calm")).unwrap();
        assert!(last < 20, "the last of five came as number {last}: {posted:?}");
    }

    async fn turns_go_by_the_weight_of_tenants(scene: Scene) {
        let mut scene = scene;
        scene.limit("workflow", 1).await;
        let light = scene.another_tenant("Light").await;
        light.connect().await;
        scene.weigh(3).await;
        for (tenant, name) in [(&scene, "heavy"), (&light, "light")] {
            let workflow = tenant.define(says(name, 0)).await;
            for n in 0..20 {
                tenant.start(&workflow, json!({ "text": format!("{name} {n}") })).await;
            }
        }
        scene.settle().await;
        let posted = scene.posted();
        let heavy = posted[..16].iter().filter(|text| text.starts_with("heavy")).count();
        assert!((11..=13).contains(&heavy), "three of four: {posted:?}");
        assert_eq!(posted.len(), 40, "nobody is left out");
    }

    async fn priority_gives_a_head_start_that_waiting_makes_up_for(scene: Scene) {
        let mut scene = scene;
        scene.limit("workflow", 1).await;
        let start = async |text: &str, priority: i64| {
            let workflow = scene.define(says(text, priority)).await;
            scene.start(&workflow, json!({ "text": text })).await;
            scene.db.sim.clock.advance_secs(1);
        };
        start("plain", 0).await;
        start("idle", -3).await;
        scene.db.sim.clock.advance_secs(20);
        start("late", 0).await;
        start("urgent", 3).await;
        scene.db.sim.clock.advance_secs(20);
        start("later", 0).await;
        scene.settle().await;
        assert_eq!(
            scene.posted(),
            ["urgent", "plain", "late", "idle", "later"],
            "what waits grows older, whatever its priority"
        );
    }

    async fn a_tenant_gets_no_more_turns_for_having_started_first(scene: Scene) {
        let mut scene = scene;
        scene.limit("workflow", 1).await;
        let other = scene.another_tenant("Other").await;
        other.connect().await;
        for (tenant, name) in [(&scene, "mine"), (&other, "theirs")] {
            let workflow = tenant.define(says(name, 0)).await;
            for n in 0..10 {
                tenant.start(&workflow, json!({ "text": format!("{name} {n}") })).await;
            }
        }
        scene.settle().await;
        let posted = scene.posted();
        let mine = posted[..10].iter().filter(|text| text.starts_with("mine")).count();
        assert!((4..=6).contains(&mine), "{posted:?}");
    }
}
