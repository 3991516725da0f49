//! The OAuth round trip, and every return that must be refused.

use connectus_core::{Code, integration::IntegrationStatus};
use connectus_store::credentials::CredentialState;
use connectus_testkit::both;

use super::*;

type Spoil = fn(&mut AuthorizeReturn);

both! {
    async fn a_round_trip_connects(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.app("hubspot").await;
        let before = rig.view(&id).await;
        assert_eq!(before.integration.status, IntegrationStatus::Pending);
        assert_eq!(before.credential.unwrap().state, CredentialState::Pending);
        let early = rig.connections.open(&rig.ctx, &id).await.map(drop).unwrap_err();
        assert_eq!(early.code, Code::ReauthRequired);

        let back = rig.approve("hubspot", &id).await;
        let (connected, path) = rig.connections.finish_authorize(&rig.ctx, back).await.unwrap();
        assert_eq!((&connected, path.as_str()), (&id, "/integrations"));
        let after = rig.view(&id).await;
        assert_eq!(after.integration.status, IntegrationStatus::Connected);
        let credential = after.credential.unwrap();
        assert_eq!(credential.state, CredentialState::Active);
        assert_eq!(
            credential.fields,
            ["access_token", "client_id", "client_secret", "refresh_token"]
        );
        assert_eq!(credential.expires_at, Some(db.sim.env.now().plus_secs(1800)));
        let report = rig.connections.open(&rig.ctx, &id).await.unwrap().test().await;
        assert!(report.is_ok(), "{report:?}");
        assert!(rig.event_names().await.contains(&"integration.connected"));
    }

    async fn a_return_that_differs_in_anything_is_refused(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.app("hubspot").await;
        let spoils: [(&str, Spoil); 6] = [
            ("no state", |back| back.state.clear()),
            ("another state", |back| back.state = "x".repeat(43)),
            ("another login", |back| back.session = SessionKey::of("login 2")),
            ("another provider", |back| back.provider = "slack".into()),
            ("another address", |back| back.redirect_uri.push('/')),
            ("half a state", |back| back.state.truncate(20)),
        ];
        for (what, spoil) in spoils {
            let mut back = rig.approve("hubspot", &id).await;
            spoil(&mut back);
            let refused = rig.connections.finish_authorize(&rig.ctx, back).await.unwrap_err();
            assert_eq!(refused.code, Code::BadRequest, "{what}");
        }
        let theirs = db.tenant("Theirs").await.unwrap();
        let back = rig.approve("hubspot", &id).await;
        let refused = rig.connections.finish_authorize(&theirs, back).await.unwrap_err();
        assert_eq!(refused.code, Code::BadRequest, "another tenant");
        assert_eq!(rig.exchanges(), 0, "no code may reach the provider");
        assert_eq!(rig.view(&id).await.integration.status, IntegrationStatus::Pending);
    }

    async fn a_state_works_once_and_not_for_ever(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.app("hubspot").await;
        let back = rig.approve("hubspot", &id).await;
        let again = |back: &AuthorizeReturn| AuthorizeReturn {
            provider: back.provider.clone(),
            session: back.session.clone(),
            state: back.state.clone(),
            code: back.code.clone(),
            refusal: None,
            redirect_uri: back.redirect_uri.clone(),
        };
        let replay = again(&back);
        rig.connections.finish_authorize(&rig.ctx, back).await.unwrap();
        let refused = rig.connections.finish_authorize(&rig.ctx, replay).await.unwrap_err();
        assert_eq!(refused.code, Code::BadRequest);
        // A failed return spends the state as well.
        let back = rig.approve("hubspot", &id).await;
        let replay = again(&back);
        let wrong = AuthorizeReturn { session: SessionKey::of("login 2"), ..back };
        assert!(rig.connections.finish_authorize(&rig.ctx, wrong).await.is_err());
        assert!(rig.connections.finish_authorize(&rig.ctx, replay).await.is_err());
        let late = rig.approve("hubspot", &id).await;
        db.sim.clock.advance_secs(601);
        assert!(rig.connections.finish_authorize(&rig.ctx, late).await.is_err());
        assert_eq!(rig.exchanges(), 1);
    }

    async fn a_person_who_says_no_and_a_code_of_another_flow_connect_nothing(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.app("hubspot").await;
        let mut back = rig.approve("hubspot", &id).await;
        (back.code, back.refusal) = (None, Some("access_denied<script>".into()));
        let refused = rig.connections.finish_authorize(&rig.ctx, back).await.unwrap_err();
        assert_eq!(refused.code, Code::ProviderRefused);
        assert!(refused.detail.contains("access_denied"), "{}", refused.detail);
        // A code whose challenge was another flow's: PKCE refuses it at the provider.
        let stolen = rig.approve("hubspot", &id).await.code;
        let mut back = rig.approve("hubspot", &id).await;
        back.code = stolen;
        let refused = rig.connections.finish_authorize(&rig.ctx, back).await.unwrap_err();
        assert_eq!(refused.code, Code::ReauthRequired);
        assert_eq!(rig.view(&id).await.integration.status, IntegrationStatus::Pending);
    }

    async fn a_round_trip_begins_only_where_it_can_end(db: TestStore) {
        let rig = Rig::new(&db).await;
        let app = rig.app("hubspot").await;
        let pasted = rig.create("hubspot", json!({"access_token": "t"})).await.unwrap();
        let begin = |id: &IntegrationId, provider: &str, return_to: &str| BeginAuthorize {
            provider: provider.into(),
            integration: id.clone(),
            session: SessionKey::of("login 1"),
            redirect_uri: REDIRECT.into(),
            return_to: return_to.into(),
        };
        let unknown = IntegrationId::trusted("int_none");
        for (wanted, code) in [
            (begin(&app, "slack", ""), Code::NotFound),
            (begin(&unknown, "hubspot", ""), Code::NotFound),
            (begin(&pasted.integration.id, "hubspot", ""), Code::Invalid),
            (begin(&app, "hubspot", "https://evil.example"), Code::Invalid),
            (begin(&app, "hubspot", "//evil.example"), Code::Invalid),
            (begin(&app, "hubspot", "/\\evil.example"), Code::Invalid),
            (begin(&app, "hubspot", "/a\r\nSet-Cookie: x"), Code::Invalid),
        ] {
            let what = format!("{wanted:?}");
            let refused = rig.connections.begin_authorize(&rig.ctx, wanted).await.unwrap_err();
            assert_eq!(refused.code, code, "{what}");
        }
        let theirs = db.tenant("Theirs").await.unwrap();
        let foreign = rig.connections.begin_authorize(&theirs, begin(&app, "hubspot", "")).await;
        assert_eq!(foreign.unwrap_err().code, Code::NotFound);
    }
}
