//! The crash drill: a process dies before and after every one of its commits, once for each, on
//! both databases. Whatever was acknowledged must end, and must have happened once.
//!
//! A process is a runtime of its own on a store of its own. It dies by never hearing of its writes
//! again and by losing its runtime, tasks and connections included. In the second kind of drill it
//! lives on, but is told that the database was gone.

#![cfg(test)]

mod drill;
#[path = "../support/mod.rs"]
mod support;

use connectus_core::run::RunStatus;
use connectus_testkit::both;
use serde_json::{Value, json};

use self::{
    drill::{Case, drill},
    support::fakes,
};

/// A step that puts a contact of this run.
fn put(id: &str) -> Value {
    support::put(id, &format!("{{{{ trigger.k }}}}-{id}"))
}

both! {
    async fn a_chain(db: TestStore) {
        drill(&db, Case {
            steps: json!([put("a"), fakes::post("tell", "hello"), put("b")]),
            signal: None,
            ends: RunStatus::Completed,
            records: &[("a", 1), ("b", 1)],
            posts: 1,
            steps_ended: 3,
            runs: 1,
        }).await;
    }

    async fn branches_side_by_side(db: TestStore) {
        let each = json!({ "id": "each", "type": "for_each", "items": [1, 2], "concurrency": 2,
            "steps": [fakes::post("tell", "item {{ item }}")] });
        drill(&db, Case {
            steps: json!([
                { "id": "both", "type": "parallel", "branches": [[put("a"), put("b")], [each]] },
                put("c"),
            ]),
            signal: None,
            ends: RunStatus::Completed,
            records: &[("a", 1), ("b", 1), ("c", 1)],
            posts: 2,
            steps_ended: 5,
            runs: 1,
        }).await;
    }

    async fn a_saga(db: TestStore) {
        drill(&db, Case {
            steps: json!([
                put("a"), fakes::post("tell", "not for long"), put("b"),
                { "id": "no", "type": "fail", "message": "on purpose" },
            ]),
            signal: None,
            ends: RunStatus::Failed,
            records: &[("a", 2), ("b", 2)],
            posts: 1,
            steps_ended: 5,
            runs: 1,
        }).await;
    }

    async fn a_timer(db: TestStore) {
        drill(&db, Case {
            steps: json!([
                put("a"), { "id": "nap", "type": "wait", "for": "1h" }, fakes::post("tell", "up"),
            ]),
            signal: None,
            ends: RunStatus::Completed,
            records: &[("a", 1)],
            posts: 1,
            steps_ended: 2,
            runs: 1,
        }).await;
    }

    async fn a_signal(db: TestStore) {
        drill(&db, Case {
            steps: json!([
                put("a"),
                { "id": "ask", "type": "wait", "signal": "answer" },
                fakes::post("tell", "answer {{ steps.ask.output.n }}"),
            ]),
            signal: Some("answer"),
            ends: RunStatus::Completed,
            records: &[("a", 1)],
            posts: 1,
            steps_ended: 2,
            runs: 1,
        }).await;
    }

    async fn large_values(db: TestStore) {
        // Everything of more than a word is one, so that blobs are written at every turn.
        db.park_above(24).await.unwrap();
        drill(&db, Case {
            steps: json!([
                put("a"),
                { "id": "copy", "type": "action", "action": "transform",
                  "input": { "told": "a text of {{ trigger.k }} that is too long for a row" } },
                { "id": "ask", "type": "wait", "signal": "answer" },
                fakes::post("tell", "{{ steps.copy.output.told }}, {{ steps.ask.output.n }}"),
            ]),
            signal: Some("answer"),
            ends: RunStatus::Completed,
            records: &[("a", 1)],
            posts: 1,
            steps_ended: 3,
            runs: 1,
        }).await;
    }

    async fn a_run_that_starts_over(db: TestStore) {
        // Three generations, a nap between each two.
        let again = json!({ "id": "again", "type": "restart",
            "input": { "k": "{{ trigger.k }}", "n": "{{ (trigger.n | default(0)) + 1 }}" } });
        drill(&db, Case {
            steps: json!([
                fakes::post("tell", "hello"),
                { "id": "nap", "type": "wait", "for": "1h" },
                { "id": "more", "type": "branch", "condition": "(trigger.n | default(0)) < 2",
                  "then": [again] },
                put("a"),
            ]),
            signal: None,
            ends: RunStatus::Completed,
            records: &[("a", 1)],
            posts: 3,
            steps_ended: 4,
            runs: 1,
        }).await;
    }

    async fn a_child(db: TestStore) {
        // The drilled workflow runs itself once, as a child.
        drill(&db, Case {
            steps: json!([
                { "id": "top", "type": "branch", "condition": "trigger.inner is not defined",
                  "then": [
                      { "id": "call", "type": "workflow", "workflow": "drill",
                        "input": { "k": "{{ trigger.k }}", "inner": true } },
                      fakes::post("tell", "{{ steps.call.output.change }}"),
                  ],
                  "else": [put("a")] },
            ]),
            signal: None,
            ends: RunStatus::Completed,
            records: &[("a", 1)],
            posts: 1,
            steps_ended: 1,
            runs: 2,
        }).await;
    }
}
