//! The same for every item of a list.

use serde_json::{Value, json};

use crate::{
    each_driver,
    support::{fakes::post, put},
};

fn each(items: &Value, concurrency: usize, steps: &Value) -> Value {
    json!({ "id": "each", "type": "for_each", "items": items, "concurrency": concurrency,
        "steps": steps })
}

each_driver! {
    async fn items_are_taken_in_order(scene: Scene) {
        let steps = json!([post("tell", "{{ index }}: {{ item }}"), put("p", "{{ item }}")]);
        let run = scene.run("orderly", json!([each(&json!(["x", "y", "z"]), 1, &steps)])).await;
        let output = scene.output(&run).await;
        let keys: Vec<_> = output.as_array().unwrap().iter().map(|one| &one["key"]).collect();
        assert_eq!(keys, ["x", "y", "z"]);
        assert_eq!(scene.posted(), ["0: x", "1: y", "2: z"]);
    }

    async fn so_many_items_are_under_way_at_once(scene: Scene) {
        let steps = json!([put("p", "{{ item }}"), { "id": "nap", "type": "wait", "for": "1m" }]);
        let items = json!(["a", "b", "c", "d", "e"]);
        let run = scene.run("bounded", json!([each(&items, 2, &steps)])).await;
        for (minute, begun) in [(0, 2), (1, 4), (2, 5)] {
            assert_eq!(scene.names(&run).await.len(), begun, "after {minute} minutes");
            scene.pass(60).await;
        }
        scene.output(&run).await;
    }

    async fn a_list_may_be_empty_or_come_from_before(scene: Scene) {
        let nothing = each(&json!([]), 1, &json!([put("never", "never")]));
        assert_eq!(scene.output(&scene.run("empty", json!([nothing])).await).await, json!([]));
        let workflow = scene.workflow("given", json!([
            each(&json!("{{ trigger.keys }}"), 3, &json!([put("p", "{{ item }}")])),
        ])).await;
        let run = scene.start(&workflow, json!({ "keys": ["k1", "k2"] })).await;
        scene.settle().await;
        scene.output(&run).await;
        assert_eq!(scene.present(&["never", "k1", "k2"]).await, ["k1", "k2"]);
    }

    async fn an_item_may_fail_without_the_others(scene: Scene) {
        let mut step = json!({ "id": "no", "type": "branch", "condition": "item == 2",
            "then": [{ "id": "fail", "type": "fail", "message": "not this one" }],
            "else": [put("p", "k{{ item }}")] });
        step["continue_on_error"] = json!(true);
        let run = scene.run("tolerant", json!([each(&json!([1, 2, 3]), 1, &json!([step]))])).await;
        scene.output(&run).await;
        assert_eq!(scene.present(&["k1", "k2", "k3"]).await, ["k1", "k3"]);
    }

    async fn an_item_that_fails_undoes_those_before_it(scene: Scene) {
        let steps = json!([put("p", "k{{ item }}"), { "id": "no", "type": "branch",
            "condition": "item == 3",
            "then": [{ "id": "fail", "type": "fail", "message": "too many" }] }]);
        let run = scene.run("strict", json!([each(&json!([1, 2, 3, 4]), 1, &steps)])).await;
        assert_eq!(scene.failure(&run).await, "failed");
        assert_eq!(scene.present(&["k1", "k2", "k3", "k4"]).await, [""; 0]);
    }

    async fn a_loop_goes_on_where_the_process_ended(scene: Scene) {
        let mut scene = scene;
        let steps = json!([post("tell", "item {{ item }}"),
            { "id": "nap", "type": "wait", "for": "1m" }]);
        let run = scene.run("resumed", json!([each(&json!([1, 2, 3]), 1, &steps)])).await;
        for _ in 0..3 {
            scene.restart().await;
            scene.pass(60).await;
        }
        scene.output(&run).await;
        assert_eq!(scene.posted(), ["item 1", "item 2", "item 3"]);
    }
}
