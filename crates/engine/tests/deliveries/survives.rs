//! A process that dies between sending and writing down, and one that has lost its hold.

use connectus_core::{
    delivery::{Attempt, DeliveryStatus},
    event::EventType,
};
use connectus_engine::{Engine, queues};
use connectus_store::deliveries::Verdict;
use connectus_testkit::both;
use serde_json::json;

use crate::{
    Post,
    server::Answer,
    support::{on_store, until},
};

both! {
    async fn a_process_killed_after_sending_sends_again_under_the_same_id(db: TestStore) {
        // The first request is taken in and never answered.
        let post = Post::open(&db, |n, _| Answer { hang: n == 0, ..Answer::status(200, "") }).await;
        let (subscription, _) = post.subscribe(&["run.failed"]).await;
        post.emit(EventType::RunFailed, "run_1").await;
        let (kill, killed) = tokio::sync::oneshot::channel::<()>();
        let (other, address) = (db.clone(), post.receiver.addr.to_string());
        // A process is a runtime of its own; it dies by losing it, tasks and connections included.
        let process = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let store = other.another_process().await.unwrap();
                let engine = Engine::new(on_store(store, &[&address]));
                tokio::select! {
                    _ = engine.deliver_until_idle() => panic!("the receiver never answered"),
                    _ = killed => {}
                }
            });
            runtime.shutdown_background();
        });
        until("the event is sent", async || post.sent() == 1).await;
        kill.send(()).unwrap();
        tokio::task::spawn_blocking(move || process.join().unwrap()).await.unwrap();

        post.deliver().await;
        assert_eq!(post.sent(), 1, "it may still be under way");
        db.sim.clock.advance_secs(30);
        post.deliver().await;
        let requests = post.receiver.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
        assert_eq!(requests[0].body, requests[1].body);
        let delivery = post.deliveries(&subscription.id).await.remove(0);
        assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Delivered, 1));
    }

    async fn a_claim_that_was_taken_over_writes_nothing(db: TestStore) {
        let post = Post::open(&db, |_, _| Answer::status(200, "")).await;
        let (subscription, _) = post.subscribe(&["run.failed"]).await;
        post.emit(EventType::RunFailed, "run_1").await;
        let store = db.store.clone();
        let behind = store.read().await.unwrap().subscriptions_behind(10, 10).await.unwrap();
        let (ctx, before) = (post.ctx().clone(), behind[0].clone());
        let new = connectus_store::deliveries::NewDelivery {
            id: db.sim.env.id(),
            seq: before.seq + 2,
            kind: EventType::RunFailed,
        };
        let id = new.id.clone();
        // The second engine with the same cursor makes nothing.
        for expected in [true, false] {
            let (ctx, before, new) = (ctx.clone(), before.clone(), new.clone());
            let made = store.write(move |tx| {
                Box::pin(async move {
                    Ok(tx.make_deliveries(&ctx, &before, new.seq, &[new]).await?)
                })
            });
            assert_eq!(made.await.unwrap(), expected);
        }
        let claim = async |lease| {
            let (ctx, of) = (ctx.clone(), subscription.id.clone());
            let claimed = store.write(move |tx| {
                Box::pin(async move { Ok(tx.claim_deliveries(&ctx, &of, lease, 4).await?) })
            });
            claimed.await.unwrap()
        };
        let lease = db.sim.env.now().plus_secs(30);
        let first = claim(lease).await.remove(0);
        assert!(claim(lease).await.is_empty(), "it is leased");
        db.sim.clock.advance_secs(30);
        let second = claim(db.sim.env.now().plus_secs(30)).await.remove(0);
        let attempt: Attempt = Attempt {
            number: 1,
            at: db.sim.env.now(),
            millis: 1,
            status: Some(200),
            error: None,
            message: String::new(),
            response: String::new(),
        };
        for (claim, expected) in [(first, false), (second, true)] {
            let (ctx, attempt) = (ctx.clone(), attempt.clone());
            let written = store.write(move |tx| {
                Box::pin(async move {
                    Ok(tx.delivery_tried(&ctx, &claim, &attempt, Verdict::Delivered).await?)
                })
            });
            assert_eq!(written.await.unwrap(), expected);
        }
        let log = store.read().await.unwrap().delivery_attempts(&ctx, &id, 10).await.unwrap();
        assert_eq!(log.len(), 1, "{}", json!(log));
    }

    async fn a_receiver_says_when_to_come_back(db: TestStore) {
        let wishes = ["60", "1", "999999999"];
        let post = Post::open(&db, move |call, _| match wishes.get(call) {
            Some(wish) => Answer::status(503, "busy").header("retry-after", *wish),
            None => Answer::status(204, ""),
        })
        .await;
        let (subscription, _) = post.subscribe(&["run.failed"]).await;
        post.emit(EventType::RunFailed, "run_1").await;
        // Its own wish, the schedule when that is longer, a day at most.
        for wait in [60, 300, 86_400] {
            post.deliver().await;
            let due = post.deliveries(&subscription.id).await[0].next_attempt_at.unwrap();
            assert_eq!(due, db.sim.env.now().plus_secs(wait));
            db.sim.clock.advance_secs(wait - 1);
            let sent = post.sent();
            post.deliver().await;
            assert_eq!(post.sent(), sent, "not sooner");
            db.sim.clock.advance_secs(1);
        }
        post.deliver().await;
        assert_eq!(post.sent(), 4);
        assert!(post.deliveries(&subscription.id).await[0].next_attempt_at.is_none());
    }

    async fn a_paused_queue_keeps_deliveries_until_it_goes_on(db: TestStore) {
        let post = Post::open(&db, |_, _| Answer::status(200, "")).await;
        let (parts, ctx) = (&post.rig.parts, post.ctx());
        post.subscribe(&["run.failed"]).await;
        queues::pause(parts, ctx, "delivery", true).await.unwrap();
        post.emit(EventType::RunFailed, "run_1").await;
        post.rig.engine.deliver_until_idle().await.unwrap();
        assert_eq!(post.sent(), 0);
        let state = queues::one(parts, ctx, "delivery").await.unwrap();
        assert_eq!((state.depth.ready, state.lately.is_none()), (1, true));
        queues::pause(parts, ctx, "delivery", false).await.unwrap();
        queues::stop(parts, vec![ctx.clone()], "delivery", true).await.unwrap();
        post.rig.engine.deliver_until_idle().await.unwrap();
        assert_eq!(post.sent(), 0);
        queues::stop(parts, vec![ctx.clone()], "delivery", false).await.unwrap();
        post.rig.engine.deliver_until_idle().await.unwrap();
        assert_eq!(post.sent(), 1);
    }

    async fn the_loop_delivers_by_itself_and_drains(db: TestStore) {
        let post = Post::open(&db, |_, _| Answer::status(200, "")).await;
        post.rig.engine.start().await.unwrap();
        post.subscribe(&["run.failed"]).await;
        post.emit(EventType::RunFailed, "run_1").await;
        until("the event is delivered", async || post.sent() == 1).await;
        post.rig.engine.drain(std::time::Duration::from_secs(5)).await;
        post.emit(EventType::RunFailed, "run_2").await;
        assert_eq!(post.sent(), 1);
    }
}
