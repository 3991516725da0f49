//! Answers to runs that ask people.

use connectus::auth::keys::{self, NewApiKey};
use connectus_core::access::Role;
use connectus_testkit::both;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{Answer, Call, Organisation, TestApp};

/// Starts a run that asks admins and one person; its address.
async fn asking(app: &TestApp, of: &Organisation) -> String {
    let steps = json!([{ "id": "ok", "type": "approval", "message": "Go on?",
        "approvers": ["admin", "Ada@example.com"] }]);
    let definition = json!({ "definition": { "version": 1, "name": "Ask", "steps": steps } });
    let made = Call::post("/api/v1/workflows").bearer(of.owner()).json(&definition);
    let made = app.send(made).await.expect(201).json();
    let execute = format!("/api/v1/workflows/{}/execute", made["id"].as_str().unwrap());
    let run = Call::post(&execute).bearer(of.owner()).json(&json!({}));
    let run = app.send(run).await.expect(202).json();
    app.app.engine.run_until_idle().await.unwrap();
    format!("/api/v1/runs/{}", run["id"].as_str().unwrap())
}

async fn answer(app: &TestApp, run: &str, key: &str, step: &str) -> Answer {
    let said = json!({ "step": step, "approved": true });
    app.send(Call::post(&format!("{run}/approvals")).bearer(key).json(&said)).await
}

async fn state(app: &TestApp, of: &Organisation, run: &str) -> Value {
    app.app.engine.run_until_idle().await.unwrap();
    app.send(Call::get(run).bearer(of.owner())).await.expect(200).json()
}

both! {
    async fn only_those_who_are_asked_answer(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let run = asking(&app, &ours).await;
        let refused = answer(&app, &run, ours.key(Role::Editor), "ok").await;
        let refused = refused.refused(403, "forbidden").json();
        assert_eq!(refused["approvers"], json!(["admin", "Ada@example.com"]));
        answer(&app, &run, ours.owner(), "other").await.refused(409, "conflict");
        assert_eq!(state(&app, &ours, &run).await["status"], "waiting");
        let ada = app.person(&ours, "ada@example.com", Role::Operator).await;
        let new = NewApiKey {
            name: "ada".into(), role: Role::Operator, user: Some(ada.id.clone()), expires_at: None,
        };
        let store = &app.db.store;
        let (_, key) = keys::create(store, ours.ctx.clone(), new).await.unwrap();
        answer(&app, &run, key.expose_secret(), "ok").await.expect(204);
        let done = state(&app, &ours, &run).await;
        assert_eq!(done["status"], "completed");
        assert_eq!(done["output"]["approved"], true);
        answer(&app, &run, ours.owner(), "ok").await.refused(409, "conflict");
    }

    async fn a_role_stands_for_those_above_it(db: TestStore) {
        let app = TestApp::start(db).await;
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let run = asking(&app, &ours).await;
        answer(&app, &run, theirs.owner(), "ok").await.refused(404, "not_found");
        answer(&app, &run, ours.owner(), "ok").await.expect(204);
        assert_eq!(state(&app, &ours, &run).await["status"], "completed");
    }
}
