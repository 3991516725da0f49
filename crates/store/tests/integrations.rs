//! Providers, integrations, webhook addresses and usage, on both databases.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use connectus_core::{
    Code, EndpointId, Error, IntegrationId, Page, TenantCtx, Timestamp, UserId,
    integration::{Integration, IntegrationStatus},
};
use connectus_store::{
    integrations::IntegrationFilter,
    providers::Provider,
    usage::{CallCounts, UsageFilter},
    webhook_endpoints::WebhookEndpoint,
};
use connectus_testkit::{TestStore, both};
use serde_json::json;

/// Runs a piece of work as one transaction.
macro_rules! write {
    ($db:expr, $tx:ident => $body:expr) => {
        $db.store.write(move |$tx| Box::pin(async move { Ok($body.await?) })).await
    };
}

fn provider(name: &str, category: &str) -> Provider {
    Provider {
        name: name.into(),
        display_name: name.to_uppercase(),
        category: category.into(),
        auth_type: "oauth2".into(),
        pack_hash: "h1".into(),
        view: json!({"name": name}),
        capabilities: json!({"provider": name}),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

fn integration(db: &TestStore, ctx: &TenantCtx, provider: &str, name: &str) -> Integration {
    Integration {
        id: db.sim.env.id(),
        tenant: ctx.tenant().clone(),
        provider: provider.into(),
        provider_version: None,
        name: name.into(),
        status: IntegrationStatus::Pending,
        settings: json!({"base_url": "https://crm.example.com"}).as_object().unwrap().clone(),
        sync_config: serde_json::Map::new(),
        health_score: 100,
        api_calls_today: 0,
        api_calls_limit: 500,
        last_error: None,
        created_by: None,
        created_at: db.sim.env.now(),
        updated_at: db.sim.env.now(),
        version: 1,
    }
}

async fn add(db: &TestStore, new: Integration) -> IntegrationId {
    let id = new.id.clone();
    write!(db, tx => tx.insert_integration(&new)).unwrap();
    db.sim.clock.advance_secs(1);
    id
}

async fn providers(db: &TestStore) {
    for (name, category) in [("hubspot", "crm"), ("slack", "communication")] {
        let one = provider(name, category);
        write!(db, tx => tx.put_provider(&one)).unwrap();
    }
}

both! {
    async fn a_provider_is_written_once_and_again_when_its_pack_changed(db: TestStore) {
        let first = provider("hubspot", "crm");
        let mut put = first.clone();
        assert!(write!(db, tx => tx.put_provider(&put)).unwrap());
        put = first.clone();
        assert!(!write!(db, tx => tx.put_provider(&put)).unwrap());
        let began = db.sim.env.now();
        db.sim.clock.advance_secs(60);
        put = Provider { pack_hash: "h2".into(), view: json!({"new": true}), ..first };
        assert!(write!(db, tx => tx.put_provider(&put)).unwrap());
        let stored = db.store.read().await.unwrap().provider("hubspot").await.unwrap().unwrap();
        assert_eq!(stored.view, json!({"new": true}));
        assert_eq!((stored.created_at, stored.updated_at), (began, began.plus_secs(60)));
        assert!(db.store.read().await.unwrap().provider("nobody").await.unwrap().is_none());
    }

    async fn providers_are_listed_by_category(db: TestStore) {
        providers(&db).await;
        let mut conn = db.store.read().await.unwrap();
        let names = |found: Vec<Provider>| -> Vec<String> {
            found.into_iter().map(|one| one.name).collect()
        };
        assert_eq!(names(conn.providers(None).await.unwrap()), ["hubspot", "slack"]);
        assert_eq!(names(conn.providers(Some("crm")).await.unwrap()), ["hubspot"]);
        assert!(conn.providers(Some("other")).await.unwrap().is_empty());
    }

    async fn integrations_are_filtered_paged_and_kept_apart_by_tenant(db: TestStore) {
        providers(&db).await;
        let ours = db.tenant("Ours").await.unwrap();
        let theirs = db.tenant("Theirs").await.unwrap();
        let mine = UserId::trusted("usr_1");
        let first = add(&db, integration(&db, &ours, "hubspot", "A")).await;
        let mut second = integration(&db, &ours, "slack", "B");
        second.created_by = Some(mine.clone());
        second.status = IntegrationStatus::Connected;
        let second = add(&db, second).await;
        let foreign = add(&db, integration(&db, &theirs, "hubspot", "C")).await;

        let now = db.sim.env.now();
        let mut conn = db.store.read().await.unwrap();
        let list = |filter: IntegrationFilter| (filter, Page::default());
        let cases = [
            (list(IntegrationFilter::default()), vec![&second, &first]),
            (
                list(IntegrationFilter { provider: Some("slack".into()), ..Default::default() }),
                vec![&second],
            ),
            (
                list(IntegrationFilter {
                    status: Some(IntegrationStatus::Pending),
                    ..Default::default()
                }),
                vec![&first],
            ),
            (
                list(IntegrationFilter { created_by: Some(mine), ..Default::default() }),
                vec![&second],
            ),
        ];
        for ((filter, page), expected) in cases {
            let found = conn.integrations(&ours, &filter, page, now).await.unwrap();
            let ids: Vec<_> = found.items.iter().map(|one| &one.integration.id).collect();
            assert_eq!(ids, expected, "{filter:?}");
            assert_eq!(found.total_count, expected.len() as u64);
        }
        let page = Page { limit: 1, offset: 1 };
        let found =
            conn.integrations(&ours, &IntegrationFilter::default(), page, now).await.unwrap();
        assert_eq!((found.items.len(), found.total_count), (1, 2));
        assert_eq!(found.items[0].integration.id, first);
        assert!(conn.integration(&ours, &foreign).await.unwrap().is_none());
        drop(conn);
        let (ctx, id) = (ours.clone(), foreign.clone());
        assert!(!write!(db, tx => tx.delete_integration(&ctx, &id)).unwrap());
        assert!(
            db.store.read().await.unwrap().integration(&theirs, &foreign).await.unwrap().is_some()
        );
    }

    async fn an_update_of_an_old_version_changes_nothing(db: TestStore) {
        providers(&db).await;
        let ctx = db.tenant("Ours").await.unwrap();
        let id = add(&db, integration(&db, &ctx, "hubspot", "A")).await;
        let read = db.store.read().await.unwrap().integration(&ctx, &id).await.unwrap().unwrap();
        let mut changed = read.clone();
        changed.name = "B".into();
        let first = changed.clone();
        assert_eq!(write!(db, tx => tx.update_integration(&first)).unwrap(), Some(2));
        changed.name = "C".into();
        assert_eq!(write!(db, tx => tx.update_integration(&changed)).unwrap(), None);
        let now = db.store.read().await.unwrap().integration(&ctx, &id).await.unwrap().unwrap();
        assert_eq!((now.name.as_str(), now.version), ("B", 2));
    }

    async fn a_status_that_stays_is_no_change(db: TestStore) {
        providers(&db).await;
        let ctx = db.tenant("Ours").await.unwrap();
        let id = add(&db, integration(&db, &ctx, "hubspot", "A")).await;
        for (status, error, moves) in [
            (IntegrationStatus::Error, Some("refused"), true),
            (IntegrationStatus::Error, Some("refused"), false),
            (IntegrationStatus::Error, Some("again"), true),
            (IntegrationStatus::Connected, None, true),
            (IntegrationStatus::Connected, None, false),
        ] {
            let (ctx, id) = (ctx.clone(), id.clone());
            let moved = write!(db, tx => tx.set_integration_status(&ctx, &id, status, error));
            assert_eq!(moved.unwrap(), moves, "{status} {error:?}");
        }
    }

    async fn an_unknown_provider_and_a_foreign_endpoint_cannot_be_stored(db: TestStore) {
        providers(&db).await;
        let ours = db.tenant("Ours").await.unwrap();
        let theirs = db.tenant("Theirs").await.unwrap();
        let new = integration(&db, &ours, "nobody", "A");
        let refused: Error = write!(db, tx => tx.insert_integration(&new)).unwrap_err();
        assert_eq!(refused.code, Code::NotFound);
        let id = add(&db, integration(&db, &ours, "hubspot", "A")).await;
        let endpoint = WebhookEndpoint {
            id: db.sim.env.id(),
            integration: id.clone(),
            provider: "hubspot".into(),
            sealed: "s".into(),
            created_at: db.sim.env.now(),
        };
        let (ctx, row) = (theirs.clone(), endpoint.clone());
        assert!(write!(db, tx => tx.put_webhook_endpoint(&ctx, &row)).is_err());
        let (ctx, row) = (ours.clone(), endpoint.clone());
        write!(db, tx => tx.put_webhook_endpoint(&ctx, &row)).unwrap();
        let mut conn = db.store.read().await.unwrap();
        assert!(conn.webhook_endpoint(&theirs, &endpoint.id).await.unwrap().is_none());
        let found = conn.webhook_endpoint_of(&ours, &id).await.unwrap().unwrap();
        assert_eq!(found.id, endpoint.id);
        let view = conn.integration_view(&ours, &id, db.sim.env.now()).await.unwrap().unwrap();
        assert_eq!(view.endpoint, Some(endpoint.id));
        let unknown = EndpointId::trusted("hook_none");
        assert!(conn.webhook_endpoint(&ours, &unknown).await.unwrap().is_none());
    }

    async fn calls_add_up_by_day_and_vanish_with_their_integration(db: TestStore) {
        providers(&db).await;
        let ctx = db.tenant("Ours").await.unwrap();
        let id = add(&db, integration(&db, &ctx, "hubspot", "A")).await;
        let counts = CallCounts { calls: 3, failures: 1, throttled: 1, saved_calls: 2, millis: 90 };
        let today = db.sim.env.now().day();
        for day in ["2026-01-01", &today, &today] {
            let (tenant, id, day) = (ctx.tenant().clone(), id.clone(), day.to_owned());
            write!(db, tx => tx.add_usage(&tenant, &id, &day, counts)).unwrap();
        }
        let filter = |from: &str, to: &str| UsageFilter {
            integration: None,
            from: from.into(),
            to: to.into(),
        };
        let mut conn = db.store.read().await.unwrap();
        let all = filter("2026-01-01", "2026-12-31");
        let (found, total) = conn.usage(&ctx, &all, Page::default()).await.unwrap();
        assert_eq!((found.total_count, total.calls, total.millis), (2, 9, 270));
        assert_eq!(found.items[0].day, today);
        assert_eq!(found.items[0].counts.saved_calls, 4);
        let (_, none) =
            conn.usage(&ctx, &filter("2025-01-01", "2025-12-31"), Page::default()).await.unwrap();
        assert_eq!(none, CallCounts::default());
        let view = conn.integration_view(&ctx, &id, db.sim.env.now()).await.unwrap().unwrap();
        assert_eq!(view.integration.api_calls_today, 6);
        drop(conn);
        let (owner, gone) = (ctx.clone(), id.clone());
        write!(db, tx => tx.delete_integration(&owner, &gone)).unwrap();
        let (tenant, gone) = (ctx.tenant().clone(), id.clone());
        write!(db, tx => tx.add_usage(&tenant, &gone, "2026-01-02", counts)).unwrap();
        let (_, left) =
            db.store.read().await.unwrap().usage(&ctx, &all, Page::default()).await.unwrap();
        assert_eq!(left, CallCounts::default(), "counts of a deleted integration are dropped");
    }
}
