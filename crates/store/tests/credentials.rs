//! Sealed credentials, the lease of a refresh, and OAuth states, on both databases.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use connectus_core::{CredentialId, IntegrationId, TenantCtx, TenantId, Timestamp};
use connectus_store::{
    credentials::{CredentialState, NewCredential, RefreshLease, SealedCredential},
    oauth_states::OAuthState,
    providers::Provider,
};
use connectus_testkit::{TestStore, both};
use serde_json::{Map, json};

/// Runs a piece of work as one transaction.
macro_rules! write {
    ($db:expr, $tx:ident => $body:expr) => {
        $db.store.write(move |$tx| Box::pin(async move { Ok($body.await?) })).await
    };
}

/// An integration of a tenant, with a credential of generation 1.
async fn credential(db: &TestStore) -> (TenantCtx, IntegrationId) {
    let ctx = db.tenant("Ours").await.unwrap();
    let (id, tenant): (IntegrationId, TenantId) = (db.sim.env.id(), ctx.tenant().clone());
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
    let integration = connectus_core::integration::Integration {
        id: id.clone(),
        tenant,
        provider: "hubspot".into(),
        provider_version: None,
        name: "A".into(),
        status: connectus_core::integration::IntegrationStatus::Pending,
        settings: Map::new(),
        sync_config: Map::new(),
        health_score: 100,
        api_calls_today: 0,
        api_calls_limit: 0,
        last_error: None,
        created_by: None,
        created_at: db.sim.env.now(),
        updated_at: db.sim.env.now(),
        version: 1,
    };
    let (owner, target, new) = (ctx.clone(), id.clone(), new(db, CredentialState::Active));
    write!(db, tx => async {
        tx.put_provider(&provider).await?;
        tx.insert_integration(&integration).await?;
        tx.put_credential(&owner, &target, &new).await
    })
    .unwrap();
    (ctx, id)
}

fn new(db: &TestStore, state: CredentialState) -> NewCredential {
    NewCredential {
        id: db.sim.env.id::<CredentialId>(),
        kind: "oauth2".into(),
        state,
        sealed: "sealed-1".into(),
        fields: vec!["access_token".into()],
        origin: None,
        expires_at: Some(db.sim.env.now()),
    }
}

async fn lease(
    db: &TestStore,
    (ctx, id): &(TenantCtx, IntegrationId),
    generation: u64,
) -> Option<RefreshLease> {
    let (ctx, id) = (ctx.clone(), id.clone());
    let stale = db.sim.env.now().plus_secs(-60);
    write!(db, tx => tx.lease_refresh(&ctx, &id, generation, stale)).unwrap()
}

async fn finish(
    db: &TestStore,
    (ctx, id): &(TenantCtx, IntegrationId),
    lease: RefreshLease,
    sealed: &'static str,
) -> bool {
    let (ctx, id) = (ctx.clone(), id.clone());
    let fields = vec!["access_token".to_owned()];
    write!(db, tx => tx.store_refreshed(&ctx, &id, lease, sealed, &fields, None)).unwrap()
}

async fn read(db: &TestStore, (ctx, id): &(TenantCtx, IntegrationId)) -> SealedCredential {
    db.store.read().await.unwrap().credential(ctx, id).await.unwrap().unwrap()
}

