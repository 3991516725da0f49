//! What a crash leaves behind, at each point at which a process can die.

use connectus_core::{Error, RequestId, TenantCtx, event::EventType};
use connectus_testkit::{TestStore, both};
use serde_json::json;

use super::*;

fn claim(ctx: &TenantCtx, fence: &str) -> Claim {
    Claim {
        tenant: ctx.tenant().clone(),
        principal: "user:usr_1".to_owned(),
        route: "things.create".to_owned(),
        key: "k".to_owned(),
        fence: fence.to_owned(),
    }
}

async fn claimed(db: &TestStore, claim: &Claim, hash: &str) -> Result<Claimed> {
    claim_key(&db.store, claim, hash.to_owned(), CLAIM_SECS).await
}

async fn effect(db: &TestStore, ctx: &TenantCtx, claim: &Claim) -> Result<()> {
    let (ctx, data) = (ctx.clone(), json!({}));
    let request = request::Request { id: RequestId::trusted("req_1"), claim: Some(claim.clone()) };
    let effect = db.store.write(move |tx| {
        Box::pin(async move { tx.happened(&ctx, EventType::UserCreated, "usr_9", data).await })
    });
    request::scope(request, effect).await
}

fn refusal(outcome: Result<Claimed>) -> Error {
    match outcome {
        Err(error) => error,
        Ok(Claimed::Fresh) => panic!("the key was given out a second time"),
        Ok(Claimed::Answered(_)) => panic!("there is no answer"),
    }
}

both! {
    /// Killed before the effect: who repeats the request gets it done.
    async fn killed_before_the_effect(db: TestStore) {
        let mut db = db;
        let ctx = db.tenant("Ours").await.unwrap();
        let first = claim(&ctx, "first");
        assert!(matches!(claimed(&db, &first, "h").await, Ok(Claimed::Fresh)));
        db.restart().await.unwrap();
        let second = claim(&ctx, "second");
        assert_eq!(refusal(claimed(&db, &second, "h").await).code, Code::InFlight);
        recover(&db.store).await.unwrap();
        assert!(matches!(claimed(&db, &second, "h").await, Ok(Claimed::Fresh)));
        // Should the first one be alive after all, its effect is refused.
        assert_eq!(effect(&db, &ctx, &first).await.unwrap_err().code, Code::InFlight);
        effect(&db, &ctx, &second).await.unwrap();
        db.store.close().await;
    }

    /// Killed after the effect, before the answer: nothing is done again, and the caller learns
    /// what was made.
    async fn killed_after_the_effect(db: TestStore) {
        let mut db = db;
        let ctx = db.tenant("Ours").await.unwrap();
        let first = claim(&ctx, "first");
        assert!(matches!(claimed(&db, &first, "h").await, Ok(Claimed::Fresh)));
        effect(&db, &ctx, &first).await.unwrap();
        db.restart().await.unwrap();
        recover(&db.store).await.unwrap();
        let second = claim(&ctx, "second");
        let refused = refusal(claimed(&db, &second, "h").await);
        assert_eq!(refused.code, Code::Conflict);
        assert_eq!(refused.extra["subject"], "usr_9");
        let refused = refusal(claimed(&db, &second, "other").await);
        assert_eq!(refused.code, Code::IdempotencyMismatch);
        db.store.close().await;
    }

    /// Another process of a cluster died: nobody recovers for it, its claim runs out by itself.
    async fn an_abandoned_claim_runs_out(db: TestStore) {
        let ctx = db.tenant("Ours").await.unwrap();
        let (first, second) = (claim(&ctx, "first"), claim(&ctx, "second"));
        assert!(matches!(claimed(&db, &first, "h").await, Ok(Claimed::Fresh)));
        db.sim.clock.advance_secs(CLAIM_SECS - 1);
        assert_eq!(refusal(claimed(&db, &second, "h").await).code, Code::InFlight);
        db.sim.clock.advance_secs(1);
        assert!(matches!(claimed(&db, &second, "h").await, Ok(Claimed::Fresh)));
        assert_eq!(refusal(claimed(&db, &first, "h").await).code, Code::InFlight);
    }

    /// An answer is sealed for its row: moved to another key, it does not open.
    async fn an_answer_opens_at_its_own_key_only(db: TestStore) {
        let ctx = db.tenant("Ours").await.unwrap();
        let first = claim(&ctx, "first");
        assert!(matches!(claimed(&db, &first, "h").await, Ok(Claimed::Fresh)));
        let answer = Answer { status: 201, headers: Vec::new(), body: "a secret".to_owned() };
        let ending = Ending {
            ctx: ctx.clone(),
            claim: first.clone(),
            answer: Some(answer),
            refused: false,
            sealer: db.store.sealer().clone(),
        };
        db.store.write(move |tx| Box::pin(async move { settle(tx, ending).await })).await.unwrap();
        let Ok(Claimed::Answered(sealed)) = claimed(&db, &claim(&ctx, "second"), "h").await else {
            panic!("the answer was not kept");
        };
        assert!(!sealed.contains("secret"));
        let response = replay(&db.store, &ctx, &first, &sealed).await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let elsewhere = Claim { key: "other".to_owned(), ..first };
        assert!(replay(&db.store, &ctx, &elsewhere, &sealed).await.is_err());
    }
}

#[test]
fn everything_a_handler_sees_makes_the_request() {
    let of = |build: fn(axum::http::request::Builder) -> axum::http::request::Builder, body| {
        let request = build(Request::builder().method("POST").uri("/a?b=1")).body(()).unwrap();
        hash(&request.into_parts().0, body)
    };
    let same = of(|request| request, b"x");
    assert_eq!(same, of(|request| request.header("user-agent", "other"), b"x"));
    for other in [
        of(|request| request, b"y"),
        of(|request| request.method("PUT"), b"x"),
        of(|request| request.uri("/a?b=2"), b"x"),
        of(|request| request.uri("/c?b=1"), b"x"),
        of(|request| request.header("content-type", "text/plain"), b"x"),
        of(|request| request.header("if-match", "\"1\""), b"x"),
    ] {
        assert_ne!(same, other);
    }
}
