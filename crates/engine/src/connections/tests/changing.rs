//! Creating, changing and deleting integrations.

use connectus_connect::{http::GuardedRequest, packs};
use connectus_core::{Code, integration::IntegrationStatus};
use connectus_store::{audit::AuditFilter, credentials::CredentialState};
use connectus_testkit::both;

use super::{
    super::{CredentialChange, IntegrationChange, Wanted},
    *,
};

fn settings(value: &Value) -> Option<Map<String, Value>> {
    value.as_object().cloned()
}

fn entered(fields: &Value) -> Option<CredentialChange> {
    Some(CredentialChange { set: secrets(fields), remove: Vec::new() })
}

impl Rig {
    async fn change(
        &self,
        id: &IntegrationId,
        change: IntegrationChange,
    ) -> Result<IntegrationView> {
        self.connections.update(&self.ctx, id, change, |_| Ok(())).await
    }
}

both! {
    async fn a_new_integration_says_what_it_holds_and_where_webhooks_go(db: TestStore) {
        let rig = Rig::new(&db).await;
        let fields = json!({"access_token": "t-1", "client_secret": "s-1"});
        let view = rig.create("hubspot", fields).await.unwrap();
        assert_eq!(view.integration.status, IntegrationStatus::Connected);
        let credential = view.credential.unwrap();
        assert_eq!(credential.kind, "private_app");
        assert_eq!(credential.fields, ["access_token", "client_secret"]);
        let inbound = rig.connections.webhook(&rig.ctx, &view.endpoint.unwrap()).await.unwrap();
        assert_eq!(inbound.integration, view.integration.id);
        assert_eq!(inbound.secrets.names(), ["client_secret"], "no token lies with the webhook");
        assert_eq!(rig.handle().call_count(), 0, "creating calls nobody");
        let names = rig.event_names().await;
        assert_eq!(names, ["integration.created"]);
    }

    async fn a_secret_never_follows_a_changed_address(db: TestStore) {
        let rig = Rig::new(&db).await;
        let view = rig.create("hubspot", json!({"access_token": "t-1"})).await.unwrap();
        let id = view.integration.id;
        let moved = json!({"base_url": rig.fakes.slack_base_url});
        let alone = IntegrationChange { settings: settings(&moved), ..Default::default() };
        let refused = rig.change(&id, alone).await.unwrap_err();
        assert_eq!(refused.fields[0].field, "settings.base_url");
        // A partial change does not drag the old fields along either.
        let partial = IntegrationChange {
            settings: settings(&moved),
            credentials: entered(&json!({"client_secret": "s"})),
            ..Default::default()
        };
        assert_eq!(
            rig.change(&id, partial).await.unwrap().credential.unwrap().fields,
            ["client_secret"]
        );
        let whole = IntegrationChange {
            credentials: entered(&json!({"access_token": "t-2"})),
            ..Default::default()
        };
        let view = rig.change(&id, whole).await.unwrap();
        assert_eq!(view.credential.unwrap().kind, "private_app");
        let home = json!({"base_url": null});
        let back = IntegrationChange { settings: settings(&home), ..Default::default() };
        assert!(rig.change(&id, back).await.is_err(), "the provider's own address is another too");
    }

    async fn fields_are_replaced_one_by_one_and_another_app_drops_its_tokens(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        let secret = IntegrationChange {
            credentials: entered(&json!({"client_secret": "s-2"})),
            ..Default::default()
        };
        let credential = rig.change(&id, secret).await.unwrap().credential.unwrap();
        assert_eq!(credential.fields.len(), 4, "the tokens stay: {:?}", credential.fields);
        let app = IntegrationChange {
            credentials: entered(&json!({"client_id": "another"})),
            ..Default::default()
        };
        let view = rig.change(&id, app).await.unwrap();
        let credential = view.credential.unwrap();
        assert_eq!(credential.fields, ["client_id", "client_secret"]);
        assert_eq!(credential.state, CredentialState::Pending);
        assert_eq!(view.integration.status, IntegrationStatus::Pending);
        let removal =
            CredentialChange { remove: vec!["client_secret".into()], ..Default::default() };
        let without = IntegrationChange { credentials: Some(removal), ..Default::default() };
        let view = rig.change(&id, without).await.unwrap();
        assert_eq!(view.credential.unwrap().fields, ["client_id"]);
    }

    async fn paused_means_left_alone(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        let status = |wanted| IntegrationChange { status: Some(wanted), ..Default::default() };
        rig.change(&id, status(Wanted::Paused)).await.unwrap();
        let refused = rig.connections.open(&rig.ctx, &id).await.map(drop).unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        let view = rig.change(&id, status(Wanted::Active)).await.unwrap();
        assert_eq!(view.integration.status, IntegrationStatus::Active);
        assert!(rig.connections.open(&rig.ctx, &id).await.is_ok());
        let app = rig.app("hubspot").await;
        let early = rig.change(&app, status(Wanted::Active)).await.unwrap_err();
        assert_eq!(early.code, Code::Conflict);
    }

    async fn a_guard_sees_the_version_and_may_refuse(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.create("hubspot", json!({})).await.unwrap().integration.id;
        let refuse = |version| {
            assert_eq!(version, 1);
            Err(connectus_core::Error::new(Code::PreconditionFailed, "moved on"))
        };
        let rename = || IntegrationChange { name: Some("B".into()), ..Default::default() };
        let refused = rig.connections.update(&rig.ctx, &id, rename(), refuse).await.unwrap_err();
        assert_eq!(refused.code, Code::PreconditionFailed);
        let refused = rig.connections.delete(&rig.ctx, &id, refuse).await.unwrap_err();
        assert_eq!(refused.code, Code::PreconditionFailed);
        assert_eq!(rig.change(&id, rename()).await.unwrap().integration.version, 2);
    }

    async fn deleting_erases_the_secret_and_gives_the_token_back(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("slack").await;
        let connection = rig.connections.open(&rig.ctx, &id).await.unwrap();
        let left = rig.connections.remove(&rig.ctx, &id, |_| Ok(())).await.unwrap();
        let mut conn = db.store.read().await.unwrap();
        assert!(conn.credential(&rig.ctx, &id).await.unwrap().is_none());
        assert_eq!(rig.handle().calls_of("POST", "/api/auth.revoke"), 0, "not before the commit");
        left.expect("a token to give back").carry_out().await;
        assert_eq!(rig.handle().calls_of("POST", "/api/auth.revoke"), 1);
        let filter = AuditFilter { action: "credential.revoked".into(), ..Default::default() };
        let audit = conn.audit_page(&rig.ctx, &filter, Default::default()).await.unwrap();
        assert_eq!(audit.total_count, 1);
        drop(conn);
        let gone = rig.connections.delete(&rig.ctx, &id, |_| Ok(())).await.unwrap_err();
        assert_eq!(gone.code, Code::NotFound);
        // A connection someone still holds dies with it.
        db.sim.clock.advance_secs(6);
        assert_eq!(connection.test().await.unwrap_err().code, Code::ReauthRequired);
    }

    async fn a_foreign_integration_is_not_there(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        let theirs = db.tenant("Theirs").await.unwrap();
        let connections = &rig.connections;
        let errors = [
            connections.view(&theirs, &id).await.map(drop).unwrap_err(),
            connections.open(&theirs, &id).await.map(drop).unwrap_err(),
            connections.test(&theirs, &id).await.map(drop).unwrap_err(),
            connections.delete(&theirs, &id, |_| Ok(())).await.unwrap_err(),
            connections
                .update(&theirs, &id, Default::default(), |_| Ok(()))
                .await
                .map(drop)
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(
                (error.code, error.detail.as_str()),
                (Code::NotFound, "No such integration.")
            );
        }
        assert_eq!(rig.handle().call_count(), 0);
    }

    async fn providers_are_seeded_once(db: TestStore) {
        let built_in = packs::all().unwrap().len();
        assert_eq!(seed_providers(&db.store).await.unwrap(), built_in);
        assert_eq!(seed_providers(&db.store).await.unwrap(), 0);
        let all = db.store.read().await.unwrap().providers(None).await.unwrap();
        let names: Vec<_> = all.iter().map(|one| one.display_name.as_str()).collect();
        assert_eq!(
            names,
            [
                "Facebook Ads",
                "Google Ads",
                "HubSpot",
                "Mailchimp",
                "PostgreSQL",
                "SQLite file",
                "Salesforce",
                "Slack",
                "Webhook",
                "Zapier",
            ]
        );
    }
}

#[test]
fn nothing_prints_a_secret() {
    let change = CredentialChange { set: secrets(&json!({"a": "canary-1"})), remove: Vec::new() };
    let new = NewIntegration {
        provider_version: None,
        provider: "p".into(),
        name: "n".into(),
        credentials: secrets(&json!({"a": "canary-2"})),
        settings: Map::new(),
        sync_config: Map::new(),
    };
    let shown =
        format!("{change:?} {new:?} {:?}", GuardedRequest::new("GET".parse().unwrap(), "x"));
    assert!(!shown.contains("canary"), "{shown}");
}