both! {
    async fn one_of_many_gets_the_lease(db: TestStore) {
        let key = credential(&db).await;
        let attempts = futures::future::join_all((0..20).map(|_| lease(&db, &key, 1))).await;
        assert_eq!(attempts.iter().flatten().count(), 1);
        let held = attempts.into_iter().flatten().next().unwrap();
        assert_eq!(held.attempts, 1);
        assert!(finish(&db, &key, held, "sealed-2").await);
        let stored = read(&db, &key).await;
        assert_eq!((stored.generation, stored.sealed.as_str()), (2, "sealed-2"));
        assert_eq!((stored.refreshing_since, stored.refresh_attempts), (None, 0));
        assert!(lease(&db, &key, 1).await.is_none(), "generation 1 is gone");
        assert!(lease(&db, &key, 2).await.is_some());
    }

    async fn a_stale_lease_is_taken_over_and_its_holder_can_store_nothing(db: TestStore) {
        let key = credential(&db).await;
        let dead = lease(&db, &key, 1).await.unwrap();
        assert!(lease(&db, &key, 1).await.is_none());
        db.sim.clock.advance_secs(61);
        let heir = lease(&db, &key, 1).await.unwrap();
        assert_eq!(heir.attempts, 2, "the first attempt never reported its end");
        assert!(!finish(&db, &key, dead, "from the dead").await);
        assert!(finish(&db, &key, heir, "sealed-2").await);
        assert_eq!(read(&db, &key).await.sealed, "sealed-2");
    }

    async fn a_released_lease_leaves_no_trace(db: TestStore) {
        let key = credential(&db).await;
        let held = lease(&db, &key, 1).await.unwrap();
        let (ctx, id) = key.clone();
        write!(db, tx => tx.release_refresh(&ctx, &id, held)).unwrap();
        assert_eq!(lease(&db, &key, 1).await.unwrap().attempts, 1);
    }

    async fn a_new_credential_ends_a_refresh_of_the_old_one(db: TestStore) {
        let key = credential(&db).await;
        let held = lease(&db, &key, 1).await.unwrap();
        let (ctx, id) = key.clone();
        let other = NewCredential { sealed: "entered".into(), ..new(&db, CredentialState::Active) };
        write!(db, tx => tx.put_credential(&ctx, &id, &other)).unwrap();
        assert!(!finish(&db, &key, held, "too late").await);
        let stored = read(&db, &key).await;
        assert_eq!((stored.sealed.as_str(), stored.generation), ("entered", 2));
    }

    async fn a_credential_is_retired_once_and_can_come_back(db: TestStore) {
        let key = credential(&db).await;
        for (generation, changes) in [(2, false), (1, true), (1, false)] {
            let (ctx, id) = key.clone();
            let changed = write!(db, tx => tx.retire_credential(&ctx, &id, generation)).unwrap();
            assert_eq!(changed, changes, "generation {generation}");
        }
        assert_eq!(read(&db, &key).await.state, CredentialState::Reauth);
        let (ctx, id) = key.clone();
        assert!(write!(db, tx => tx.revive_credential(&ctx, &id)).unwrap());
        assert_eq!(read(&db, &key).await.state, CredentialState::Active);
    }

    async fn a_foreign_tenant_sees_and_changes_nothing(db: TestStore) {
        let key = credential(&db).await;
        let theirs = (db.tenant("Theirs").await.unwrap(), key.1.clone());
        assert!(
            db.store
                .read()
                .await
                .unwrap()
                .credential(&theirs.0, &theirs.1)
                .await
                .unwrap()
                .is_none()
        );
        assert!(lease(&db, &theirs, 1).await.is_none());
        let (ctx, id) = theirs.clone();
        assert!(!write!(db, tx => tx.retire_credential(&ctx, &id, 1)).unwrap());
    }

    async fn a_state_is_taken_once_by_its_tenant_only(db: TestStore) {
        let key = credential(&db).await;
        let theirs = db.tenant("Theirs").await.unwrap();
        let state = OAuthState {
            integration: key.1.clone(),
            provider: "hubspot".into(),
            session_hash: "s".into(),
            sealed: "v".into(),
            redirect_uri: "https://connectus.example.com/cb".into(),
            return_to: "/".into(),
            expires_at: db.sim.env.now().plus_secs(600),
        };
        let (ctx, kept) = (key.0.clone(), state.clone());
        write!(db, tx => tx.put_oauth_state(&ctx, "h1", &kept)).unwrap();
        let take = async |ctx: &TenantCtx| {
            let ctx = ctx.clone();
            write!(db, tx => tx.take_oauth_state(&ctx, "h1")).unwrap()
        };
        assert!(take(&theirs).await.is_none());
        assert_eq!(take(&key.0).await.unwrap().session_hash, "s");
        assert!(take(&key.0).await.is_none());
        // Keeping the next one sweeps those that have expired.
        let (ctx, kept) = (key.0.clone(), state.clone());
        write!(db, tx => tx.put_oauth_state(&ctx, "h2", &kept)).unwrap();
        db.sim.clock.advance_secs(601);
        let (ctx, kept) = (key.0.clone(), state);
        write!(db, tx => tx.put_oauth_state(&ctx, "h3", &kept)).unwrap();
        let ctx = key.0.clone();
        assert_eq!(write!(db, tx => tx.count_oauth_states(&ctx)).unwrap(), 1);
    }
}
