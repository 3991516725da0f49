//! Letting go of a credential, and of a whole integration: erased here, given back there.

use connectus_connect::CredentialSource;
use connectus_core::{
    Code, Error,
    audit::{AuditRecord, Outcome},
    integration::IntegrationStatus,
};
use connectus_sandbox::{Fault, FaultKind};
use connectus_store::audit::AuditFilter;
use connectus_testkit::both;
use futures::FutureExt;
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::oneshot,
};

use super::{
    super::{CredentialChange, IntegrationChange},
    *,
};
use crate::health::{self, Problem};

/// HubSpot's address for tokens that are given back.
const REVOKE: &str = "/oauth/v3/token/revoke";

impl Rig {
    async fn disconnect(&self, id: &IntegrationId) -> Result<IntegrationView> {
        self.connections.disconnect(&self.ctx, id, |_| Ok(())).await
    }

    async fn held(&self, id: &IntegrationId, field: &str) -> String {
        let access = self.source(&self.another_process(), id).await.access().await.unwrap();
        access.secrets.need(field).unwrap().expose_secret().to_owned()
    }

    /// Whether the fake still knows a refresh token.
    async fn grant_lives(&self, refresh: &str) -> bool {
        let url = format!("{}/oauth/v1/refresh-tokens/{refresh}", self.fakes.hubspot_base_url);
        let request = GuardedRequest::new("GET".parse().unwrap(), url);
        self.connections.0.http.send(request).await.unwrap().status == 200
    }

    async fn revocations(&self) -> Vec<AuditRecord> {
        let filter = AuditFilter { action: "credential.revoked".into(), ..Default::default() };
        let mut conn = self.db.store.read().await.unwrap();
        let found = conn.audit_page(&self.ctx, &filter, Default::default()).await.unwrap();
        found.items.into_iter().map(|row| row.record).collect()
    }
}

/// A provider that says when it was asked for a token and gives it when told to.
async fn slow_provider() -> (String, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ((asking, asked), (answer, answering)) = (oneshot::channel(), oneshot::channel());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = [0; 4096];
        assert!(stream.read(&mut heard).await.unwrap() > 0);
        asking.send(()).unwrap();
        answering.await.unwrap();
        let body = r#"{"access_token": "late", "refresh_token": "late", "expires_in": 1800}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).await.unwrap();
        while stream.read(&mut heard).await.unwrap_or(0) > 0 {}
    });
    (address, asked, answer)
}

/// What the browser brings back of a round trip that was begun just now.
async fn returned(
    connections: &Connections,
    ctx: &TenantCtx,
    id: &IntegrationId,
) -> AuthorizeReturn {
    let begin = BeginAuthorize {
        provider: "hubspot".into(),
        integration: id.clone(),
        session: SessionKey::of("login 1"),
        redirect_uri: REDIRECT.into(),
        return_to: String::new(),
    };
    let url = connections.begin_authorize(ctx, begin).await.unwrap();
    let (_, rest) = url.split_once("&state=").unwrap();
    AuthorizeReturn {
        provider: "hubspot".into(),
        session: SessionKey::of("login 1"),
        state: rest.split('&').next().unwrap().to_owned(),
        code: Some(SecretString::from("code")),
        refusal: None,
        redirect_uri: REDIRECT.into(),
    }
}

