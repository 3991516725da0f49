//! Values of runs that are too large to be shown with the run.

use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Call, TestApp};

/// More than a row holds.
const LARGE: usize = 200_000;

both! {
    async fn a_large_value_is_shown_as_its_size_and_got_whole(db: TestStore) {
        let app = TestApp::start(db).await;
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let send = async |call: Call| app.send(call.bearer(ours.owner())).await;
        let definition = json!({"version": 1, "name": "Copy", "steps": [
            {"id": "copy", "type": "action", "action": "transform",
             "input": {"text": "{{ trigger.text }}"}},
            {"id": "end", "type": "stop", "output": "{{ steps.copy.output.text }}"},
        ]});
        let new = Call::post("/api/v1/workflows").json(&json!({"definition": definition}));
        let workflow = send(new).await.expect(201).text_of("id");
        let input = json!({"text": "é".repeat(LARGE / 2)});
        let start = Call::post(&format!("/api/v1/workflows/{workflow}/execute"))
            .json(&json!({"input": input}));
        let id = send(start).await.expect(202).text_of("id");
        app.app.engine.run_until_idle().await.unwrap();

        let answer = send(Call::get(&format!("/api/v1/runs/{id}"))).await;
        let run = answer.expect(200).json();
        assert!(run.to_string().len() < 10_000, "the run is shown without its large values");
        assert_eq!(run["status"], "completed", "{run}");
        assert_eq!(run["input"]["parked"]["bytes"], input.to_string().len());
        for (shown, expected) in [
            (&run["input"], &input),
            (&run["steps"][0]["input"], &input),
            (&run["steps"][0]["output"], &input),
            (&run["output"], &input["text"]),
        ] {
            let href = shown["parked"]["href"].as_str().unwrap_or_else(|| panic!("{shown}"));
            let whole: Value = send(Call::get(href)).await.expect(200).json();
            assert!(whole == *expected, "{href}");
        }
        let href = run["input"]["parked"]["href"].as_str().unwrap();
        let foreign = app.send(Call::get(href).bearer(theirs.owner())).await;
        foreign.refused(404, "not_found");
        app.send(Call::get(href)).await.refused(401, "unauthenticated");
        for blob in ["x", "..%2f..%2fconnectus.db", "2026-01-05.00"] {
            let path = format!("/api/v1/runs/{id}/payloads/{blob}");
            send(Call::get(&path)).await.refused(404, "not_found");
        }
        // Of our own, but of another run.
        let start = Call::post(&format!("/api/v1/workflows/{workflow}/execute"))
            .json(&json!({"input": {"text": ""}}));
        let other = send(start).await.expect(202).text_of("id");
        send(Call::get(&href.replace(&id, &other))).await.refused(404, "not_found");

        let journal = send(Call::get(&format!("/api/v1/runs/{id}/journal"))).await;
        let journal = journal.expect(200).json();
        assert!(journal.to_string().len() < 10_000, "so is its journal");
        let state = send(Call::get(&format!("/api/v1/runs/{id}/state"))).await.expect(200).json();
        assert!(state["steps"]["copy"]["output"]["text"] == input["text"], "a state is whole");
    }

    async fn one_who_waits_for_a_run_gets_all_that_it_made(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let definition = json!({"version": 1, "name": "Echo", "steps": [
            {"id": "end", "type": "stop", "output": "{{ trigger.text }}"},
        ]});
        let new = Call::post("/api/v1/workflows").json(&json!({"definition": definition}));
        let workflow = app.send(new.bearer(ours.owner())).await.expect(201).text_of("id");
        let input = json!({"text": "x".repeat(LARGE)});
        let path = format!("/api/v1/workflows/{workflow}/execute");
        let start = Call::post(&path).json(&json!({"input": input})).header("prefer", "wait=20");
        let waits = app.send(start.bearer(ours.owner()));
        let works = async {
            // It may not be there yet.
            loop {
                app.app.engine.run_until_idle().await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let answer = tokio::select! {
            answer = waits => answer,
            () = works => unreachable!("it never ends"),
        };
        assert!(answer.expect(200).json()["output"] == input["text"]);
    }
}
