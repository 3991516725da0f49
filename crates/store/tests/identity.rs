//! The audit chain, and the claims of idempotency keys.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use connectus_core::{
    ApiKeyId, Code, RequestId, TenantCtx, Timestamp, UserId,
    access::Role,
    audit::{Break, BreakReason, Verified},
    event::EventType,
};
use connectus_store::{
    Database, Store,
    api_keys::ApiKey,
    audit::AuditFilter,
    request::{self, Claim, Request},
};
use connectus_testkit::both;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

async fn act(store: &Store, ctx: &TenantCtx, target: &str) -> connectus_core::Result<()> {
    let (ctx, target) = (ctx.clone(), target.to_owned());
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.happened(&ctx, EventType::UserUpdated, &target, json!({"n": 1.5})).await
            })
        })
        .await
}

async fn verify(store: &Store, ctx: &TenantCtx) -> Result<Verified, Break> {
    store.read().await.unwrap().verify_audit(ctx).await.unwrap()
}

/// What someone with the database's password can do.
async fn tamper(database: &Database, sql: String) {
    match database {
        Database::Sqlite(path) => {
            let mut conn = connectus_sqlite::Options::new(path).open().unwrap();
            sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        }
        Database::Postgres(url) => {
            let mut conn = sqlx::PgConnection::connect(url).await.unwrap();
            sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        }
    }
}

fn claim(ctx: &TenantCtx, fence: &str) -> Claim {
    Claim {
        tenant: ctx.tenant().clone(),
        principal: "user:usr_1".to_owned(),
        route: "things.create".to_owned(),
        key: "k".to_owned(),
        fence: fence.to_owned(),
    }
}

async fn take(store: &Store, claim: &Claim, until: Timestamp) -> bool {
    let claim = claim.clone();
    let held = store
        .write(move |tx| Box::pin(async move { Ok(tx.claim_key(&claim, "hash", until).await?) }));
    held.await.unwrap().is_none()
}

async fn under(store: &Store, ctx: &TenantCtx, claim: &Claim) -> connectus_core::Result<()> {
    let request = Request { id: RequestId::trusted("req_1"), claim: Some(claim.clone()) };
    request::scope(request, act(store, ctx, "usr_9")).await
}

