//! Running again, from a step, with another input, from the past.

use connectus_core::access::Role;
use connectus_testkit::both;
use serde_json::json;

use super::{World, execute, read, workflow};

both! {
    async fn a_run_is_repeated_in_part_and_everyone_can_see_it(db: TestStore) {
        let world = World::start(db).await;
        let keep = |id: &str| json!({"id": id, "type": "action", "action": "collection.upsert",
            "input": {"collection": "crm/people", "key": id,
                      "record": {"who": "{{ trigger.who }}"}}});
        let made = workflow(&world, "Two", json!([keep("one"), keep("two")])).await;
        let run = execute(&world, &made, json!({"who": "ada"})).await;
        let path = format!("/api/v1/runs/{run}");
        let step = json!({"from_step": "two"});
        world.owner().post(&format!("{path}/rerun"), &step).await.refused(409, "conflict");
        world.settle().await;

        let again = world.owner().post(&format!("{path}/rerun"), &step).await.expect(202);
        let location = again.header("location").to_owned();
        assert_eq!(again.json()["origin"], json!({"run": run, "position": 2, "step": "two"}));
        world.settle().await;
        let again = read(&world, &location).await;
        assert_eq!((&again["status"], &again["trigger"]), (&json!("completed"), &json!("rerun")));
        let steps: Vec<_> = again["steps"].as_array().unwrap().iter()
            .map(|step| (step["id"].clone(), step["reused"].clone())).collect();
        assert_eq!(steps, [(json!("one"), json!(true)), (json!("two"), json!(false))]);

        let input = json!({"input": {"who": "bob"}});
        let edited = world.owner().post(&format!("{path}/rerun"), &input).await.expect(202);
        world.settle().await;
        let edited = read(&world, edited.header("location")).await;
        assert_eq!(edited["output"]["record"]["who"], "bob");

        let fork = world.owner().post(&format!("{path}/fork"), &json!({"position": 1})).await;
        let fork = fork.expect(202).text_of("id");
        world.settle().await;
        let fork = read(&world, &format!("/api/v1/runs/{fork}")).await;
        assert_eq!((&fork["status"], &fork["trigger"]), (&json!("completed"), &json!("fork")));
        assert_eq!(read(&world, &path).await["origin"], json!(null));

        let audit = read(&world, &format!("/api/v1/audit?target={run}")).await;
        let acts: Vec<_> = audit["items"].as_array().unwrap().iter()
            .map(|row| row["action"].as_str().unwrap().to_owned()).collect();
        assert_eq!(acts, ["run.forked", "run.rerun", "run.rerun"]);
    }

    async fn what_cannot_be_repeated_is_refused_with_a_reason(db: TestStore) {
        let world = World::start(db).await;
        let steps = json!([{"id": "note", "type": "set", "vars": {"a": 1}}]);
        let made = workflow(&world, "Note", steps).await;
        let run = execute(&world, &made, json!({})).await;
        world.settle().await;
        let path = format!("/api/v1/runs/{run}/rerun");
        for (body, about) in [
            (json!({}), "from_step"),
            (json!({"from_step": "note"}), "nor any other that takes time"),
            (json!({"from_step": "note", "input": {}}), "cannot be given with `from_step`"),
            (json!({"from_step": "note", "definition": "current"}), "with an `input` only"),
            (json!({"input": {}, "definition": "newest"}), "definition"),
        ] {
            let answer = world.owner().post(&path, &body).await.refused(422, "invalid");
            assert!(answer.text.contains(about), "{body}: {}", answer.text);
        }
        let fork = format!("/api/v1/runs/{run}/fork");
        world.owner().post(&fork, &json!({"position": 1})).await.refused(409, "conflict");
        world.owner().post(&fork, &json!({"position": 2})).await.refused(422, "invalid");
        world.owner().post(&fork, &json!({"position": -1})).await.refused(422, "invalid");
        let viewer = world.as_role(Role::Viewer);
        viewer.post(&fork, &json!({"position": 0})).await.refused(403, "forbidden");
        world.owner().delete(&format!("/api/v1/workflows/{made}")).await;
        let current = json!({"input": {}, "definition": "current"});
        let answer = world.owner().post(&path, &current).await.refused(409, "conflict");
        assert!(answer.text.contains("was deleted"), "{}", answer.text);
        world.owner().post(&path, &json!({"input": {}})).await.expect(202);
    }
}
