//! The sandbox tenant: HubSpot and Slack are fakes inside this process, everything else is real. It
//! is furnished through the API, the way a newcomer would do it with `curl`.

mod calls;
mod login;
mod steps;

use axum::Router;
use connectus_connect::http::Allowed;
use connectus_core::{Env, Result};
use connectus_sandbox::{Running, Sandbox, SandboxConfig};

use crate::app::App;
pub use login::Login;

/// The sandbox tenant's name, which says what it is wherever it is shown.
pub const TENANT_NAME: &str = "Sandbox";

/// The fakes, running until dropped.
pub struct Demo {
    fakes: Running,
}

impl Demo {
    /// Starts the fakes on free loopback ports.
    ///
    /// # Errors
    /// `unavailable` when they cannot listen.
    pub async fn start(env: &Env) -> Result<Self> {
        let fakes = Sandbox::start(SandboxConfig::new(env.clone())).await?;
        Ok(Self { fakes })
    }

    /// The addresses that integrations must be let through to: these two and no other.
    ///
    /// # Errors
    /// `internal` when a fake has no address, which it has.
    pub fn addresses(&self) -> Result<Vec<Allowed>> {
        [&self.fakes.hubspot_base_url, &self.fakes.slack_base_url]
            .into_iter()
            .map(|url| url.trim_start_matches("http://").parse())
            .collect()
    }

    /// Makes the tenant what it should be. What is there already stays.
    ///
    /// # Errors
    /// What an operation of the API answers.
    pub async fn furnish(&self, app: &App, router: Router) -> Result<Login> {
        let login = login::find_or_make(app).await?;
        let calls = calls::Calls::new(router, &login.token);
        steps::take(&calls, &self.fakes).await?;
        Ok(login)
    }
}
