//! What steps do besides calling providers.

use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::{
    receiver::{Answer, Server},
    support::{Call, Organisation, TestApp},
};

struct Office {
    app: TestApp,
    ours: Organisation,
    service: Server,
}

impl Office {
    async fn open(db: TestStore, statuses: &'static [u16]) -> Self {
        let answer = move |n: usize, _: &_| {
            Answer::status(*statuses.get(n).unwrap_or(&200), r#"{"rate": 1.5}"#)
        };
        let service = Server::start(answer).await;
        let address = service.addr.to_string();
        let app = TestApp::with(db, |all| all.egress.allow.push(address.parse().unwrap())).await;
        let ours = app.organisation("Ours").await;
        Self { app, ours, service }
    }

    async fn send(&self, call: Call) -> crate::support::Answer {
        self.app.send(call.bearer(self.ours.owner())).await
    }

    /// Runs steps to their end and shows the run.
    async fn run(&self, steps: Value) -> Value {
        let definition = json!({"version": 1, "name": "Steps", "steps": steps});
        let new = Call::post("/api/v1/workflows").json(&json!({"definition": definition}));
        let id = self.send(new).await.expect(201).text_of("id");
        let start = Call::post(&format!("/api/v1/workflows/{id}/execute")).json(&json!({}));
        let run = self.send(start).await.expect(202).text_of("id");
        for _ in 0..6 {
            self.app.app.engine.run_until_idle().await.unwrap();
            self.app.db.sim.clock.advance_secs(3_600);
        }
        self.send(Call::get(&format!("/api/v1/runs/{run}"))).await.expect(200).json()
    }

    fn request(&self, method: &str, more: &Value) -> Value {
        let mut input = json!({"url": self.service.url() + "/rates", "method": method});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        json!({"id": "ask", "type": "action", "action": "http.request", "input": input})
    }
}

both! {
    async fn a_request_gives_status_headers_and_body(db: TestStore) {
        let office = Office::open(db, &[]).await;
        let ask = office.request("POST", &json!({"json": {"a": 1}, "headers": {"x-own": "yes"}}));
        let run = office.run(json!([ask])).await;
        assert_eq!(run["status"], "completed", "{run}");
        assert_eq!(run["output"]["status"], 200);
        assert_eq!(run["output"]["body"], json!({"rate": 1.5}));
        let sent = &office.service.requests()[0];
        assert_eq!(sent.body, r#"{"a":1}"#);
        assert_eq!(sent.header("x-own"), Some("yes"));
        assert!(sent.header("idempotency-key").unwrap().ends_with("/ask"));
    }

    async fn what_may_have_been_done_is_not_done_again_unless_that_is_harmless(db: TestStore) {
        let office = Office::open(db, &[500, 500, 200, 429, 200, 500, 500, 200]).await;
        let run = office.run(json!([office.request("POST", &json!({}))])).await;
        assert_eq!(run["error"]["code"], "outcome_unknown", "{run}");
        assert_eq!(office.service.requests().len(), 1);
        let idempotent = office.request("POST", &json!({"idempotent": true}));
        let run = office.run(json!([idempotent])).await;
        assert_eq!(run["status"], "completed", "{run}");
        assert_eq!(office.service.requests().len(), 3);
        // A refusal for now is none for ever, and nothing was done.
        let run = office.run(json!([office.request("POST", &json!({}))])).await;
        assert_eq!(run["status"], "completed", "{run}");
        let run = office.run(json!([office.request("GET", &json!({}))])).await;
        assert_eq!(run["status"], "completed", "{run}");
        assert_eq!(office.service.requests().len(), 8);
    }

    async fn a_failure_is_mended_and_an_expected_status_is_none(db: TestStore) {
        let office = Office::open(db, &[404, 404]).await;
        let expected = office.request("GET", &json!({"expect": [404]}));
        assert_eq!(office.run(json!([expected])).await["output"]["status"], 404);
        let mut ask = office.request("GET", &json!({}));
        ask["on_error"] = json!([{
            "id": "mend", "type": "action", "action": "transform",
            "input": {"why": "{{ steps.ask.error.code }}"},
        }]);
        let run = office.run(json!([ask])).await;
        assert_eq!(run["output"], json!({"why": "provider_refused"}), "{run}");
        let outside = json!([{
            "id": "x", "type": "action", "action": "http.request",
            "input": {"url": "http://169.254.169.254/latest/meta-data"},
        }]);
        assert_eq!(office.run(outside).await["error"]["code"], "egress_denied");
    }

    async fn records_are_searched_and_subscribers_are_told(db: TestStore) {
        let office = Office::open(db, &[]).await;
        let hooks = json!({
            "url": office.service.url() + "/hooks", "events": ["workflow.notified"],
        });
        let subscribe = Call::post("/api/v1/webhook-subscriptions").json(&hooks);
        office.send(subscribe).await.expect(201);
        let put = |key: &str, open: bool| json!({
            "id": format!("put_{key}"), "type": "action", "action": "collection.upsert",
            "input": {"collection": "tickets", "key": key, "record": {"open": open, "at": key}},
        });
        let run = office.run(json!([
            put("a", true), put("b", false), put("c", true),
            {"id": "open", "type": "action", "action": "collection.search", "input": {
                "collection": "tickets", "filter": {"open": {"eq": true}}, "sort": "-at",
            }},
            {"id": "tell", "type": "action", "action": "notify.webhook", "input": {
                "name": "counted", "data": {"n": "{{ steps.open.output.total_count }}"},
            }},
            {"id": "end", "type": "stop", "output": "{{ steps.open.output.records }}"},
        ])).await;
        assert_eq!(run["status"], "completed", "{run}");
        let keys: Vec<&Value> =
            run["output"].as_array().unwrap().iter().map(|record| &record["key"]).collect();
        assert_eq!(keys, ["c", "a"]);
        office.app.app.engine.deliver_until_idle().await.unwrap();
        let told: Value = serde_json::from_str(&office.service.requests()[0].body).unwrap();
        assert_eq!(told["data"]["data"], json!({"n": 2}), "{told}");
    }
}
