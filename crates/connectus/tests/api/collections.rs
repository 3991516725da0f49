//! Collections and records changed by hand, over HTTP.

use connectus_core::access::Role;
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::support::{Answer, Call, Organisation, TestApp};

const CONTACTS: &str = "/api/v1/collections/digisol_crm/contacts";

struct Rig {
    app: TestApp,
    of: Organisation,
}

impl Rig {
    async fn start(db: TestStore) -> Self {
        let app = TestApp::start(db).await;
        let of = app.organisation("Ours").await;
        Self { app, of }
    }

    async fn send(&self, call: Call) -> Answer {
        self.app.send(call.bearer(self.of.owner())).await
    }

    async fn put(&self, key: &str, fields: &Value) -> Answer {
        self.send(Call::new("PUT", &record(key)).json(fields)).await
    }
}

fn record(key: &str) -> String {
    format!("{CONTACTS}/records/{key}")
}

both! {
    async fn a_record_lives_from_put_to_delete(db: TestStore) {
        let rig = Rig::start(db).await;
        let made = rig.put("ada", &json!({"email": "ada@example.com", "n": 1.0})).await.expect(201);
        assert_eq!(made.json()["data"], json!({"email": "ada@example.com", "n": 1}));
        assert!(made.text_of("source").starts_with("api_key:"));
        let read = rig.send(Call::get(&record("ada"))).await.expect(200);
        assert_eq!((read.header("etag"), read.json()), (made.header("etag"), made.json()));
        let same = rig.put("ada", &json!({"n": 1, "email": "ada@example.com"})).await.expect(200);
        assert_eq!(same.header("etag"), made.header("etag"), "nothing changed, nothing is written");

        // All of its fields are written, in the same microsecond of simulated time.
        let change = Call::new("PUT", &record("ada")).json(&json!({"email": "a@example.com"}));
        let changed = rig.send(change.header("if-match", made.header("etag"))).await.expect(200);
        assert_eq!(changed.json()["data"], json!({"email": "a@example.com"}));
        let late = Call::new("PUT", &record("ada")).json(&json!({"email": "b@example.com"}));
        let late = late.header("if-match", made.header("etag"));
        rig.send(late).await.refused(412, "precondition_failed");
        let gone = Call::new("PUT", &record("bob")).json(&json!({})).header("if-match", "\"1\"");
        rig.send(gone).await.refused(412, "precondition_failed");

        let stale = Call::delete(&record("ada")).header("if-match", made.header("etag"));
        rig.send(stale).await.refused(412, "precondition_failed");
        let fresh = Call::delete(&record("ada")).header("if-match", changed.header("etag"));
        rig.send(fresh).await.expect(204);
        rig.send(Call::get(&record("ada"))).await.refused(404, "not_found");
        rig.send(Call::delete(&record("ada"))).await.refused(404, "not_found");
        let audit = rig.send(Call::get("/api/v1/audit")).await.expect(200).text;
        for action in ["record.created", "record.updated", "record.deleted"] {
            assert_eq!(audit.matches(action).count(), 1, "{action}: {audit}");
        }
    }

    async fn a_name_of_two_parts_is_two_segments_or_one(db: TestStore) {
        let rig = Rig::start(db).await;
        let listed = rig.send(Call::get("/api/v1/collections")).await.expect(200).json();
        assert_eq!(listed["items"][0]["name"], "digisol_crm/contacts", "everyone has it");
        rig.put("one", &json!({"a": 1})).await.expect(201);
        let escaped = "/api/v1/collections/digisol_crm%2Fcontacts";
        for rest in ["", "/", "/records", "/records/one", "/records/one/", "/export"] {
            let short = rig.send(Call::get(&format!("{CONTACTS}{rest}"))).await.expect(200);
            let long = rig.send(Call::get(&format!("{escaped}{rest}"))).await.expect(200);
            assert_eq!(short.text, long.text, "{rest}");
        }
        let own = "/api/v1/collections/notes/records/first";
        rig.send(Call::new("PUT", own).json(&json!({"text": "made by its first record"})))
            .await
            .expect(201);
        let notes = rig.send(Call::get("/api/v1/collections/notes")).await.expect(200).json();
        assert_eq!(notes["records"], 1);
        for bad in ["Notes", "a%20b", "..%2Fx", "1a", "a%2F%2Fb"] {
            let path = format!("/api/v1/collections/{bad}/records");
            rig.send(Call::get(&path)).await.refused(404, "not_found");
        }
    }

    async fn what_cannot_be_a_record_is_refused(db: TestStore) {
        let rig = Rig::start(db).await;
        let long = "k".repeat(201);
        rig.put(&long, &json!({})).await.refused(422, "invalid");
        rig.put("a%00b", &json!({})).await.refused(400, "bad_request");
        rig.put("k", &json!({"a": "x\u{0}y"})).await.refused(422, "invalid");
        rig.put("k", &json!({"a": "x".repeat(300 * 1024)})).await.refused(422, "invalid");
        for body in [json!([]), json!("x"), json!(null)] {
            rig.put("k", &body).await.refused(422, "invalid");
        }
        let viewer = rig.of.key(Role::Viewer);
        let put = Call::new("PUT", &record("k")).json(&json!({})).bearer(viewer);
        rig.app.send(put).await.refused(403, "forbidden");
        let list = rig.send(Call::get(&format!("{CONTACTS}/records"))).await.expect(200).json();
        assert_eq!(list["total_count"], 0);
    }

    async fn keys_with_odd_characters_are_kept_as_they_are(db: TestStore) {
        let rig = Rig::start(db).await;
        for (path, key) in
            [("a%2Fb", "a/b"), ("x%20y", "x y"), ("%C3%A9", "é"), ("%22q%5C", "\"q\\")]
        {
            assert_eq!(rig.put(path, &json!({"k": key})).await.expect(201).text_of("key"), key);
            let read = rig.send(Call::get(&record(path))).await.expect(200);
            assert_eq!(read.json()["data"]["k"], key);
        }
    }
}
