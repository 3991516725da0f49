//! Waiting for a time.

use connectus_core::run::RunStatus;
use serde_json::{Value, json};

use crate::{each_driver, support::put};

fn nap(id: &str, time: &str) -> Value {
    json!({ "id": id, "type": "wait", "for": time })
}

each_driver! {
    async fn a_timer_outlives_the_process(scene: Scene) {
        let mut scene = scene;
        let steps = json!([put("before", "b"), nap("nap", "2h"), put("after", "a")]);
        let run = scene.run("nap", steps).await;
        assert_eq!(run.status, RunStatus::Waiting);
        scene.restart().await;
        scene.settle().await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting, "not due yet");
        scene.pass(2 * 3_600 - 1).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.pass(1).await;
        scene.output(&run).await;
        assert_eq!(scene.names(&run).await, ["before", "after"], "the first was not repeated");
    }

    async fn a_run_waits_until_a_time(scene: Scene) {
        let at = scene.db.sim.env.now().plus_secs(90);
        let wait = json!({ "id": "until", "type": "wait", "until": at.to_string() });
        let run = scene.run("until", json!([wait, put("after", "a")])).await;
        scene.pass(89).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.pass(1).await;
        scene.output(&run).await;
        let past = json!({ "id": "until", "type": "wait", "until": at.to_string() });
        let run = scene.run("past", json!([past, put("late", "l")])).await;
        scene.output(&run).await;
    }

    async fn timers_side_by_side_come_in_the_order_of_their_times(scene: Scene) {
        let branches: Vec<_> = [30, 10, 20].into_iter().map(|secs| json!([
            nap(&format!("n{secs}"), &format!("{secs}s")),
            put(&format!("p{secs}"), &format!("k{secs}")),
        ])).collect();
        let run = scene.run("race", json!([
            { "id": "fork", "type": "parallel", "branches": branches },
        ])).await;
        // All at once, as after a night in which nothing ran.
        scene.pass(3_600).await;
        scene.output(&run).await;
        assert_eq!(scene.names(&run).await, ["p10", "p20", "p30"]);
    }

    async fn a_clock_set_back_delays_and_repeats_nothing(scene: Scene) {
        let steps = json!([put("before", "b"), nap("nap", "1h"), put("after", "a")]);
        let run = scene.run("set back", steps).await;
        scene.pass(-2 * 3_600).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.pass(3 * 3_600).await;
        scene.output(&run).await;
        assert_eq!(scene.names(&run).await, ["before", "after"]);
    }
}