both! {
    async fn records_chain_without_gaps_even_when_writers_race(db: TestStore) {
        let ctx = db.tenant("Racers").await.unwrap();
        let before = verify(&db.store, &ctx).await.unwrap().records;
        let acts = (0..40).map(|n| {
            let (store, ctx) = (db.store.clone(), ctx.clone());
            tokio::spawn(async move { act(&store, &ctx, &format!("usr_{n}")).await })
        });
        for act in acts.collect::<Vec<_>>() {
            act.await.unwrap().unwrap();
        }
        let verified = verify(&db.store, &ctx).await.unwrap();
        assert_eq!(verified.records, before + 40);
    }

    async fn every_kind_of_tampering_shows(db: TestStore) {
        let cases = [
            ("UPDATE audit SET detail = '{\"n\":2.5}'", 3, BreakReason::Altered),
            ("UPDATE audit SET actor = 'user:usr_else'", 3, BreakReason::Altered),
            ("UPDATE audit SET outcome = 'denied'", 3, BreakReason::Altered),
            ("UPDATE audit SET at = at + 1", 3, BreakReason::Altered),
            ("UPDATE audit SET hash = previous", 3, BreakReason::Altered),
            ("UPDATE audit SET seq = 99", 3, BreakReason::Missing),
            ("DELETE FROM audit", 3, BreakReason::Missing),
            ("DELETE FROM audit", 5, BreakReason::Truncated),
        ];
        for (index, (sql, seq, reason)) in cases.into_iter().enumerate() {
            let ctx = db.tenant(&format!("Tenant {index}")).await.unwrap();
            let mut head = verify(&db.store, &ctx).await.unwrap().records;
            while head < 5 {
                act(&db.store, &ctx, "usr_1").await.unwrap();
                head += 1;
            }
            verify(&db.store, &ctx).await.unwrap();
            let row = format!("tenant_id = '{}' AND seq = {seq}", ctx.tenant());
            tamper(&db.database, format!("{sql} WHERE {row}")).await;
            let broken = verify(&db.store, &ctx).await.unwrap_err();
            assert_eq!(broken, Break { seq, reason }, "{sql}");
        }
    }

    async fn what_is_undone_leaves_no_record(db: TestStore) {
        let ctx = db.tenant("Calm").await.unwrap();
        let before = verify(&db.store, &ctx).await.unwrap();
        let own = ctx.clone();
        let undone = db.store.write::<(), _>(move |tx| {
            Box::pin(async move {
                tx.audit(&own, "user.updated", "usr_1", json!({})).await?;
                Err(connectus_core::Error::not_found("user"))
            })
        });
        undone.await.unwrap_err();
        assert_eq!(verify(&db.store, &ctx).await.unwrap(), before);
    }

    async fn the_log_is_filtered_and_never_foreign(db: TestStore) {
        let (ours, theirs) = (db.tenant("Ours").await.unwrap(), db.tenant("Theirs").await.unwrap());
        act(&db.store, &ours, "usr_1").await.unwrap();
        act(&db.store, &ours, "usr_2").await.unwrap();
        act(&db.store, &theirs, "usr_1").await.unwrap();
        let mut conn = db.store.read().await.unwrap();
        let page = connectus_core::Page::default();
        let filter = AuditFilter { target: "usr_1".to_owned(), ..AuditFilter::default() };
        let found = conn.audit_page(&ours, &filter, page).await.unwrap();
        assert_eq!((found.items.len(), found.total_count), (1, 1));
        assert_eq!(found.items[0].record.tenant, *ours.tenant());
        let now = db.sim.env.now();
        let until = AuditFilter { until: now, ..AuditFilter::default() };
        assert_eq!(conn.audit_page(&ours, &until, page).await.unwrap().total_count, 0);
        let action = "user.updated".to_owned();
        let from = AuditFilter { from: now, action, ..AuditFilter::default() };
        assert_eq!(conn.audit_page(&ours, &from, page).await.unwrap().total_count, 2);
    }

    async fn an_effect_and_its_key_commit_together(db: TestStore) {
        let ctx = db.tenant("Ours").await.unwrap();
        let (first, second) = (claim(&ctx, "first"), claim(&ctx, "second"));
        let until = db.sim.env.now().plus_secs(60);
        assert!(take(&db.store, &first, until).await);
        assert!(!take(&db.store, &second, until).await, "a key was claimed twice");
        under(&db.store, &ctx, &first).await.unwrap();
        // Applied: giving the key up is no longer possible.
        let own = first.clone();
        let forget =
            db.store.write(move |tx| Box::pin(async move { Ok(tx.forget_key(&own).await?) }));
        assert!(!forget.await.unwrap());
        let again = second.clone();
        let held = db.store.write(move |tx| {
            Box::pin(async move { Ok(tx.claim_key(&again, "hash", until).await?) })
        });
        let held = held.await.unwrap().unwrap();
        assert_eq!((held.state.as_str(), held.subject.as_str()), ("applied", "usr_9"));
    }

    /// A request so slow that another one took its key over must not have its effect any more.
    async fn a_claim_that_was_taken_over_has_no_effect(db: TestStore) {
        let ctx = db.tenant("Ours").await.unwrap();
        let (slow, next) = (claim(&ctx, "slow"), claim(&ctx, "next"));
        let until = db.sim.env.now().plus_secs(60);
        assert!(take(&db.store, &slow, until).await);
        let own = next.clone();
        let reclaim = db
            .store
            .write(move |tx| Box::pin(async move { Ok(tx.reclaim_key(&own, until).await?) }));
        reclaim.await.unwrap();
        let before = verify(&db.store, &ctx).await.unwrap();
        let late = under(&db.store, &ctx, &slow).await.unwrap_err();
        assert_eq!(late.code, Code::InFlight);
        assert_eq!(verify(&db.store, &ctx).await.unwrap(), before, "a late effect was kept");
        under(&db.store, &ctx, &next).await.unwrap();
    }

    /// Half an effect must not mark the key: the mark and the effect are one.
    async fn a_failed_effect_leaves_its_key_claimed(db: TestStore) {
        let ctx = db.tenant("Ours").await.unwrap();
        let first = claim(&ctx, "first");
        assert!(take(&db.store, &first, db.sim.env.now().plus_secs(60)).await);
        let request = Request { id: RequestId::trusted("req_1"), claim: Some(first.clone()) };
        let failing = db
            .store
            .write::<(), _>(|_| Box::pin(async { Err(connectus_core::Error::not_found("thing")) }));
        request::scope(request, failing).await.unwrap_err();
        let forget =
            db.store.write(move |tx| Box::pin(async move { Ok(tx.forget_key(&first).await?) }));
        assert!(forget.await.unwrap());
    }

    async fn a_key_cannot_act_for_a_person_of_another_tenant(db: TestStore) {
        let ours = db.tenant("Ours").await.unwrap();
        let now = db.sim.env.now();
        let key = ApiKey {
            id: ApiKeyId::trusted("key_1"),
            tenant: ours.tenant().clone(),
            name: "script".to_owned(),
            prefix: "cnx_1".to_owned(),
            role: Role::Owner,
            user: Some(UserId::trusted("usr_of_another_tenant")),
            created_at: now,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        let insert = db
            .store
            .write(move |tx| Box::pin(async move { Ok(tx.insert_api_key(&key, "hash").await?) }));
        assert_eq!(insert.await.unwrap_err().code, Code::NotFound);
    }
}
