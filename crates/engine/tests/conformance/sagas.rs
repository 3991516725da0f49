//! A run that fails undoes what it did, wherever it fails.

use connectus_core::{event::EventType, run::RunStatus};
use connectus_sandbox::FaultKind;
use serde_json::{Value, json};

use crate::{
    each_driver,
    support::{fakes::post, put},
};

const KEYS: [&str; 4] = ["k0", "k1", "k2", "k3"];

each_driver! {
    async fn at_each_step_all_before_it_are_undone_in_reverse(scene: Scene) {
        for fails in 0..=KEYS.len() {
            let mut steps: Vec<Value> =
                (0..KEYS.len()).map(|n| put(&format!("p{n}"), KEYS[n])).collect();
            steps.insert(fails, json!({ "id": "no", "type": "fail", "message": "on purpose" }));
            let run = scene.run(&format!("at {fails}"), json!(steps)).await;
            assert_eq!(scene.failure(&run).await, "failed");
            assert_eq!(scene.present(&KEYS).await, [""; 0], "failed at {fails}");
            let there = (0..fails).map(|n| format!("p{n}"));
            let back = (0..fails).rev().map(|n| format!("p{n}:undo"));
            assert_eq!(scene.names(&run).await, there.chain(back).collect::<Vec<_>>());
            assert_eq!(scene.told(&run, EventType::RunFailed).await, 1);
        }
    }

    async fn a_failure_says_which_step_and_why(scene: Scene) {
        let hubspot = json!({ "id": "bad", "type": "action", "action": "hubspot.create_contact",
            "input": { "properties": { "email": "nobody@example.com" } } });
        let run = scene.run("fails", json!([put("good", "g"), hubspot])).await;
        assert_eq!(scene.failure(&run).await, "reauth_required");
        let run = scene.state(&run).await;
        assert!(run.error.unwrap().message.contains("hubspot"));
        assert_eq!(run.output.unwrap().here().unwrap()["failed_step"], "bad");
        assert_eq!(scene.record("g").await, None);
    }

    async fn a_route_for_errors_takes_the_place_of_the_step(scene: Scene) {
        let mut step = post("tell", "hello");
        step["retry"] = json!({ "attempts": 1 });
        step["on_error"] = json!([put("sorry", "sorry")]);
        scene.spoil(FaultKind::Status { status: 500 }, 1);
        let run = scene.run("routed", json!([put("p", "p"), step, put("q", "q")])).await;
        scene.output(&run).await;
        assert_eq!(scene.present(&["p", "sorry", "q"]).await, ["p", "sorry", "q"]);
    }

    async fn an_undoing_that_fails_does_not_keep_the_others_from_it(scene: Scene) {
        let mut stubborn = put("p1", "k1");
        stubborn["compensate"] = json!({ "action": "slack.post_message",
            "input": { "channel": "there-is-none", "text": "sorry" } });
        let no = json!({ "id": "no", "type": "fail", "message": "on purpose" });
        let steps = json!([put("p0", "k0"), stubborn, put("p2", "k2"), no]);
        let run = scene.run("stubborn", steps).await;
        scene.pass(24 * 3_600).await;
        let run = scene.state(&run).await;
        assert_eq!(run.status, RunStatus::Failed);
        assert_eq!(scene.present(&KEYS).await, ["k1"]);
        let told = run.output.unwrap().here().unwrap()["compensations"].to_string();
        assert!(told.contains("p1"), "people are told what was not undone: {told}");
    }

    async fn an_undoing_goes_on_after_a_restart(scene: Scene) {
        let mut scene = scene;
        let mut slow = put("p1", "k1");
        slow["compensate"] = json!({ "action": "slack.post_message",
            "input": { "channel": "general", "text": "taken back" } });
        scene.spoil(FaultKind::Status { status: 503 }, 1);
        let no = json!({ "id": "no", "type": "fail", "message": "on purpose" });
        let run = scene.run("halfway", json!([put("p0", "k0"), slow, no])).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.restart().await;
        scene.pass(3_600).await;
        assert_eq!(scene.failure(&run).await, "failed");
        assert_eq!(scene.present(&KEYS).await, ["k1"], "its own undoing is a message");
        assert_eq!(scene.posted(), ["taken back"]);
    }
}
