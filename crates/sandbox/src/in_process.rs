//! The fakes without a socket: a request goes in, an answer comes out, and nothing waits for the
//! operating system in between. What a test does on them happens in the same order every time.

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{Request, Response},
};
use tower::ServiceExt;

use crate::{Handle, Sandbox, SandboxConfig, front::MAX_BODY_BYTES, ledger::Provider};

/// Fakes that do not listen.
#[derive(Clone, Debug)]
pub struct InProcess {
    hubspot: Router,
    slack: Router,
    mailchimp: Router,
    salesforce: Router,
    facebook: Router,
    google: Router,
    zapier: Router,
    /// Inspects and changes what the fakes hold.
    pub handle: Handle,
}

impl InProcess {
    /// Builds the data.
    pub fn new(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::new(config);
        Self {
            hubspot: sandbox.hubspot_router(),
            slack: sandbox.slack_router(),
            mailchimp: sandbox.mailchimp_router(),
            salesforce: sandbox.salesforce_router(),
            facebook: sandbox.facebook_router(),
            google: sandbox.google_router(),
            zapier: sandbox.zapier_router(),
            handle: sandbox.handle(),
        }
    }

    /// Answers a request; `None` where the connection would have been cut.
    pub async fn answer(
        &self,
        provider: Provider,
        request: Request<Bytes>,
    ) -> Option<Response<Bytes>> {
        let router = match provider {
            Provider::Hubspot => &self.hubspot,
            Provider::Slack => &self.slack,
            Provider::Mailchimp => &self.mailchimp,
            Provider::Salesforce => &self.salesforce,
            Provider::Facebook => &self.facebook,
            Provider::Google => &self.google,
            Provider::Zapier => &self.zapier,
        };
        let Ok(response) = router.clone().oneshot(request.map(Body::from)).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await.ok()?;
        Some(Response::from_parts(parts, body))
    }
}
