//! Guessing passwords.

use connectus_core::access::Role;
use connectus_testkit::{TestStore, both};
use serde_json::json;

use crate::support::{Answer, Call, TestApp, organisation::PASSWORD};

async fn attempt(app: &TestApp, email: &str, password: &str, from: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    app.send(Call::post("/api/v1/auth/login").from(from).json(&body)).await
}

async fn started(db: TestStore) -> TestApp {
    let app = TestApp::start(db).await;
    let ours = app.organisation("Ours").await;
    app.person(&ours, "ann@example.org", Role::Viewer).await;
    app
}

both! {
    /// Sent all at once from many addresses, as many guesses pass as the limit says: not one more.
    async fn parallel_guesses_do_not_overtake_the_counter(db: TestStore) {
        let app = started(db).await;
        let guesses = (0..40).map(|index| {
            let app = &app;
            async move {
                let from = format!("198.51.100.{index}");
                attempt(app, "ann@example.org", "wrong password", &from).await.status
            }
        });
        let answers = futures::future::join_all(guesses).await;
        let count = |status| answers.iter().filter(|answer| **answer == status).count();
        assert_eq!((count(401), count(429)), (5, 35));
        // The right password waits too, or guessing would go on unthrottled.
        let blocked = attempt(&app, "ann@example.org", PASSWORD, "192.0.2.1").await;
        let wait = blocked.refused(429, "rate_limited").header("retry-after").parse::<i64>();
        app.db.sim.clock.advance_secs(wait.unwrap());
        attempt(&app, "ann@example.org", PASSWORD, "192.0.2.1").await.expect(200);
        // A success starts the count anew.
        for _ in 0..5 {
            attempt(&app, "ann@example.org", "wrong password", "192.0.2.1").await.expect(401);
        }
        attempt(&app, "ann@example.org", PASSWORD, "192.0.2.1").await.expect(429);
    }

    async fn an_unknown_account_is_throttled_and_answered_like_a_known_one(db: TestStore) {
        let app = started(db).await;
        let known = attempt(&app, "ann@example.org", "wrong password", "192.0.2.1").await;
        let unknown = attempt(&app, "bob@example.org", "wrong password", "192.0.2.2").await;
        assert_eq!((known.status, &known.text), (unknown.status, &unknown.text));
        for _ in 0..4 {
            attempt(&app, "bob@example.org", "wrong password", "192.0.2.2").await.expect(401);
        }
        attempt(&app, "bob@example.org", "wrong password", "192.0.2.2").await.expect(429);
        // Nobody else waits for that.
        attempt(&app, "ann@example.org", PASSWORD, "192.0.2.2").await.expect(200);
    }

    /// One address that tries many accounts, one guess each.
    async fn an_address_is_throttled_over_all_accounts(db: TestStore) {
        let app = started(db).await;
        let spray = (0..60).map(|index| {
            let app = &app;
            async move {
                let email = format!("person{index}@example.org");
                attempt(app, &email, "wrong password", "203.0.113.9").await.status
            }
        });
        let answers = futures::future::join_all(spray).await;
        let count = |status| answers.iter().filter(|answer| **answer == status).count();
        assert_eq!((count(401), count(429)), (50, 10));
        attempt(&app, "ann@example.org", PASSWORD, "203.0.113.9").await.expect(429);
        attempt(&app, "ann@example.org", PASSWORD, "203.0.113.10").await.expect(200);
    }

    /// An account of one's own must not buy further guesses at those of others.
    async fn a_success_does_not_clear_the_address(db: TestStore) {
        let app = started(db).await;
        let spray = async |from: usize, to: usize| {
            let guesses = (from..to).map(|index| {
                let app = &app;
                async move {
                    let email = format!("person{index}@example.org");
                    attempt(app, &email, "wrong password", "203.0.113.9").await.status
                }
            });
            let answers = futures::future::join_all(guesses).await;
            answers.iter().filter(|answer| **answer == 401).count()
        };
        assert_eq!(spray(0, 40).await, 40);
        attempt(&app, "ann@example.org", PASSWORD, "203.0.113.9").await.expect(200);
        assert_eq!(spray(40, 60).await, 10);
    }

    async fn refused_sign_ins_are_in_the_audit_log(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        app.person(&ours, "ann@example.org", Role::Viewer).await;
        attempt(&app, "ann@example.org", "wrong password", "192.0.2.7").await.expect(401);
        let query = "/api/v1/audit?action=user.sign_in_refused";
        let log = app.send(Call::get(query).bearer(ours.owner())).await.expect(200).json();
        assert_eq!(log["items"][0]["outcome"], "denied");
        assert_eq!(log["items"][0]["detail"]["address"], "192.0.2.7");
    }
}
