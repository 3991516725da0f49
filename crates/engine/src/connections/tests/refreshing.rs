//! Refreshes: once for everyone, through crashes, and never in a loop.

use connectus_connect::CredentialSource;
use connectus_core::{Code, integration::IntegrationStatus};
use connectus_sandbox::{Fault, FaultKind};
use connectus_store::credentials::CredentialState;
use connectus_testkit::both;
use futures::{FutureExt, future::join_all};
use secrecy::ExposeSecret;

use super::*;

/// Beyond the end of HubSpot's tokens, which live half an hour.
const EXPIRED_SECS: i64 = 1801;

async fn take_lease(rig: &Rig, id: &IntegrationId) {
    let stored = rig.db.store.read().await.unwrap().credential(&rig.ctx, id).await;
    let generation = stored.unwrap().unwrap().generation;
    let (ctx, id, stale) = (rig.ctx.clone(), id.clone(), rig.db.sim.env.now().plus_secs(-60));
    let lease = rig.db.store.write(move |tx| {
        async move { Ok(tx.lease_refresh(&ctx, &id, generation, stale).await?) }.boxed()
    });
    assert!(lease.await.unwrap().is_some());
}

both! {
    async fn two_hundred_callers_cause_one_refresh(db: TestStore) {
        let rig = Rig::with(&db, |config| config.slack_token_rotation = true).await;
        let id = rig.connected("slack").await;
        db.sim.clock.advance_secs(12 * 3600);
        let source = rig.source(&rig.connections, &id).await;
        let all = join_all((0..200).map(|_| source.access())).await;
        let tokens: std::collections::BTreeSet<_> = all
            .into_iter()
            .map(|access| access.unwrap().secrets.need("access_token").unwrap().clone())
            .map(|token| token.expose_secret().to_owned())
            .collect();
        assert_eq!((tokens.len(), rig.exchanges()), (1, 1));
        // The rotated refresh token was kept: the next refresh works too.
        db.sim.clock.advance_secs(12 * 3600);
        source.access().await.unwrap();
        assert_eq!(rig.exchanges(), 2);
        assert_eq!(rig.view(&id).await.integration.status, IntegrationStatus::Connected);
    }

    async fn processes_refresh_once_together(db: TestStore) {
        let rig = Rig::with(&db, |config| config.slack_token_rotation = true).await;
        let id = rig.connected("slack").await;
        db.sim.clock.advance_secs(12 * 3600);
        let mut sources = Vec::new();
        for _ in 0..4 {
            sources.push(rig.source(&rig.another_process(), &id).await);
        }
        let all = join_all(sources.iter().map(|source| source.access())).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert_eq!(rig.exchanges(), 1);
        let (renewed, refused) = (sources[0].access().await.unwrap(), 1);
        assert!(renewed.generation > refused);
    }

    async fn a_refused_generation_is_refreshed_once(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        let source = rig.source(&rig.connections, &id).await;
        let refused = source.access().await.unwrap().generation;
        let all = join_all((0..20).map(|_| source.renew(refused))).await;
        assert!(all.iter().all(|access| access.as_ref().unwrap().generation == refused + 1));
        assert_eq!(rig.exchanges(), 1);
    }

    async fn a_caller_that_goes_away_loses_no_token(db: TestStore) {
        let rig = Rig::with(&db, |config| config.slack_token_rotation = true).await;
        let id = rig.connected("slack").await;
        let before = rig.view(&id).await.credential.unwrap();
        db.sim.clock.advance_secs(12 * 3600);
        let source = rig.source(&rig.connections, &id).await;
        let abandoned = source.access().now_or_never();
        assert!(abandoned.is_none(), "a refresh takes more than one poll");
        rig.connections.close().await;
        assert_eq!(rig.exchanges(), 1);
        assert!(rig.view(&id).await.credential.unwrap().expires_at > before.expires_at);
        source.access().await.unwrap();
        assert_eq!(rig.exchanges(), 1, "the tokens were stored");
    }

    async fn a_process_that_died_is_retried_once_and_then_a_person_is_asked(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        db.sim.clock.advance_secs(EXPIRED_SECS);
        take_lease(&rig, &id).await;
        db.sim.clock.advance_secs(61);
        let source = rig.source(&rig.connections, &id).await;
        source.access().await.unwrap();
        assert_eq!(rig.exchanges(), 1, "the dead process's lease was taken over");

        db.sim.clock.advance_secs(EXPIRED_SECS);
        for _ in 0..2 {
            take_lease(&rig, &id).await;
            db.sim.clock.advance_secs(61);
        }
        for _ in 0..3 {
            assert_eq!(source.access().await.unwrap_err().code, Code::ReauthRequired);
        }
        assert_eq!(rig.exchanges(), 1, "no loop");
        assert_eq!(rig.view(&id).await.credential.unwrap().state, CredentialState::Reauth);
    }

    async fn a_withdrawn_grant_raises_one_alarm_and_asks_no_more(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        rig.handle().revoke_grants();
        db.sim.clock.advance_secs(EXPIRED_SECS);
        let source = rig.source(&rig.connections, &id).await;
        for _ in 0..5 {
            assert_eq!(source.access().await.unwrap_err().code, Code::ReauthRequired);
        }
        assert_eq!(rig.exchanges(), 1);
        let view = rig.view(&id).await;
        assert_eq!(view.integration.status, IntegrationStatus::Error);
        assert_eq!(view.integration.health_score, 40, "a critical problem caps the score");
        assert!(view.integration.last_error.is_some());
        let refused = rig.connections.open(&rig.ctx, &id).await.map(drop).unwrap_err();
        assert_eq!(refused.code, Code::ReauthRequired);
        let names = rig.event_names().await;
        for name in ["credential.rejected", "health.logged", "integration.health.changed"] {
            assert_eq!(
                names.iter().filter(|known| **known == name).count(),
                1,
                "{name}: {names:?}"
            );
        }
        // Connecting again clears it all.
        let back = rig.approve("hubspot", &id).await;
        rig.connections.finish_authorize(&rig.ctx, back).await.unwrap();
        let view = rig.view(&id).await;
        assert_eq!(view.integration.status, IntegrationStatus::Connected);
        assert_eq!((view.integration.health_score, view.integration.last_error), (100, None));
        assert!(rig.connections.open(&rig.ctx, &id).await.is_ok());
    }

    async fn a_provider_that_is_down_costs_nothing_while_the_token_lives(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        let down = FaultKind::Status { status: 503 };
        let source = rig.source(&rig.connections, &id).await;
        // Four minutes before its end a refresh is due, but the token still works.
        db.sim.clock.advance_secs(1800 - 240);
        rig.handle().fault(Fault::on("POST", "/oauth/v3/token", down.clone()));
        let access = source.access().await.unwrap();
        assert_eq!(rig.exchanges(), 1);
        db.sim.clock.advance_secs(300);
        rig.handle().fault(Fault::on("POST", "/oauth/v3/token", down));
        let failed = source.access().await.unwrap_err();
        assert!(failed.is_transient(), "{failed}");
        // Nothing is left behind: the next try refreshes.
        let renewed = source.access().await.unwrap();
        assert_eq!(renewed.generation, access.generation + 1);
        assert_eq!(rig.view(&id).await.integration.status, IntegrationStatus::Connected);
    }

    async fn an_answer_lost_on_the_way_never_ends_in_a_loop(db: TestStore) {
        let rig = Rig::with(&db, |config| config.slack_token_rotation = true).await;
        for (provider, path, survives) in
            [("hubspot", "/oauth/v3/token", true), ("slack", "/api/oauth.v2.access", false)]
        {
            let id = rig.connected(provider).await;
            db.sim.clock.advance_secs(13 * 3600);
            rig.handle().fault(Fault::on("POST", path, FaultKind::Drop).after_effect());
            let source = rig.source(&rig.connections, &id).await;
            assert!(source.access().await.unwrap_err().is_transient(), "{provider}");
            // A refresh token that rotates was used up; one that stays works again.
            for _ in 0..5 {
                assert_eq!(source.access().await.is_ok(), survives, "{provider}");
            }
            assert_eq!(rig.exchanges(), 2, "{provider}: one lost, one to find out");
            let state = rig.view(&id).await.credential.unwrap().state;
            assert_eq!(state == CredentialState::Active, survives, "{provider}");
        }
    }

    async fn a_pasted_token_is_not_refreshed(db: TestStore) {
        let rig = Rig::new(&db).await;
        let token = json!({"access_token": rig.handle().keys().hubspot_token});
        let id = rig.create("hubspot", token).await.unwrap().integration.id;
        let source = rig.source(&rig.connections, &id).await;
        let access = source.access().await.unwrap();
        assert_eq!((access.method.as_deref(), access.expires_at), (Some("private_app"), None));
        assert_eq!(source.renew(access.generation).await.unwrap_err().code, Code::ReauthRequired);
        assert_eq!(rig.exchanges(), 0);
    }
}
