//! Executing workflows, now and later.

use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Call, TestApp};

both! {
    async fn a_run_can_be_put_off(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let send = async |call: Call| app.send(call.bearer(ours.owner())).await;
        let definition = json!({
            "version": 1, "name": "Later", "priority": 5, "concurrency": {"limit": 3},
            "steps": [{"id": "note", "type": "set", "vars": {"a": 1}}],
        });
        let new = Call::post("/api/v1/workflows").json(&json!({"definition": definition}));
        let id = send(new).await.expect(201).text_of("id");
        let execute = format!("/api/v1/workflows/{id}/execute");
        let start = async |body: Value| send(Call::post(&execute).json(&body)).await;
        let later = start(json!({"delay": "15m"})).await.expect(202);
        assert_eq!(later.text_of("status"), "waiting");
        let at = app.db.sim.env.now().plus_secs(600);
        let sooner = start(json!({"start_at": at.to_string()})).await.expect(202);
        let past = start(json!({"start_at": "2001-01-01T00:00:00Z"})).await.expect(202);
        assert_eq!(past.text_of("status"), "queued");
        let status = async |run: String| {
            app.app.engine.run_until_idle().await.unwrap();
            let run = send(Call::get(&format!("/api/v1/runs/{run}"))).await.expect(200).json();
            run["status"].as_str().unwrap().to_owned()
        };
        assert_eq!(status(past.text_of("id")).await, "completed");
        assert_eq!(status(sooner.text_of("id")).await, "waiting");
        app.db.sim.clock.advance_secs(601);
        assert_eq!(status(sooner.text_of("id")).await, "completed");
        assert_eq!(status(later.text_of("id")).await, "waiting");
        app.db.sim.clock.advance_secs(300);
        assert_eq!(status(later.text_of("id")).await, "completed");
        for body in [
            json!({"delay": "15m", "start_at": at.to_string()}),
            json!({"delay": "soon"}),
            json!({"start_at": "9999-01-01T00:00:00Z"}),
        ] {
            start(body).await.expect(422);
        }
    }
}
