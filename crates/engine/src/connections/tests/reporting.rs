//! Connection tests, the health log, scores and counted calls.

use connectus_core::{Code, Error, Page, health::Level, integration::IntegrationStatus};
use connectus_sandbox::{Fault, FaultKind};
use connectus_store::{health_logs::HealthLogFilter, usage::UsageFilter};
use connectus_testkit::both;
use futures::FutureExt;

use super::{
    super::{CredentialChange, IntegrationChange},
    *,
};
use crate::health::{self, Problem};

fn problem(id: &IntegrationId, code: Code) -> Problem {
    Problem {
        integration: Some(id.clone()),
        operation: "sync".into(),
        error: Error::new(code, "It did not work."),
        run: None,
    }
}

impl Rig {
    async fn pasted(&self) -> IntegrationId {
        let token = json!({"access_token": self.handle().keys().hubspot_token});
        self.create("hubspot", token).await.unwrap().integration.id
    }

    async fn open_problems(&self) -> Vec<String> {
        let filter = HealthLogFilter { open: Some(true), ..Default::default() };
        let mut conn = self.db.store.read().await.unwrap();
        let found = conn.health_logs(&self.ctx, &filter, Page::default()).await.unwrap();
        found.items.into_iter().map(|log| format!("{} {}", log.operation, log.code)).collect()
    }
}

