//! The journal of a run, and the run as it was at each position of it.

use connectus_testkit::both;
use serde_json::{Value, json};

use super::{World, execute, read, workflow};

both! {
    async fn every_position_of_the_past_can_be_looked_at(db: TestStore) {
        let world = World::start(db).await;
        let steps = json!([
            {"id": "keep", "type": "action", "action": "collection.upsert",
             "input": {"collection": "crm/people", "key": "ada", "record": {"n": 1}},
             "compensate": {"action": "collection.delete",
                            "input": {"collection": "crm/people", "key": "ada"}}},
            {"id": "note", "type": "set", "vars": {"kept": "{{ steps.keep.output.key }}"}},
            {"id": "ask", "type": "wait", "signal": "answer", "deadline": "1d"},
        ]);
        let made = workflow(&world, "Ask", steps).await;
        let run = execute(&world, &made, json!({"who": "ada"})).await;
        world.settle().await;
        let path = format!("/api/v1/runs/{run}");
        let signal = json!({"name": "answer", "value": {"n": 2}});
        world.owner().post(&format!("{path}/signal"), &signal).await.expect(204);
        world.settle().await;

        let journal = read(&world, &format!("{path}/journal")).await;
        let told: Vec<&str> = journal["items"].as_array().unwrap().iter()
            .map(|entry| entry["summary"].as_str().unwrap()).collect();
        assert_eq!(told, ["The run began.", "Step `keep` was done.", "Signal `answer` came."]);
        assert_eq!(journal["total_count"], 3);
        let page = read(&world, &format!("{path}/journal?limit=1&offset=1")).await;
        assert_eq!(page["items"][0]["position"], 2);
        assert_eq!(page["items"][0]["about"], "keep");
        assert_eq!(page["items"][0]["event"]["type"], "done");

        let at = async |position: usize| read(&world, &format!("{path}/state?at={position}")).await;
        let before = at(0).await;
        assert_eq!((&before["phase"], &before["entry"]), (&json!("new"), &Value::Null));
        assert_eq!(before["input"], json!({"who": "ada"}));
        let begun = at(1).await;
        assert_eq!(begun["pending"], json!([
            {"step": "keep", "waits_for": "answer", "signal": null},
        ]));
        assert_eq!(begun["commands"][0]["step"]["id"], "keep");
        let waiting = at(2).await;
        assert_eq!(waiting["phase"], "running");
        assert_eq!(waiting["vars"], json!({"kept": "ada"}));
        assert_eq!(waiting["steps"]["keep"]["status"], "completed");
        assert_eq!(waiting["undo"], json!(["keep"]));
        assert_eq!(waiting["pending"], json!([
            {"step": "ask", "waits_for": "signal", "signal": "answer"},
        ]));
        let last = read(&world, &format!("{path}/state")).await;
        assert_eq!(last, at(3).await);
        assert_eq!((&last["phase"], &last["journal_length"]), (&json!("over"), &json!(3)));
        world.owner().get(&format!("{path}/state?at=4")).await.refused(422, "invalid");
        world.owner().get(&format!("{path}/state?at=-1")).await.refused(400, "bad_request");
    }

    async fn what_has_no_journal_says_so(db: TestStore) {
        let world = World::start(db).await;
        let flow = json!({
            "integration": world.hubspot().await["id"], "name": "Contacts", "direction": "inbound",
            "source_fields": ["email"], "target_fields": ["email"],
        });
        let flow = world.owner().post("/api/v1/data-flows", &flow).await.expect(201).text_of("id");
        let path = format!("/api/v1/data-flows/{flow}/sync");
        let run = world.owner().poke(&path).await.expect(202).text_of("id");
        for part in ["journal", "state"] {
            let path = format!("/api/v1/runs/{run}/{part}");
            let answer = world.owner().get(&path).await.refused(409, "conflict");
            assert!(answer.text.contains("a sync keeps its cursor"), "{}", answer.text);
        }
    }
}
