//! Tests connections: one cheap call, and what follows from its outcome.

use connectus_connect::Plan;
use connectus_core::{
    Code, Error, IntegrationId, Result, TenantCtx, audit::Outcome, event::EventType,
    integration::IntegrationStatus, provider::AuthMethod,
};
use futures::FutureExt;
use serde_json::{Value, json};

use super::Connections;
use crate::{
    health::{self, Problem},
    providers,
};

/// The operation's name in the health log.
const OPERATION: &str = "test_connection";

/// How a connection test ended.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// Milliseconds the provider took; `None` when it did not answer as it should.
    pub latency_ms: Option<u64>,
    /// What the provider says about the account; no secrets.
    pub account: Value,
    /// Why it failed, if it did.
    pub error: Option<Error>,
    /// Where the integration stands now.
    pub status: IntegrationStatus,
}

impl Connections {
    /// Makes a real call with the integration's credential, also one known to be refused, and
    /// records the outcome. A failed test is an outcome, not an error.
    ///
    /// # Errors
    /// `not_found`; `conflict` when nothing can be tested without side effects.
    pub async fn test(&self, ctx: &TenantCtx, id: &IntegrationId) -> Result<TestOutcome> {
        let view = self.view(ctx, id).await?;
        let kind = view.credential.as_ref().map(|credential| credential.kind.as_str());
        let integration = view.integration;
        let mut conn = self.0.store.read().await?;
        let plan = providers::of(&mut conn, ctx, &integration).await?;
        drop(conn);
        check_testable(&plan, kind)?;
        // A source that renews its own token must not meet another one that does the same.
        let shared = match plan.offer() {
            Some(_) => self.open(ctx, id).await.ok(),
            None => None,
        };
        let connection = match shared {
            Some(shared) => Ok(shared),
            None => self.connect(&integration, &plan, true).map(|(connection, _)| connection),
        };
        let report = match connection {
            Ok(connection) => connection.test().await,
            Err(error) => Err(error),
        };
        let (latency_ms, account, error) = match report {
            Ok(report) => (Some(report.latency_ms), report.details, None),
            Err(error) => (None, Value::Null, Some(error)),
        };
        // Calls of this test belong to the score that is computed now.
        self.flush_usage().await?;
        let detail = json!({
            "ok": error.is_none(),
            "latency_ms": latency_ms,
            "code": error.as_ref().map(|error| error.code.name()),
        });
        let outcome = if error.is_none() { Outcome::Success } else { Outcome::Failure };
        let (owner, target, failure) = (ctx.clone(), id.clone(), error.clone());
        self.0
            .store
            .write(move |tx| {
                async move {
                    match failure {
                        None => {
                            tx.revive_credential(&owner, &target).await?;
                            health::succeeded(tx, &owner, &target, OPERATION).await?;
                        }
                        Some(error) => {
                            let problem = Problem {
                                integration: Some(target.clone()),
                                operation: OPERATION.to_owned(),
                                error,
                                run: None,
                            };
                            health::report_in(tx, &owner, &problem).await?;
                        }
                    }
                    let tested = EventType::IntegrationTested;
                    tx.emit(&owner, tested, target.as_str(), detail.clone()).await?;
                    let (name, id) = (tested.name(), target.as_str());
                    tx.audit_outcome(&owner, name, id, outcome, detail).await
                }
                .boxed()
            })
            .await?;
        if error.as_ref().is_some_and(|error| error.code == Code::ReauthRequired) {
            self.forget(ctx, id);
        }
        let status = self.view(ctx, id).await?.integration.status;
        Ok(TestOutcome { latency_ms, account, error, status })
    }
}

/// Whether there is a call that proves a credential of this kind and changes nothing.
fn check_testable(plan: &Plan, kind: Option<&str>) -> Result<()> {
    let pack = &plan.pack;
    let method = pack.auth.iter().find(|method| Some(method.name()) == kind);
    let by_address = matches!(method, Some(AuthMethod::WebhookUrl(_)));
    if plan.offer().is_some() || (pack.check.is_some() && !by_address) {
        return Ok(());
    }
    let detail = "This kind of connection offers nothing that could be tested without side \
                  effects. Send something through it instead.";
    Err(Error::new(Code::Conflict, detail))
}