both! {
    async fn a_deleted_grant_is_dead_at_the_provider_too(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        let refresh = rig.held(&id, "refresh_token").await;
        assert!(rig.grant_lives(&refresh).await);
        rig.connections.delete(&rig.ctx, &id, |_| Ok(())).await.unwrap();
        rig.connections.close().await;
        assert!(!rig.grant_lives(&refresh).await);
        assert_eq!(rig.handle().calls_of("POST", REVOKE), 1);
        let [row] = rig.revocations().await.try_into().unwrap();
        assert_eq!((row.outcome, &row.detail["revocation"]), (Outcome::Success, &json!("revoked")));
    }

    async fn a_provider_that_is_down_keeps_no_integration(db: TestStore) {
        let rig = Rig::new(&db).await;
        for kind in [FaultKind::Status { status: 503 }, FaultKind::Drop] {
            let id = rig.connected("hubspot").await;
            rig.handle().fault(Fault::on("POST", REVOKE, kind));
            rig.connections.delete(&rig.ctx, &id, |_| Ok(())).await.unwrap();
            let gone = rig.connections.view(&rig.ctx, &id).await.unwrap_err();
            assert_eq!(gone.code, Code::NotFound);
        }
        rig.connections.close().await;
        let rows = rig.revocations().await;
        assert_eq!(rows.len(), 2);
        for row in rows {
            assert_eq!(row.outcome, Outcome::Failure);
            let expected = json!({"revocation": "failed", "code": "provider_unavailable"});
            assert_eq!(row.detail, expected);
        }
    }

    async fn disconnecting_erases_the_secrets_and_keeps_the_rest(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        let connection = rig.connections.open(&rig.ctx, &id).await.unwrap();
        let (before, refresh) = (rig.view(&id).await, rig.held(&id, "refresh_token").await);
        let after = rig.disconnect(&id).await.unwrap();
        assert_eq!(after.integration.status, IntegrationStatus::Disconnected);
        assert!(after.credential.is_none());
        assert_eq!(after.integration.settings, before.integration.settings);
        assert_eq!(after.endpoint, before.endpoint, "the provider knows the address");
        let inbound = rig.connections.webhook(&rig.ctx, &after.endpoint.unwrap()).await.unwrap();
        assert!(inbound.secrets.names().is_empty(), "nothing is left that verifies a delivery");
        rig.connections.close().await;
        assert!(!rig.grant_lives(&refresh).await);

        let refused = rig.connections.open(&rig.ctx, &id).await.map(drop).unwrap_err();
        assert_eq!(refused.code, Code::ReauthRequired);
        // A connection someone still holds dies with the credential.
        db.sim.clock.advance_secs(6);
        assert_eq!(connection.test().await.unwrap_err().code, Code::ReauthRequired);

        let again = rig.disconnect(&id).await.unwrap();
        assert_eq!(again.integration.version, after.integration.version, "there is nothing to do");
        let names = rig.event_names().await;
        assert_eq!(names.iter().filter(|name| **name == "integration.disconnected").count(), 1);
        assert_eq!(rig.handle().calls_of("POST", REVOKE), 1);
    }

    async fn the_next_credential_is_not_taken_for_the_one_before(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.create("hubspot", json!({"access_token": "t-1"})).await.unwrap();
        let id = id.integration.id;
        let source = rig.source(&rig.another_process(), &id).await;
        let token = async || {
            let access = source.access().await.unwrap();
            access.secrets.need("access_token").unwrap().expose_secret().to_owned()
        };
        assert_eq!(token().await, "t-1");
        rig.disconnect(&id).await.unwrap();
        let next = json!({"access_token": "t-2"});
        let entered = CredentialChange { set: secrets(&next), ..Default::default() };
        let change = IntegrationChange { credentials: Some(entered), ..Default::default() };
        let view = rig.connections.update(&rig.ctx, &id, change, |_| Ok(())).await.unwrap();
        assert_eq!(view.integration.status, IntegrationStatus::Connected);
        // Both are the first generation of their credential.
        db.sim.clock.advance_secs(6);
        assert_eq!(token().await, "t-2");
    }

    async fn what_was_under_way_does_not_bring_it_back(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        rig.disconnect(&id).await.unwrap();
        // A sync that was reading fails, another one had its last page already.
        let problem = Problem {
            integration: Some(id.clone()),
            operation: "sync".into(),
            error: Error::new(Code::ReauthRequired, "There is no credential."),
            run: None,
        };
        health::report(&db.store, &rig.ctx, problem).await.unwrap();
        assert_eq!(rig.view(&id).await.integration.status, IntegrationStatus::Disconnected);
        let (ctx, target) = (rig.ctx.clone(), id.clone());
        let succeed = db.store.write(move |tx| {
            async move { health::succeeded(tx, &ctx, &target, "sync").await }.boxed()
        });
        succeed.await.unwrap();
        assert_eq!(rig.view(&id).await.integration.status, IntegrationStatus::Disconnected);
    }

    async fn a_return_that_is_late_does_not_bring_it_back(db: TestStore) {
        seed_providers(&db.store).await.unwrap();
        let ctx = db.tenant("Ours").await.unwrap();
        let (provider, asked, answer) = slow_provider().await;
        let policy = EgressPolicy::allowing([provider.as_str()]).unwrap();
        let connections = Connections::new(db.store.clone(), Guarded::new(policy));
        let settings = json!({"base_url": format!("http://{provider}")});
        let new = NewIntegration {
            provider_version: None,
            provider: "hubspot".into(),
            name: "Ours".into(),
            credentials: secrets(&json!({"client_id": "c", "client_secret": "s"})),
            settings: settings.as_object().unwrap().clone(),
            sync_config: Map::new(),
        };
        let id = connections.create(&ctx, new).await.unwrap().integration.id;
        let back = returned(&connections, &ctx, &id).await;
        // While the code is exchanged, someone else lets go of the credential.
        let let_go = async {
            asked.await.unwrap();
            connections.disconnect(&ctx, &id, |_| Ok(())).await.unwrap();
            answer.send(()).unwrap();
        };
        let (finished, ()) = futures::join!(connections.finish_authorize(&ctx, back), let_go);
        assert_eq!(finished.unwrap_err().code, Code::BadRequest);
        let view = connections.view(&ctx, &id).await.unwrap();
        assert_eq!(view.integration.status, IntegrationStatus::Disconnected);
        assert!(view.credential.is_none());
    }

    async fn only_its_tenant_lets_go_of_it_and_only_of_the_version_it_saw(db: TestStore) {
        let rig = Rig::new(&db).await;
        let id = rig.connected("hubspot").await;
        let theirs = db.tenant("Theirs").await.unwrap();
        let foreign = rig.connections.disconnect(&theirs, &id, |_| Ok(())).await.unwrap_err();
        assert_eq!(foreign.code, Code::NotFound);
        let stale = |_| Err(Error::new(Code::PreconditionFailed, "moved on"));
        let refused = rig.connections.disconnect(&rig.ctx, &id, stale).await.unwrap_err();
        assert_eq!(refused.code, Code::PreconditionFailed);
        rig.connections.close().await;
        assert!(rig.view(&id).await.credential.is_some());
        assert_eq!(rig.handle().call_count(), 0);
    }
}
