//! Runs that kill the processes that work on them.

use connectus_core::{event::EventType, run::RunStatus};
use serde_json::json;

use crate::{each_driver, support::put};

/// Deaths after which a run is set apart, as the guide says.
const DEATHS: u32 = 15;
/// Longer than a run rests after any of them.
const PAUSE: i64 = 600;

each_driver! {
    async fn a_run_that_kills_its_processes_is_set_apart_and_holds_up_nobody(scene: Scene) {
        let workflow = scene.workflow("poison", json!([put("a", "a")])).await;
        let poison = scene.start(&workflow, json!({})).await;
        for _ in 0..DEATHS {
            scene.driver.die().await;
            scene.db.sim.clock.advance_secs(PAUSE);
        }
        scene.settle().await;
        assert_eq!(scene.status(&poison).await, RunStatus::Quarantined);
        assert_eq!(scene.told(&poison, EventType::RunQuarantined).await, 1);
        assert_eq!(scene.present(&["a"]).await, [""; 0]);
        let calm = scene.run("calm", json!([put("b", "b")])).await;
        assert_eq!(calm.status, RunStatus::Completed);
        // Neither time nor a signal moves it: a person decides.
        scene.signal(&poison, "go", json!(1)).await.unwrap();
        scene.pass(30 * 86_400).await;
        assert_eq!(scene.status(&poison).await, RunStatus::Quarantined);
        scene.cancel(&poison).await;
        assert_eq!(scene.status(&poison).await, RunStatus::Cancelled);
        assert_eq!(scene.present(&["a"]).await, [""; 0]);
    }

    async fn one_that_was_unlucky_less_often_goes_on(scene: Scene) {
        let workflow = scene.workflow("unlucky", json!([put("a", "a")])).await;
        let unlucky = scene.start(&workflow, json!({})).await;
        for _ in 1..DEATHS {
            scene.driver.die().await;
            scene.db.sim.clock.advance_secs(PAUSE);
        }
        scene.settle().await;
        assert_eq!(scene.status(&unlucky).await, RunStatus::Completed);
        assert_eq!(scene.told(&unlucky, EventType::RunQuarantined).await, 0);
        assert_eq!(scene.present(&["a"]).await, ["a"]);
    }
}
