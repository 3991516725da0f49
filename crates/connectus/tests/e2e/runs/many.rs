//! Runs side by side, and many at once.

use connectus_core::access::Role;
use connectus_testkit::both;
use serde_json::{Value, json};

use super::{World, execute, read, workflow};

both! {
    async fn two_runs_are_compared_step_by_step(db: TestStore) {
        let world = World::start(db).await;
        let keep = |id: &str, of: &str| json!({"id": id, "type": "action",
            "action": "collection.upsert",
            "input": {"collection": "crm/people", "key": id, "record": {"of": of}}});
        let more = json!({"id": "more", "type": "branch",
            "condition": "trigger.n > 1", "then": [keep("extra", "x")]});
        let steps = json!([keep("same", "all"), keep("own", "{{ trigger.n }}"), more]);
        let made = workflow(&world, "Compared", steps).await;
        let one = execute(&world, &made, json!({"n": 1})).await;
        world.settle().await;
        let two = execute(&world, &made, json!({"n": 2})).await;
        world.settle().await;
        let found = read(&world, &format!("/api/v1/runs/{one}/compare/{two}")).await;
        assert_eq!((&found["left"]["id"], &found["right"]["id"]), (&json!(one), &json!(two)));
        assert_eq!(found["input"], json!([{"path": "/n", "left": 1, "right": 2}]));
        assert_eq!((&found["same_definition"], &found["is_whole"]), (&json!(true), &json!(true)));
        let steps = found["steps"].as_array().unwrap();
        let ids: Vec<&Value> = steps.iter().map(|step| &step["id"]).collect();
        assert_eq!(ids, ["same", "own", "extra"]);
        assert_eq!(steps[0]["input"], json!([]));
        let change = json!([{"path": "/change", "left": "created", "right": "unchanged"}]);
        assert_eq!(steps[0]["output"], change, "given the same, it found another record");
        assert_eq!(steps[1]["input"], json!([{"path": "/record/of", "left": 1, "right": 2}]));
        assert_eq!((&steps[2]["left"], &steps[2]["input"]), (&Value::Null, &json!([])));
        let same = read(&world, &format!("/api/v1/runs/{two}/compare/{two}")).await;
        assert_eq!((&same["steps"], &same["input"], &same["output"]),
            (&json!([]), &json!([]), &json!([])));
        assert_eq!(same["same_steps"], 3);
        let unknown = format!("/api/v1/runs/{one}/compare/run_nothing");
        world.owner().get(&unknown).await.refused(404, "not_found");
    }

    async fn many_runs_are_stopped_and_repeated_by_a_filter(db: TestStore) {
        let world = World::start(db).await;
        let nap = json!([{"id": "nap", "type": "wait", "for": "1d"}]);
        let nap = workflow(&world, "Nap", nap).await;
        let bad = json!([{"id": "no", "type": "fail", "message": "no paper"}]);
        let bad = workflow(&world, "Bad", bad).await;
        for n in 0..3 {
            execute(&world, &nap, json!({"n": n})).await;
            execute(&world, &bad, json!({"n": n})).await;
        }
        world.settle().await;
        let (cancel, retry) = ("/api/v1/runs/cancel", "/api/v1/runs/retry");
        let dry = json!({"filter": {"subject_id": nap}, "dry_run": true});
        let told = world.owner().post(cancel, &dry).await.expect(200).json();
        assert_eq!((&told["matched"], &told["left"], &told["dry_run"]),
            (&json!(3), &json!(0), &json!(true)));
        let waiting = "/api/v1/runs?status=waiting&queue=workflow";
        assert_eq!(read(&world, waiting).await["total_count"], 3);
        let stop = json!({"filter": {"subject_id": nap}});
        let done = world.owner().post(cancel, &stop).await.expect(202).json();
        assert_eq!(done["runs"], told["runs"]);
        world.settle().await;
        assert_eq!(read(&world, "/api/v1/runs?status=cancelled").await["total_count"], 3);

        assert_eq!(read(&world, "/api/v1/runs?dead_letters=true").await["total_count"], 3);
        let failed = json!({"filter": {"status": "failed", "text": "no paper"}});
        let done = world.owner().post(retry, &failed).await.expect(202).json();
        assert_eq!(done["runs"].as_array().unwrap().len(), 3);
        let new = done["runs"][0]["new_run"].as_str().unwrap();
        let new = read(&world, &format!("/api/v1/runs/{new}")).await;
        assert_eq!((&new["trigger"], &new["origin"]["run"]),
            (&json!("retry"), &done["runs"][0]["run"]));
        let again = world.owner().post(retry, &failed).await.expect(202).json();
        assert_eq!(again["matched"], 0);

        let release = "/api/v1/runs/release";
        let apart = json!({"filter": {"status": "quarantined"}});
        assert_eq!(world.owner().post(release, &apart).await.expect(202).json()["matched"], 0);
        let one = done["runs"][0]["run"].as_str().unwrap();
        let answer = world.owner().post(&format!("/api/v1/runs/{one}/release"), &json!({})).await;
        assert!(answer.refused(409, "conflict").text.contains("not in quarantine"));

        for (path, body, about) in [
            (release, json!({"filter": {"status": "failed"}}), "nothing holds others"),
            (cancel, json!({"filter": {}}), "which runs are meant"),
            (cancel, json!({"filter": {"stauts": "queued", "kind": "sync"}}), "stauts"),
            (cancel, json!({"filter": {"status": "failed"}}), "others have ended"),
            (retry, json!({"filter": {"status": "completed"}}), "one by one"),
            (retry, json!({"filter": {"queue": "slow"}}), "generation, workflow"),
            (retry, json!({}), "filter"),
        ] {
            let answer = world.owner().post(path, &body).await.refused(422, "invalid");
            assert!(answer.text.contains(about), "{body}: {}", answer.text);
        }
        let viewer = world.as_role(Role::Viewer);
        viewer.post(cancel, &stop).await.refused(403, "forbidden");
    }
}
