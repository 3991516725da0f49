//! Rules of notifications over the API.

use connectus_core::access::Role;
use connectus_testkit::both;
use serde_json::json;

use crate::support::{Call, TestApp};

const RULES: &str = "/api/v1/notification-rules";

both! {
    async fn a_rule_is_made_changed_tried_out_and_deleted(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let theirs = app.organisation("Theirs").await;
        let body = json!({"name": "On call", "channel": {"type": "webhook"}});
        let made = app.send(Call::post(RULES).bearer(ours.owner()).json(&body)).await.expect(201);
        let rule = made.json();
        assert_eq!((&rule["severity"], &rule["events"]), (&json!("error"), &json!(["*"])));
        assert_eq!((&rule["throttle_secs"], &rule["enabled"]), (&json!(300), &json!(true)));
        let path = format!("{RULES}/{}", made.text_of("id"));
        assert_eq!(made.header("location"), path);

        app.send(Call::get(&path).bearer(theirs.owner())).await.refused(404, "not_found");
        let slack = json!({"channel": {"type": "slack", "channel": "#ops"}, "severity": "warning"});
        let change = || Call::patch(&path).bearer(ours.owner()).json(&slack);
        app.send(change().header("if-match", "\"9\"")).await.refused(412, "precondition_failed");
        let changed = app.send(change().header("if-match", "\"1\"")).await.expect(200);
        assert_eq!(changed.json()["channel"], json!({"type": "slack", "channel": "#ops"}));
        // There is no Slack to try it with.
        let test = format!("{path}/test");
        app.send(Call::post(&test).bearer(ours.key(Role::Operator))).await
            .refused(409, "reauth_required");
        let back = json!({"channel": {"type": "webhook"}});
        app.send(Call::patch(&path).bearer(ours.owner()).json(&back)).await.expect(200);
        app.send(Call::post(&test).bearer(ours.key(Role::Operator))).await.expect(204);
        let log = app.send(Call::get("/api/v1/events/log?types=notification.raised&limit=200")
            .bearer(ours.owner())).await.expect(200);
        assert_eq!(log.json()["items"].as_array().unwrap().len(), 1);
        let list = app.send(Call::get(RULES).bearer(ours.key(Role::Operator))).await.expect(200);
        assert_eq!(list.json()["total_count"], 1);
        app.send(Call::delete(&path).bearer(ours.owner())).await.expect(204);
        app.send(Call::get(&path).bearer(ours.owner())).await.refused(404, "not_found");
    }

    async fn rules_that_make_no_sense_are_refused(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let rule = |members: serde_json::Value| {
            let mut rule = json!({"name": "x", "channel": {"type": "webhook"}});
            rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            rule
        };
        for members in [
            json!({"name": ""}),
            json!({"events": ["flwo.*"]}),
            json!({"severity": "fatal"}),
            json!({"throttle_secs": 86_401}),
            json!({"channel": {"type": "pigeon"}}),
            json!({"channel": {"type": "email"}}),
            json!({"channel": {"type": "email", "to": ["Ann <ann@example.org>"]}}),
            json!({"channel": {"type": "webhook", "to": ["ann@example.org"]}}),
            json!({"channel": {"type": "slack"}}),
        ] {
            let call = Call::post(RULES).bearer(ours.owner()).json(&rule(members.clone()));
            let answer = app.send(call).await;
            assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"), "{members}");
        }
        let email = rule(json!({"channel": {"type": "email", "to": ["ann@example.org"]}}));
        let call = Call::post(RULES).bearer(ours.owner()).json(&email);
        let refused = app.send(call).await.refused(409, "conflict");
        assert!(refused.text_of("detail").contains("SMTP_URL"));
    }
}
