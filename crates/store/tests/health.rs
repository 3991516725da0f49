//! The health log and the figures behind a score, on both databases.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use connectus_core::{
    HealthLogId, IntegrationId, Page, TenantCtx, Timestamp,
    health::{HealthLog, Severity},
    integration::{Integration, IntegrationStatus},
};
use connectus_store::{health_logs::HealthLogFilter, providers::Provider, usage::CallCounts};
use connectus_testkit::{TestStore, both};
use serde_json::{Map, json};

/// Runs a piece of work as one transaction.
macro_rules! write {
    ($db:expr, $tx:ident => $body:expr) => {
        $db.store.write(move |$tx| Box::pin(async move { Ok($body.await?) })).await
    };
}

async fn integration(db: &TestStore, name: &str) -> (TenantCtx, IntegrationId) {
    let ctx = db.tenant(name).await.unwrap();
    let id: IntegrationId = db.sim.env.id();
    let provider = Provider {
        name: "hubspot".into(),
        display_name: "HubSpot".into(),
        category: "crm".into(),
        auth_type: "oauth2".into(),
        pack_hash: "h".into(),
        view: json!({}),
        capabilities: json!({}),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    };
    let new = Integration {
        id: id.clone(),
        tenant: ctx.tenant().clone(),
        provider: "hubspot".into(),
        provider_version: None,
        name: name.into(),
        status: IntegrationStatus::Connected,
        settings: Map::new(),
        sync_config: Map::new(),
        health_score: 100,
        api_calls_today: 0,
        api_calls_limit: 1000,
        last_error: None,
        created_by: None,
        created_at: db.sim.env.now(),
        updated_at: db.sim.env.now(),
        version: 1,
    };
    write!(db, tx => async {
        tx.put_provider(&provider).await?;
        tx.insert_integration(&new).await
    })
    .unwrap();
    (ctx, id)
}

fn problem(db: &TestStore, key: &(TenantCtx, IntegrationId), code: &str) -> HealthLog {
    HealthLog {
        id: db.sim.env.id(),
        tenant: key.0.tenant().clone(),
        integration: Some(key.1.clone()),
        severity: Severity::High,
        operation: "sync".into(),
        code: code.into(),
        message: format!("at {}", db.sim.env.now()),
        suggestion: "Look.".into(),
        run: None,
        occurrences: 1,
        created_at: db.sim.env.now(),
        last_at: db.sim.env.now(),
        resolved_at: None,
        resolved_by: None,
    }
}

async fn enter(db: &TestStore, log: HealthLog) -> HealthLog {
    write!(db, tx => tx.open_health_log(&log)).unwrap()
}

async fn resolve(db: &TestStore, ctx: &TenantCtx, id: &HealthLogId) -> Option<HealthLog> {
    let (ctx, id) = (ctx.clone(), id.clone());
    write!(db, tx => tx.resolve_health_log(&ctx, &id)).unwrap()
}

async fn list(db: &TestStore, ctx: &TenantCtx, filter: HealthLogFilter) -> Vec<HealthLog> {
    let mut conn = db.store.read().await.unwrap();
    let found = conn.health_logs(ctx, &filter, Page::default()).await.unwrap();
    assert_eq!(found.items.len() as u64, found.total_count);
    found.items
}

