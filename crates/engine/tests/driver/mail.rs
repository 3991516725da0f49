//! What comes in for runs under way, from this process and from others.

use std::time::Duration;

use connectus_core::{Code, run::RunStatus};
use connectus_engine::Engine;
use connectus_sandbox::{Fault, FaultKind, Running};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::support::{Rig, fakes, on_store, put, until};

/// Longer than any test is willing to wait.
const SLOW: FaultKind = FaultKind::Delay { millis: 60_000 };

async fn rig_with_slack(db: &TestStore) -> (Rig, Running) {
    let ctx = db.tenant("Digi Sol").await.unwrap();
    let fake = fakes::start(db).await;
    let rig = Rig::reaching(db, ctx, &[&fakes::address(&fake)]);
    fakes::connect(&rig.parts, &rig.ctx, &fake).await;
    (rig, fake)
}

both! {
    async fn a_slow_call_does_not_keep_a_child_from_being_heard(db: TestStore) {
        let (rig, fake) = rig_with_slack(&db).await;
        rig.start("child", json!([put("inner", "i")]), json!({})).await;
        rig.settle().await;
        fake.handle.fault(Fault::on("POST", "/api/chat.postMessage", SLOW));
        let call = json!({ "id": "call", "type": "workflow", "workflow": "child", "input": {} });
        let steps = json!([{ "id": "both", "type": "parallel", "branches": [
            [fakes::post("slow", "zzz")], [call, put("after", "heard")],
        ] }]);
        let run = rig.start("parent", steps, json!({})).await;
        rig.engine.start().await.unwrap();
        until("the child's answer", async || rig.record("heard").await.unwrap().is_some()).await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Running, "the slow call goes on");
        rig.engine.cancel(&rig.ctx, &run.id).await.unwrap();
        until("the end", async || rig.state(&run.id).await.status.is_final()).await;
        assert!(rig.record("heard").await.unwrap().is_none(), "undone");
        rig.engine.drain(Duration::from_secs(5)).await;
    }

    async fn a_wish_to_stop_reaches_a_slow_call_from_another_process(db: TestStore) {
        let (rig, fake) = rig_with_slack(&db).await;
        fake.handle.fault(Fault::on("POST", "/api/chat.postMessage", SLOW));
        let steps = json!([put("before", "b"), fakes::post("slow", "zzz"), put("never", "n")]);
        let run = rig.start("slow", steps, json!({})).await;
        rig.engine.start().await.unwrap();
        until("the call", async || {
            !fake.handle.calls_by_path().is_empty() || rig.steps(&run.id).await.len() == 2
        })
        .await;
        let api = Engine::new(on_store(db.another_process().await.unwrap(), &[]));
        api.cancel(&rig.ctx, &run.id).await.unwrap();
        until("the end", async || rig.state(&run.id).await.status.is_final()).await;
        let ended = rig.state(&run.id).await;
        assert_eq!(ended.status, RunStatus::Cancelled);
        assert!(
            rig.record("b").await.unwrap().is_none() && rig.record("n").await.unwrap().is_none()
        );
        let key = format!("{}/{}/slow", run.tenant, run.id);
        let effect = rig.parts.store.read().await.unwrap().effect(&rig.ctx, &key).await.unwrap();
        assert_eq!(effect.unwrap().state, "unknown", "nobody heard what became of it");
        rig.engine.drain(Duration::from_secs(5)).await;
    }

    async fn a_workflow_that_runs_itself_ends_somewhere(db: TestStore) {
        let rig = Rig::new(&db).await;
        let call = json!([{ "id": "call", "type": "workflow", "workflow": "self", "input": {} }]);
        let run = rig.start("self", call, json!({})).await;
        rig.settle().await;
        let run = rig.state(&run.id).await;
        assert_eq!(run.status, RunStatus::Failed);
        assert!(run.error.unwrap().message.contains("16 deep"));
    }

    async fn an_ended_run_takes_no_signals_and_keeps_none(db: TestStore) {
        let rig = Rig::new(&db).await;
        let run = rig.start("short", json!([put("a", "a")]), json!({})).await;
        rig.engine.signal(&rig.ctx, &run.id, "unheard", json!(1)).await.unwrap();
        rig.settle().await;
        let refused = rig.engine.signal(&rig.ctx, &run.id, "late", json!(2)).await.unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        let mut conn = rig.parts.store.read().await.unwrap();
        assert_eq!(conn.count_signals(&rig.ctx, &run.id).await.unwrap(), 0);
    }

    /// A signal must find the run resting or be read before it rests, whichever comes first.
    async fn a_signal_is_not_lost_to_a_run_that_goes_to_rest(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.engine.start().await.unwrap();
        let steps = json!([put("a", "a"), { "id": "ask", "type": "wait", "signal": "go" }]);
        for round in 0..30 {
            let run = rig.start(&format!("race {round}"), steps.clone(), json!({})).await;
            until("it begins", async || rig.state(&run.id).await.started_at.is_some()).await;
            // Each round signals later in the run's way to its rest, by one look at the database.
            for _ in 0..round {
                rig.state(&run.id).await;
            }
            rig.engine.signal(&rig.ctx, &run.id, "go", Value::Null).await.unwrap();
            until("the signal", async || rig.state(&run.id).await.status.is_final()).await;
        }
        rig.engine.drain(Duration::from_secs(5)).await;
    }
}
