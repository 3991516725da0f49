//! Branches side by side: fork and join.

use serde_json::{Value, json};

use crate::{
    each_driver,
    support::{fakes::post, put},
};

fn fork(branches: &Value, wait_for: &Value) -> Value {
    json!({ "id": "fork", "type": "parallel", "branches": branches, "wait_for": wait_for })
}

fn nap(id: &str, time: &str) -> Value {
    json!({ "id": id, "type": "wait", "for": time })
}

fn fail(id: &str) -> Value {
    json!({ "id": id, "type": "fail", "message": "on purpose" })
}

fn note(id: &str, value: &str) -> Value {
    json!({ "id": id, "type": "set", "vars": { id: value } })
}

each_driver! {
    async fn a_join_waits_for_all(scene: Scene) {
        let branches = json!([[put("a", "a")], [nap("nap", "1h"), put("b", "b")], [put("c", "c")]]);
        let run = scene.run("all", json!([fork(&branches, &json!("all")), put("d", "d")])).await;
        assert_eq!(scene.present(&["a", "b", "c", "d"]).await, ["a", "c"]);
        scene.pass(3_600).await;
        scene.output(&run).await;
        assert_eq!(scene.present(&["a", "b", "c", "d"]).await, ["a", "b", "c", "d"]);
    }

    async fn a_join_waits_for_any_and_stops_the_rest(scene: Scene) {
        let branches = json!([
            [nap("slow", "1d"), put("s", "s")], [nap("quick", "1m"), put("q", "q")],
        ]);
        let run = scene.run("any", json!([fork(&branches, &json!("any")), put("d", "d")])).await;
        scene.pass(60).await;
        scene.output(&run).await;
        scene.pass(2 * 86_400).await;
        assert_eq!(scene.present(&["s", "q", "d"]).await, ["q", "d"], "the slow one never came");
    }

    async fn a_join_waits_for_so_many(scene: Scene) {
        let branch = |n: u32| json!([nap(&format!("n{n}"), &format!("{n}m")),
            put(&format!("p{n}"), &format!("k{n}"))]);
        let branches = json!([branch(1), branch(2), branch(3), branch(4)]);
        let run = scene.run("two", json!([fork(&branches, &json!(2)), put("d", "d")])).await;
        scene.pass(60).await;
        assert_eq!(scene.present(&["k1", "d"]).await, ["k1"]);
        scene.pass(60).await;
        scene.output(&run).await;
        scene.pass(3_600).await;
        assert_eq!(scene.present(&["k1", "k2", "k3", "k4", "d"]).await, ["k1", "k2", "d"]);
    }

    async fn a_join_that_can_lose_some_loses_them(scene: Scene) {
        let branches = json!([[fail("x")], [note("y", "ok")], [nap("z", "1m"), note("w", "ok")]]);
        let run = scene.run("lossy", json!([fork(&branches, &json!(2))])).await;
        scene.pass(60).await;
        assert_eq!(scene.output(&run).await[0], Value::Null, "the branch that failed gives none");
    }

    async fn a_branch_that_fails_takes_the_others_with_it(scene: Scene) {
        let branches = json!([
            [put("a", "a"), nap("long", "1d"), put("b", "b")], [nap("short", "1m"), fail("no")],
        ]);
        let run = scene.run("doomed", json!([fork(&branches, &json!("all"))])).await;
        assert_eq!(scene.present(&["a"]).await, ["a"]);
        scene.pass(60).await;
        assert_eq!(scene.failure(&run).await, "failed");
        scene.pass(2 * 86_400).await;
        assert_eq!(scene.present(&["a", "b"]).await, [""; 0], "undone, and never done");
    }

    async fn forks_within_forks_join_inside_out(scene: Scene) {
        let inner = |id: &str| json!({ "id": id, "type": "parallel", "branches": [
            [post(&format!("{id}l"), &format!("{id} left"))],
            [post(&format!("{id}r"), &format!("{id} right"))],
        ] });
        let outer = json!({ "id": "outer", "type": "parallel",
            "branches": [[inner("a"), put("x", "x")], [inner("b"), put("y", "y")]] });
        let run = scene.run("nested", json!([outer, post("end", "end")])).await;
        scene.output(&run).await;
        let mut posted = scene.posted();
        assert_eq!(posted.pop().unwrap(), "end");
        posted.sort();
        assert_eq!(posted, ["a left", "a right", "b left", "b right"]);
        let names = scene.names(&run).await;
        let place = |id: &str| names.iter().position(|name| name == id).unwrap();
        assert!(place("x") > place("al") && place("x") > place("ar"));
        assert!(place("y") > place("bl") && place("y") > place("br"));
    }

    async fn a_way_is_chosen(scene: Scene) {
        let steps = json!([
            { "id": "which", "type": "branch", "condition": "1 > 2",
              "then": [put("a", "a")], "else": [put("b", "b")] },
            { "id": "one", "type": "switch", "cases": [
                { "when": "false", "steps": [put("c", "c")] },
                { "when": "steps.b.output.key == 'b'", "steps": [put("d", "d")] },
                { "when": "true", "steps": [put("e", "e")] },
            ], "default": [put("f", "f")] },
        ]);
        let run = scene.run("ways", steps).await;
        scene.output(&run).await;
        assert_eq!(scene.names(&run).await, ["b", "d"]);
    }
}