both! {
    async fn a_test_tells_what_is_wrong_and_recovers(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id =
            rig.create("hubspot", json!({"access_token": "wrong"})).await.unwrap().integration.id;
        let outcome = rig.connections.test(&rig.ctx, &id).await.unwrap();
        assert_eq!(outcome.error.unwrap().code, Code::ReauthRequired);
        assert_eq!((outcome.status, outcome.latency_ms), (IntegrationStatus::Error, None));
        assert_eq!(rig.open_problems().await, ["test_connection reauth_required"]);
        assert_eq!(rig.view(&id).await.integration.health_score, 40);

        let token = rig.handle().keys().hubspot_token.clone();
        let change = IntegrationChange {
            credentials: Some(CredentialChange {
                set: secrets(&json!({"access_token": token})),
                remove: Vec::new(),
            }),
            ..Default::default()
        };
        rig.connections.update(&rig.ctx, &id, change, |_| Ok(())).await.unwrap();
        let outcome = rig.connections.test(&rig.ctx, &id).await.unwrap();
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!(outcome.status, IntegrationStatus::Connected);
        assert!(outcome.latency_ms.is_some());
        assert!(rig.open_problems().await.is_empty(), "a success resolves what it disproves");
        let view = rig.view(&id).await;
        assert_eq!((view.integration.health_score, view.integration.last_error), (100, None));
        assert_eq!(view.integration.api_calls_today, 2);
    }

    async fn what_cannot_be_tested_is_left_as_it_was(db: TestStore) {
        let rig = Rig::new(&db).await;
        let url = json!({"webhook_url": "https://hooks.slack.com/services/T/B/X"});
        let by_address = rig.create("slack", url).await.unwrap().integration.id;
        let refused = rig.connections.test(&rig.ctx, &by_address).await.unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        assert_eq!(rig.view(&by_address).await.integration.status, IntegrationStatus::Connected);
        assert_eq!(rig.handle().call_count(), 0);
    }

    async fn a_test_tries_a_credential_that_was_refused_before(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.pasted().await;
        health::report(&db.store, &rig.ctx, problem(&id, Code::ReauthRequired)).await.unwrap();
        assert!(rig.connections.open(&rig.ctx, &id).await.is_err());
        let outcome = rig.connections.test(&rig.ctx, &id).await.unwrap();
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert!(rig.connections.open(&rig.ctx, &id).await.is_ok());
    }

    async fn a_provider_that_is_down_does_not_stop_an_integration(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.pasted().await;
        rig.handle().fault(Fault::on("", "/", FaultKind::Status { status: 503 }).times(50));
        let outcome = rig.connections.test(&rig.ctx, &id).await.unwrap();
        assert!(outcome.error.unwrap().is_transient());
        assert_eq!(outcome.status, IntegrationStatus::Connected);
        assert!(rig.view(&id).await.integration.last_error.is_some());
    }

    async fn a_credential_that_is_good_for_something_else_stays_alive(db: TestStore) {
        let rig = Rig::new(&db).await;
        let url = format!("{}/services/T/B/X", rig.fakes.slack_base_url);
        let fields = json!({"webhook_url": url});
        let id = rig.create("slack", fields).await.unwrap().integration.id;
        let connection = rig.connections.open(&rig.ctx, &id).await.unwrap();
        let text = json!({"channel": "C1", "text": "hello"});
        let refused = connection.call("post_message", &text, "key").await.unwrap_err();
        assert_eq!(refused.code, Code::Forbidden, "{refused}");
        let problem = Problem { error: refused, ..problem(&id, Code::Forbidden) };
        health::report(&db.store, &rig.ctx, problem).await.unwrap();
        assert!(rig.connections.open(&rig.ctx, &id).await.is_ok());
    }

    async fn equal_problems_are_told_once_and_resolved_by_hand(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.pasted().await;
        for _ in 0..3 {
            health::report(&db.store, &rig.ctx, problem(&id, Code::Forbidden)).await.unwrap();
        }
        let names = rig.event_names().await;
        assert_eq!(names.iter().filter(|name| **name == "health.logged").count(), 1);
        let mut conn = db.store.read().await.unwrap();
        let logs = conn.health_logs(&rig.ctx, &HealthLogFilter::default(), Page::default()).await;
        let [log] = logs.unwrap().items.try_into().unwrap();
        assert_eq!(log.occurrences, 3);
        assert!(log.suggestion.contains("scope"), "{}", log.suggestion);
        let resolved = health::resolve(&db.store, &rig.ctx, &log.id).await.unwrap();
        let again = health::resolve(&db.store, &rig.ctx, &log.id).await.unwrap();
        assert_eq!(resolved, again, "resolving twice is resolving once");
        let theirs = db.tenant("Theirs").await.unwrap();
        let foreign = health::resolve(&db.store, &theirs, &log.id).await.unwrap_err();
        assert_eq!(foreign.code, Code::NotFound);
    }

    async fn scores_are_explained_worst_first(db: TestStore) {
        let rig = Rig::new(&db).await;
        let (good, bad) = (rig.pasted().await, rig.pasted().await);
        health::report(&db.store, &rig.ctx, problem(&bad, Code::ReauthRequired)).await.unwrap();
        let all = health::scores(&db.store, &rig.ctx).await.unwrap();
        let order: Vec<_> = all.iter().map(|one| &one.figures.integration).collect();
        assert_eq!(order, [&bad, &good]);
        assert_eq!((all[0].health.level, all[0].health.caps.len()), (Level::Failing, 1));
        assert_eq!((all[1].health.score, all[1].health.confidence), (100, 0.0));
    }

    async fn calls_are_counted_in_batches(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.pasted().await;
        let connection = rig.connections.open(&rig.ctx, &id).await.unwrap();
        for _ in 0..3 {
            connection.test().await.unwrap();
        }
        rig.handle().fault(Fault::on("", "/", FaultKind::Status { status: 400 }));
        connection.test().await.unwrap_err();
        assert_eq!(rig.view(&id).await.integration.api_calls_today, 0, "not written yet");
        rig.connections.flush_usage().await.unwrap();
        assert_eq!(rig.view(&id).await.integration.api_calls_today, 4);
        let day = db.sim.env.now().day();
        let filter = UsageFilter { integration: Some(id), from: day.clone(), to: day };
        let mut conn = db.store.read().await.unwrap();
        let (_, total) = conn.usage(&rig.ctx, &filter, Page::default()).await.unwrap();
        assert_eq!((total.calls, total.failures), (4, 1));
    }

    async fn the_budget_of_the_day_is_what_the_provider_says(db: TestStore) {
        let rig = Rig::with(&db, |config| config.limits.hubspot_per_day = Some(4)).await;
        let (ours, theirs) = (rig.pasted().await, rig.pasted().await);
        let figures = async |id: &IntegrationId| {
            rig.connections.flush_usage().await.unwrap();
            let known = rig.view(id).await.integration;
            (known.api_calls_today, known.api_calls_limit, known.version)
        };
        assert_eq!(figures(&ours).await, (0, 0, 1), "nobody has said anything yet");
        let connection = rig.connections.open(&rig.ctx, &ours).await.unwrap();
        connection.test().await.unwrap();
        assert_eq!(figures(&ours).await, (1, 4, 1));
        // Someone else spends the same budget.
        let other = rig.connections.open(&rig.ctx, &theirs).await.unwrap();
        other.test().await.unwrap();
        other.test().await.unwrap();
        connection.test().await.unwrap();
        assert_eq!(figures(&ours).await, (4, 4, 1), "of which we made two");
        let refused = connection.test().await.unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        assert_eq!(figures(&ours).await, (4, 4, 1), "a refusal tells as well");
        let day = db.sim.env.now().day();
        let filter = UsageFilter { integration: Some(ours.clone()), from: day.clone(), to: day };
        let mut conn = db.store.read().await.unwrap();
        let (_, counted) = conn.usage(&rig.ctx, &filter, Page::default()).await.unwrap();
        assert_eq!(counted.calls, 3, "usage is what was done here");
        let scored = health::scores(&db.store, &rig.ctx).await.unwrap();
        let of_ours = scored.iter().find(|one| one.figures.integration == ours).unwrap();
        let inputs = of_ours.figures.inputs;
        assert_eq!((inputs.api_calls_today, inputs.api_calls_limit), (4, 4));

        // Another credential has another budget: what the last one said counts no more.
        let token = json!({"access_token": "another"});
        let entered = CredentialChange { set: secrets(&token), remove: Vec::new() };
        let change = IntegrationChange { credentials: Some(entered), ..Default::default() };
        rig.connections.update(&rig.ctx, &ours, change, |_| Ok(())).await.unwrap();
        assert_eq!(figures(&ours).await, (3, 0, 2));
    }

    async fn a_success_in_a_sync_brings_a_stopped_integration_back(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.pasted().await;
        health::report(&db.store, &rig.ctx, problem(&id, Code::ReauthRequired)).await.unwrap();
        assert_eq!(rig.view(&id).await.integration.status, IntegrationStatus::Error);
        let (ctx, target) = (rig.ctx.clone(), id.clone());
        db.store
            .write(move |tx| {
                async move { health::succeeded(tx, &ctx, &target, "sync").await }.boxed()
            })
            .await
            .unwrap();
        let view = rig.view(&id).await;
        assert_eq!(view.integration.status, IntegrationStatus::Connected);
        assert_eq!(view.integration.health_score, 100);
    }
}
