//! A run that is told to stop undoes what it did, wherever it is.

use connectus_core::{Code, event::EventType, run::RunStatus};
use connectus_sandbox::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::{
    each_driver,
    support::{fakes::post, put},
};

const KEYS: [&str; 4] = ["k0", "k1", "k2", "k3"];

/// Steps that can be undone, with a pause after each.
fn paused() -> Value {
    let steps = (0..KEYS.len()).flat_map(|n| {
        [
            put(&format!("p{n}"), KEYS[n]),
            json!({ "id": format!("n{n}"), "type": "wait", "for": "1m" }),
        ]
    });
    json!(steps.collect::<Vec<_>>())
}

each_driver! {
    async fn before_its_first_step_there_is_nothing_to_undo(scene: Scene) {
        let run = scene.start(&scene.workflow("unborn", paused()).await, json!({})).await;
        scene.cancel(&run).await;
        assert_eq!(scene.status(&run).await, RunStatus::Cancelled);
        assert_eq!(scene.names(&run).await, [""; 0]);
    }

    async fn at_each_step_all_before_it_are_undone_in_reverse(scene: Scene) {
        let workflow = scene.workflow("undo", paused()).await;
        for done in 1..=KEYS.len() {
            let run = scene.start(&workflow, json!({})).await;
            scene.settle().await;
            for _ in 1..done {
                scene.pass(60).await;
            }
            assert_eq!(scene.present(&KEYS).await, KEYS[..done]);
            scene.cancel(&run).await;
            assert_eq!(scene.status(&run).await, RunStatus::Cancelled);
            assert_eq!(scene.present(&KEYS).await, [""; 0], "cancelled after {done}");
            let there = (0..done).map(|n| format!("p{n}"));
            let back = (0..done).rev().map(|n| format!("p{n}:undo"));
            assert_eq!(scene.names(&run).await, there.chain(back).collect::<Vec<_>>());
            assert_eq!(scene.told(&run, EventType::RunCancelled).await, 1);
        }
    }

    async fn what_has_ended_cannot_be_stopped(scene: Scene) {
        let run = scene.run("ended", json!([put("p", "p")])).await;
        let refused = scene.try_cancel(&run).await.unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        assert!(scene.record("p").await.is_some());
        let twice = scene.run("twice", paused()).await;
        scene.cancel(&twice).await;
        let refused = scene.try_cancel(&twice).await.unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
    }

    async fn between_two_attempts_nothing_is_tried_any_more(scene: Scene) {
        let mut step = post("tell", "hello");
        step["retry"] = json!({ "attempts": 5, "backoff": "1m", "jitter": 0.0 });
        scene.spoil(FaultKind::Status429 { retry_after: Some(60) }, 1);
        let run = scene.run("retrying", json!([put("p", "p"), step])).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.cancel(&run).await;
        assert_eq!(scene.status(&run).await, RunStatus::Cancelled);
        assert_eq!((scene.record("p").await, scene.posted()), (None, Vec::new()));
        scene.pass(3_600).await;
        assert_eq!(scene.calls(), 1);
    }

    async fn what_may_have_been_done_is_asked_for_once_more_and_undone(scene: Scene) {
        let mut step = post("tell", "hello");
        step["retry"] = json!({ "attempts": 5, "backoff": "1m", "jitter": 0.0 });
        step["compensate"] = json!({ "action": "slack.post_message",
            "input": { "channel": "general", "text": "sorry" } });
        // The message is there, and nobody knows.
        let lost = Fault::on("POST", "/api/chat.postMessage", FaultKind::Drop).after_effect();
        scene.slack.handle.fault(lost);
        let run = scene.run("unsure", json!([put("p", "p"), step])).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.cancel(&run).await;
        assert_eq!(scene.status(&run).await, RunStatus::Cancelled);
        assert_eq!(scene.posted(), ["hello", "sorry"]);
        assert_eq!((scene.calls(), scene.record("p").await), (3, None));
    }

    async fn side_by_side_every_branch_is_undone(scene: Scene) {
        let branch = |n: usize| json!([put(&format!("p{n}"), KEYS[n]),
            { "id": format!("n{n}"), "type": "wait", "for": "1d" }]);
        let fork = json!({ "id": "fork", "type": "parallel",
            "branches": [branch(0), branch(1), branch(2), branch(3)] });
        let run = scene.run("fork", json!([fork])).await;
        assert_eq!(scene.present(&KEYS).await, KEYS);
        scene.cancel(&run).await;
        assert_eq!(scene.status(&run).await, RunStatus::Cancelled);
        assert_eq!(scene.present(&KEYS).await, [""; 0]);
    }
}
