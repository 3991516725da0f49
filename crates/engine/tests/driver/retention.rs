//! What is forgotten, and what is not.

use connectus_core::{Code, EndpointId, run::RunStatus};
use connectus_engine::retention::{Forgotten, Retention, sweep};
use connectus_testkit::both;
use serde_json::json;

use crate::support::{Rig, put};

const DAY_SECS: i64 = 24 * 3_600;

both! {
    async fn runs_that_ended_long_ago_are_forgotten_with_all_that_belongs_to_them(db: TestStore) {
        let rig = Rig::new(&db).await;
        let old = rig.start("old", json!([put("keep", "k")]), json!({})).await;
        let ask = json!([{ "id": "ask", "type": "wait", "signal": "answer" }]);
        let open = rig.start("open", ask, json!({})).await;
        rig.settle().await;
        db.sim.clock.advance_secs(89 * DAY_SECS);
        let young = rig.start("young", json!([put("keep", "k")]), json!({})).await;
        rig.settle().await;
        let keep = Retention { run_days: 90, event_days: 0 };
        assert_eq!(sweep(&rig.parts.store, keep).await.unwrap(), Forgotten::default());
        db.sim.clock.advance_secs(2 * DAY_SECS);
        let all = Retention { run_days: 0, event_days: 0 };
        let for_ever = sweep(&rig.parts.store, all).await.unwrap();
        assert_eq!(for_ever.runs, 0);
        assert_eq!(sweep(&rig.parts.store, keep).await.unwrap().runs, 1);
        assert_eq!(rig.engine.state(&rig.ctx, &old.id).await.unwrap_err().code, Code::NotFound);
        assert!(rig.steps(&old.id).await.is_empty());
        let mut conn = rig.parts.store.read().await.unwrap();
        assert!(conn.journal(&rig.ctx, &old.id).await.unwrap().is_empty());
        drop(conn);
        assert_eq!(rig.state(&young.id).await.status, RunStatus::Completed);
        rig.engine.signal(&rig.ctx, &open.id, "answer", json!(1)).await.unwrap();
        rig.settle().await;
        assert_eq!(rig.state(&open.id).await.status, RunStatus::Completed);
    }

    async fn a_webhook_is_known_again_for_thirty_days(db: TestStore) {
        let rig = Rig::new(&db).await;
        let keep = Retention { run_days: 0, event_days: 0 };
        let endpoint: EndpointId = db.sim.env.id();
        let take = || {
            let (ctx, endpoint) = (rig.ctx.clone(), endpoint.clone());
            rig.parts.store.write(move |tx| {
                Box::pin(async move { Ok(tx.take_receipt(&ctx, &endpoint, "event").await?) })
            })
        };
        assert!(take().await.unwrap());
        db.sim.clock.advance_secs(30 * DAY_SECS);
        assert_eq!(sweep(&rig.parts.store, keep).await.unwrap(), Forgotten::default());
        assert!(!take().await.unwrap(), "a replay");
        db.sim.clock.advance_secs(1);
        assert_eq!(sweep(&rig.parts.store, keep).await.unwrap().receipts, 1);
        assert!(take().await.unwrap());
    }
}
