//! Attempts, their pauses and their end.

use connectus_core::run::RunStatus;
use connectus_sandbox::FaultKind;
use serde_json::{Value, json};

use crate::{
    each_driver,
    support::{fakes::post, put},
};

/// A post with retries that are spaced exactly.
fn patient(id: &str, attempts: u32, backoff: &str) -> Value {
    let mut step = post(id, "hello");
    step["retry"] = json!({ "attempts": attempts, "backoff": backoff, "jitter": 0.0 });
    step
}

each_driver! {
    async fn a_failing_call_is_tried_again_with_growing_pauses(scene: Scene) {
        scene.spoil(FaultKind::Status { status: 500 }, 3);
        let run = scene.run("retry", json!([patient("tell", 4, "10s")])).await;
        assert_eq!(run.status, RunStatus::Waiting);
        let step = scene.rows(&run).await.pop().unwrap();
        assert_eq!((step.status.as_str(), step.attempts), ("retrying", 1));
        assert_eq!(step.next_attempt_at, Some(scene.db.sim.env.now().plus_secs(10)));
        assert_eq!(step.finished_at, None);
        let mut calls = vec![];
        for _ in 0..14 {
            calls.push(scene.calls());
            scene.pass(5).await;
        }
        assert_eq!(calls, [1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]);
        scene.output(&run).await;
        assert_eq!(scene.rows(&run).await[0].attempts, 4);
        let mut conn = scene.parts.store.read().await.unwrap();
        assert_eq!(conn.step_attempts(&scene.ctx, &run.id).await.unwrap().len(), 4);
        assert_eq!(scene.slack.handle.effect_summary().distinct, 1, "under one key");
    }

    async fn the_provider_says_when_to_come_back(scene: Scene) {
        scene.spoil(FaultKind::Status429 { retry_after: Some(120) }, 1);
        let run = scene.run("slow down", json!([patient("tell", 2, "1s")])).await;
        scene.pass(119).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.pass(1).await;
        scene.output(&run).await;
    }

    async fn attempts_come_to_an_end_and_what_was_done_is_undone(scene: Scene) {
        scene.spoil(FaultKind::Drop, 3);
        let steps = json!([put("first", "f"), patient("tell", 3, "1s")]);
        let run = scene.run("hopeless", steps).await;
        for _ in 0..4 {
            scene.pass(2).await;
        }
        assert_eq!(scene.failure(&run).await, "provider_unavailable");
        assert_eq!((scene.calls(), scene.record("f").await), (3, None));
    }

    async fn what_is_wrong_for_good_is_not_tried_again(scene: Scene) {
        let mut step = patient("tell", 5, "1s");
        step["input"]["channel"] = json!("there-is-none");
        let run = scene.run("wrong", json!([step])).await;
        scene.failure(&run).await;
        assert_eq!(scene.calls(), 1);
    }

    async fn attempts_are_counted_over_a_restart(scene: Scene) {
        let mut scene = scene;
        scene.spoil(FaultKind::Status { status: 503 }, 5);
        let run = scene.run("counted", json!([patient("tell", 3, "1m")])).await;
        scene.restart().await;
        scene.pass(60).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.restart().await;
        scene.pass(119).await;
        assert_eq!(scene.calls(), 2, "not sooner than without the restart");
        scene.pass(1).await;
        scene.failure(&run).await;
        assert_eq!(scene.calls(), 3);
    }
}
