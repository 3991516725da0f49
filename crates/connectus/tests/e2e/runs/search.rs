//! Finding runs.

use connectus_testkit::both;
use serde_json::{Value, json};

use super::{World, execute, read, workflow};

/// The identifiers of a page of runs.
fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
}

/// A text as a query parameter.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

both! {
    async fn a_text_is_found_as_it_is_and_no_character_is_special(db: TestStore) {
        let world = World::start(db).await;
        let steps = json!([{"id": "note", "type": "set", "vars": {"a": 1}}]);
        let greet = workflow(&world, "Greet", steps).await;
        let texts = ["100%", "1000", "a_b", "axb", "say \"hi\"", "back\\slash", "wow!", "O'Hara",
                     "line\nbreak", "'; DROP TABLE runs; --", "Grüße"];
        let mut runs = Vec::new();
        for text in texts {
            runs.push(execute(&world, &greet, json!({"said": text})).await);
        }
        world.settle().await;
        for (text, run) in texts.iter().zip(&runs) {
            let page = read(&world, &format!("/api/v1/runs?text={}", encoded(text))).await;
            assert_eq!(ids(&page), std::slice::from_ref(run), "{text}");
            assert_eq!(page["total_count"], 1);
        }
        for (text, found) in [
            ("%", 1), ("_", 1), ("!", 1), ("\"", 1), ("\\", 1), ("'", 2), ("HARA", 1), ("100", 2),
            ("' OR '1'='1", 0), ("%' OR 1=1 --", 0), ("!%", 0), ("", texts.len()),
        ] {
            let page = read(&world, &format!("/api/v1/runs?text={}", encoded(text))).await;
            assert_eq!(page["total_count"], found, "{text}");
        }
        let long = format!("/api/v1/runs?text={}", "x".repeat(201));
        world.owner().get(&long).await.refused(422, "invalid");
    }

    async fn runs_are_found_by_what_they_are_and_when_they_came(db: TestStore) {
        let world = World::start(db).await;
        let fine = json!([{"id": "note", "type": "set", "vars": {"a": 1}}]);
        let fine = workflow(&world, "Fine", fine).await;
        let bad = json!([{"id": "no", "type": "fail", "message": "out of paper"}]);
        let bad = workflow(&world, "Bad", bad).await;
        let slow = json!([{"id": "nap", "type": "wait", "for": "1d"}]);
        let slow = workflow(&world, "Slow", slow).await;
        let first = execute(&world, &fine, json!({})).await;
        world.settle_after(3_600).await;
        let middle = world.app.db.sim.env.now().to_string();
        let failed = execute(&world, &bad, json!({})).await;
        world.settle_after(3_600).await;
        let waiting = execute(&world, &slow, json!({})).await;
        world.settle().await;
        let again = world.owner().poke(&format!("/api/v1/runs/{failed}/retry")).await.expect(202);
        let again = again.text_of("id");
        world.settle().await;
        for (query, found) in [
            (String::new(), vec![&again, &waiting, &failed, &first]),
            ("status=failed".into(), vec![&again, &failed]),
            ("status=failed,waiting".into(), vec![&again, &waiting, &failed]),
            (format!("subject_id={slow}"), vec![&waiting]),
            ("trigger=retry".into(), vec![&again]),
            ("kind=sync".into(), vec![]),
            (format!("until={middle}"), vec![&first]),
            (format!("from={middle}&trigger=manual"), vec![&waiting, &failed]),
            ("text=out%20of%20paper&trigger=manual".into(), vec![&failed]),
        ] {
            let page = read(&world, &format!("/api/v1/runs?{query}")).await;
            let found: Vec<String> = found.into_iter().cloned().collect();
            assert_eq!(ids(&page), found, "{query}");
            assert_eq!(page["next"], Value::Null);
        }
        for query in ["status=lost", "kind=x", "from=yesterday", "after=x"] {
            world.owner().get(&format!("/api/v1/runs?{query}")).await.refused(422, "invalid");
        }
    }

    async fn pages_neither_repeat_nor_skip_while_runs_come_in(db: TestStore) {
        let world = World::start(db).await;
        let steps = json!([{"id": "note", "type": "set", "vars": {"a": 1}}]);
        let greet = workflow(&world, "Greet", steps).await;
        let mut expected = Vec::new();
        for n in 0..7 {
            expected.insert(0, execute(&world, &greet, json!({"n": n})).await);
            world.app.db.sim.clock.advance_secs(1);
        }
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = read(&world, &format!("/api/v1/runs?limit=3{after}")).await;
            seen.extend(ids(&page));
            // A new run at the head, which offsets would be shifted by.
            execute(&world, &greet, json!({"late": true})).await;
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected);
        world.owner().get(&format!("/api/v1/runs?offset=1{after}")).await.refused(422, "invalid");
    }
}
