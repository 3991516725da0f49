//! How deliveries end that nobody takes: the schedule, dead letters, replay, being disabled.

use connectus_core::{
    Code,
    delivery::{DISABLE_AFTER_SECS, DeliveryStatus, DisabledReason, SCHEDULE},
    event::EventType,
};
use connectus_engine::deliveries::{
    replay,
    subscriptions::{self, SubscriptionChange},
};
use connectus_store::health_logs::HealthLogFilter;
use connectus_testkit::both;

use crate::{Post, server::Answer};

const HOUR: i64 = 3_600;

fn enabled(enabled: bool) -> SubscriptionChange {
    SubscriptionChange { enabled: Some(enabled), ..SubscriptionChange::default() }
}

both! {
    async fn eight_attempts_each_when_it_is_due_then_a_dead_letter(db: TestStore) {
        let post = Post::open(&db, |_, _| Answer::status(500, "no")).await;
        // All events, so that the dead letter's own event would come back to it.
        let (subscription, _) = post.subscribe(&["*"]).await;
        post.emit(EventType::RunFailed, "run_1").await;
        for (before, wait) in SCHEDULE.into_iter().enumerate() {
            if wait > 0 {
                db.sim.clock.advance_secs(wait - 1);
                post.deliver().await;
                assert_eq!(post.sent(), before, "nothing is sent early");
                db.sim.clock.advance_secs(1);
            }
            post.deliver().await;
            assert_eq!(post.sent(), before + 1);
        }
        let deliveries = post.deliveries(&subscription.id).await;
        assert_eq!(deliveries.len(), 1, "what is about a subscription is not told to itself");
        let dead = &deliveries[0];
        assert_eq!((dead.status, dead.attempts), (DeliveryStatus::Dead, 8));
        assert_eq!(post.count(EventType::DeliveryDead).await, 1);
        let requests = post.receiver.requests();
        assert!(requests.iter().all(|one| one.header("webhook-id") == Some(dead.id.as_str())));
        assert!(requests.iter().all(|one| one.body == requests[0].body));
        db.sim.clock.advance_secs(100 * HOUR);
        post.deliver().await;
        assert_eq!(post.sent(), 8, "dead is dead");
    }

    async fn a_redirect_is_a_failure_and_nobody_follows_it(db: TestStore) {
        let post = Post::open(&db, |_, _| {
            Answer::status(307, "").header("location", "http://127.0.0.1:1/elsewhere")
        })
        .await;
        let (subscription, _) = post.subscribe(&["run.failed"]).await;
        post.emit(EventType::RunFailed, "run_1").await;
        post.deliver().await;
        let delivery = post.deliveries(&subscription.id).await.remove(0);
        assert_eq!((post.sent(), delivery.status), (1, DeliveryStatus::Pending));
        let attempt = post.attempts(&delivery).await.remove(0);
        let told = (attempt.status, attempt.error.as_deref());
        assert_eq!(told, (Some(307), Some("provider_refused")));
        assert!(attempt.message.contains("Redirects are not followed"), "{}", attempt.message);
    }

    async fn five_days_of_failing_disable_and_enabling_goes_on(db: TestStore) {
        let answers = |n| Answer::status(if n < 100 { 503 } else { 200 }, "");
        let post = Post::open(&db, move |n, _| answers(n)).await;
        let (subscription, _) = post.subscribe(&["run.failed"]).await;
        let id = &subscription.id;
        post.emit(EventType::RunFailed, "run_0").await;
        post.deliver().await;
        let since = db.sim.env.now();
        assert_eq!(post.subscription(id).await.failing_since, Some(since));
        while db.sim.env.now() < since.plus_secs(DISABLE_AFTER_SECS - HOUR) {
            db.sim.clock.advance_secs(10 * HOUR - 1);
            post.emit(EventType::RunFailed, "run_n").await;
            post.deliver().await;
            assert_eq!(post.subscription(id).await.disabled.is_some(),
                db.sim.env.now() >= since.plus_secs(DISABLE_AFTER_SECS));
        }
        db.sim.clock.set(since.plus_secs(DISABLE_AFTER_SECS));
        post.emit(EventType::RunFailed, "last straw").await;
        post.deliver().await;
        let stopped = post.subscription(id).await;
        assert_eq!(stopped.disabled, Some(DisabledReason::Failing));
        assert_eq!(post.count(EventType::SubscriptionDisabled).await, 1);
        let store = &post.rig.parts.store;
        let filter = HealthLogFilter { open: Some(true), ..HealthLogFilter::default() };
        let page = connectus_core::Page { limit: 10, offset: 0 };
        let mut conn = store.read().await.unwrap();
        let logs = conn.health_logs(post.ctx(), &filter, page).await.unwrap();
        drop(conn);
        assert_eq!(logs.total_count, 1);
        assert!(logs.items[0].message.contains(id.as_str()), "{:?}", logs.items[0]);
        assert!(logs.items[0].suggestion.contains("replay"), "{:?}", logs.items[0]);

        // Nothing is sent while it is disabled, and nothing is lost.
        let sent = post.sent();
        post.emit(EventType::RunFailed, "meanwhile").await;
        db.sim.clock.advance_secs(24 * HOUR);
        post.deliver().await;
        assert_eq!(post.sent(), sent);
        let one = post.deliveries(id).await.remove(0);
        let refused = replay::one(store, post.ctx(), &one.id).await.unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        let policy = post.rig.parts.connections.egress();
        let on = subscriptions::update(store, policy, post.ctx(), &stopped, enabled(true)).await;
        assert_eq!((on.as_ref().unwrap().disabled, on.unwrap().failing_since), (None, None));
        post.deliver().await;
        let requests = post.receiver.requests();
        assert!(requests[sent..].iter().any(|one| one.body.contains("meanwhile")));
    }

    async fn a_success_in_between_starts_the_five_days_anew(db: TestStore) {
        let post = Post::open(&db, |n, _| Answer::status(if n == 1 { 200 } else { 503 }, "")).await;
        let (subscription, _) = post.subscribe(&["run.failed"]).await;
        for expected in [true, false, true] {
            post.emit(EventType::RunFailed, "run_1").await;
            post.deliver().await;
            let now = post.subscription(&subscription.id).await;
            assert_eq!(now.failing_since.is_some(), expected);
            db.sim.clock.advance_secs(1);
        }
    }

    async fn a_receiver_that_is_gone_for_good_is_left_alone_at_once(db: TestStore) {
        let post = Post::open(&db, |_, _| Answer::status(410, "")).await;
        let (subscription, _) = post.subscribe(&["run.failed"]).await;
        post.emit(EventType::RunFailed, "run_1").await;
        post.deliver().await;
        db.sim.clock.advance_secs(HOUR);
        post.deliver().await;
        assert_eq!(post.sent(), 1);
        let now = post.subscription(&subscription.id).await;
        assert_eq!(now.disabled, Some(DisabledReason::Gone));
    }

    async fn what_failed_is_sent_again_one_by_one_and_all_since_a_time(db: TestStore) {
        let post = Post::open(&db, |n, _| Answer::status(if n < 24 { 500 } else { 200 }, "")).await;
        let (subscription, _) = post.subscribe(&["run.failed"]).await;
        let (store, id) = (&post.rig.parts.store, &subscription.id);
        post.emit(EventType::RunFailed, "old").await;
        post.deliver().await;
        let since = db.sim.clock.advance_secs(1);
        for subject in ["one", "two"] {
            post.emit(EventType::RunFailed, subject).await;
        }
        for wait in SCHEDULE {
            db.sim.clock.advance_secs(wait);
            post.deliver().await;
        }
        assert_eq!(post.sent(), 24);
        let all = post.deliveries(id).await;
        assert!(all.iter().all(|one| one.status == DeliveryStatus::Dead), "{all:?}");
        let count = replay::failed_since(store, post.ctx(), &subscription, since).await.unwrap();
        assert_eq!(count, 2);
        post.deliver().await;
        assert_eq!(post.sent(), 26);
        let old = all.iter().find(|one| one.created_at < since).unwrap();
        let again = replay::one(store, post.ctx(), &old.id).await.unwrap();
        assert_eq!((again.status, again.attempts), (DeliveryStatus::Pending, 0));
        post.deliver().await;
        let requests = post.receiver.requests();
        assert_eq!(requests.len(), 27);
        assert_eq!(requests[26].header("webhook-id"), Some(old.id.as_str()));
        let all = post.deliveries(id).await;
        assert!(all.iter().all(|one| one.status == DeliveryStatus::Delivered), "{all:?}");
        assert_eq!(post.attempts(old).await[0].number, 9);
        // What was delivered can be sent again as well: the receiver may have lost it.
        replay::one(store, post.ctx(), &old.id).await.unwrap();
        post.deliver().await;
        assert_eq!(post.sent(), 28);
        // A month later the log is forgotten.
        db.sim.clock.advance_secs(31 * 24 * HOUR);
        post.deliver().await;
        assert!(post.deliveries(id).await.is_empty());
    }
}