both! {
    async fn an_open_problem_counts_up_and_a_resolved_one_begins_anew(db: TestStore) {
        let key = integration(&db, "Ours").await;
        let first = enter(&db, problem(&db, &key, "timeout")).await;
        db.sim.clock.advance_secs(60);
        let again = enter(&db, problem(&db, &key, "timeout")).await;
        assert_eq!((&again.id, again.occurrences), (&first.id, 2));
        assert_eq!((again.created_at, again.last_at), (first.created_at, db.sim.env.now()));
        assert!(again.message.contains("09:01"), "the newest words count: {}", again.message);
        let other = enter(&db, problem(&db, &key, "rate_limited")).await;
        assert_eq!(other.occurrences, 1);
        let closed = resolve(&db, &key.0, &first.id).await.unwrap();
        assert_eq!(closed.resolved_by.as_deref(), Some("system"));
        assert!(resolve(&db, &key.0, &first.id).await.is_none(), "once is enough");
        let fresh = enter(&db, problem(&db, &key, "timeout")).await;
        assert!(fresh.id != first.id && fresh.occurrences == 1);
    }

    async fn problems_without_an_integration_count_up_too(db: TestStore) {
        let key = integration(&db, "Ours").await;
        let nobody = |log: HealthLog| HealthLog { integration: None, ..log };
        enter(&db, nobody(problem(&db, &key, "storage_full"))).await;
        let again = enter(&db, nobody(problem(&db, &key, "storage_full"))).await;
        assert_eq!(again.occurrences, 2);
    }

    async fn listings_filter_and_tenants_are_apart(db: TestStore) {
        let ours = integration(&db, "Ours").await;
        let theirs = integration(&db, "Theirs").await;
        let low = HealthLog { severity: Severity::Low, ..problem(&db, &ours, "conflict") };
        let low = enter(&db, low).await;
        let high = enter(&db, problem(&db, &ours, "forbidden")).await;
        let foreign = enter(&db, problem(&db, &theirs, "forbidden")).await;
        assert_eq!(foreign.occurrences, 1, "the same code elsewhere is another problem");
        resolve(&db, &ours.0, &low.id).await.unwrap();
        let all = HealthLogFilter::default();
        assert_eq!(list(&db, &ours.0, all.clone()).await.len(), 2);
        let open = HealthLogFilter { open: Some(true), ..all.clone() };
        assert_eq!(list(&db, &ours.0, open).await[0].id, high.id);
        let closed = HealthLogFilter { open: Some(false), ..all.clone() };
        assert_eq!(list(&db, &ours.0, closed).await[0].id, low.id);
        let severe = HealthLogFilter { severity: Some(Severity::High), ..all.clone() };
        assert_eq!(list(&db, &ours.0, severe).await.len(), 1);
        let elsewhere = HealthLogFilter { integration: Some(theirs.1.clone()), ..all };
        assert!(list(&db, &ours.0, elsewhere).await.is_empty());
        assert!(resolve(&db, &ours.0, &foreign.id).await.is_none());
    }

    async fn figures_count_the_window_and_what_is_still_open(db: TestStore) {
        let key = integration(&db, "Ours").await;
        let other = integration(&db, "Theirs").await;
        enter(&db, problem(&db, &other, "timeout")).await;
        let critical = |log: HealthLog| HealthLog { severity: Severity::Critical, ..log };
        enter(&db, critical(problem(&db, &key, "reauth_required"))).await;
        db.sim.clock.advance_secs(8 * 86_400);
        for _ in 0..3 {
            enter(&db, problem(&db, &key, "timeout")).await;
        }
        let now = db.sim.env.now();
        for day in [now.plus_secs(-8 * 86_400).day(), now.plus_secs(-86_400).day(), now.day()] {
            let (tenant, id) = (key.0.tenant().clone(), key.1.clone());
            let counts = CallCounts { calls: 10, ..CallCounts::default() };
            write!(db, tx => tx.add_usage(&tenant, &id, &day, counts)).unwrap();
        }
        let mut conn = db.store.read().await.unwrap();
        let since = now.plus_secs(-7 * 86_400);
        let figures = conn.health_figures(&key.0, Some(&key.1), since, now).await.unwrap();
        let [only] = figures.as_slice() else { panic!("{figures:?}") };
        assert_eq!((only.inputs.calls, only.inputs.api_calls_today), (20, 10));
        assert_eq!((only.inputs.errors.high, only.inputs.errors.critical), (3, 0));
        assert_eq!((only.inputs.unresolved_critical, only.open_problems), (1, 2));
        assert_eq!(only.inputs.api_calls_limit, 1000);
        let all = conn.health_figures(&key.0, None, since, now).await.unwrap();
        assert_eq!(all.len(), 1, "only the tenant's own");
    }
}
