//! Starts the fakes, each on its own address like the services they stand for.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit, middleware::from_fn_with_state};
use connectus_core::{Code, Error, Result};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    config::SandboxConfig,
    control, facebook,
    front::{Door, MAX_BODY_BYTES, front},
    google,
    handle::Handle,
    hubspot,
    ledger::Provider,
    listener::{CuttableListener, KillSwitch},
    mailchimp, salesforce, slack,
    world::World,
    zapier,
};

/// The fakes before they listen: routers for tests without sockets, or [`Sandbox::start`].
#[derive(Clone, Debug)]
pub struct Sandbox {
    world: Arc<World>,
}

impl Sandbox {
    /// Builds the data; nothing listens yet.
    pub fn new(config: SandboxConfig) -> Self {
        Self { world: World::new(config) }
    }

    /// Builds the data and listens.
    ///
    /// # Errors
    /// `unavailable` when an address cannot be listened on.
    pub async fn start(config: SandboxConfig) -> Result<Running> {
        let sandbox = Self::new(config);
        let config = &sandbox.world.config;
        let hubspot = listen(config.hubspot_listen).await?;
        let slack = listen(config.slack_listen).await?;
        let mailchimp = listen(config.mailchimp_listen).await?;
        let salesforce = listen(config.salesforce_listen).await?;
        let facebook = listen(config.facebook_listen).await?;
        let google = listen(config.google_listen).await?;
        let zapier = listen(config.zapier_listen).await?;
        let (stop, stopped) = watch::channel(());
        let base_url = |listener: &TcpListener| {
            listener.local_addr().map(|addr| format!("http://{addr}")).map_err(Error::internal)
        };
        let running = Running {
            hubspot_base_url: base_url(&hubspot)?,
            slack_base_url: base_url(&slack)?,
            mailchimp_base_url: base_url(&mailchimp)?,
            salesforce_base_url: base_url(&salesforce)?,
            facebook_base_url: base_url(&facebook)?,
            google_base_url: base_url(&google)?,
            zapier_base_url: base_url(&zapier)?,
            handle: sandbox.handle(),
            _stop: stop,
        };
        serve(hubspot, sandbox.hubspot_router(), stopped.clone());
        serve(slack, sandbox.slack_router(), stopped.clone());
        serve(mailchimp, sandbox.mailchimp_router(), stopped.clone());
        serve(salesforce, sandbox.salesforce_router(), stopped.clone());
        serve(facebook, sandbox.facebook_router(), stopped.clone());
        serve(google, sandbox.google_router(), stopped.clone());
        serve(zapier, sandbox.zapier_router(), stopped);
        Ok(running)
    }

    /// Inspects and changes what the fakes hold.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.world))
    }

    /// The HubSpot fake.
    pub fn hubspot_router(&self) -> Router {
        let mut router = self.behind_door(hubspot::router(&self.world), Provider::Hubspot);
        if self.world.bulk.is_some() {
            // Beside the door, not behind it: the bulk mode exists to cost nothing per call.
            router = crate::bulk::router(&self.world).fallback_service(router);
        }
        if self.world.config.control {
            router = router.merge(control::router(&self.world));
        }
        router
    }

    /// The Slack fake.
    pub fn slack_router(&self) -> Router {
        self.behind_door(slack::router(&self.world), Provider::Slack)
    }

    /// The Mailchimp fake.
    pub fn mailchimp_router(&self) -> Router {
        self.behind_door(mailchimp::router(&self.world), Provider::Mailchimp)
    }

    /// The Salesforce fake.
    pub fn salesforce_router(&self) -> Router {
        self.behind_door(salesforce::router(&self.world), Provider::Salesforce)
    }

    /// The Facebook fake.
    pub fn facebook_router(&self) -> Router {
        self.behind_door(facebook::router(&self.world), Provider::Facebook)
    }

    /// The Google Ads fake.
    pub fn google_router(&self) -> Router {
        self.behind_door(google::router(&self.world), Provider::Google)
    }

    /// The Zapier fake.
    pub fn zapier_router(&self) -> Router {
        self.behind_door(zapier::router(&self.world), Provider::Zapier)
    }

    fn behind_door(&self, routes: Router, provider: Provider) -> Router {
        let door = Door { world: Arc::clone(&self.world), provider };
        routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).layer(from_fn_with_state(door, front))
    }
}

/// Fakes that listen. Dropping it stops them.
#[derive(Debug)]
pub struct Running {
    /// Where the HubSpot fake answers, like `https://api.hubapi.com`.
    pub hubspot_base_url: String,
    /// Where the Slack fake answers, like `https://slack.com`; methods are under `/api/`.
    pub slack_base_url: String,
    /// Where the Mailchimp fake answers, like `https://us6.api.mailchimp.com`.
    pub mailchimp_base_url: String,
    /// Where the Salesforce fake answers, like `https://acme.my.salesforce.com`.
    pub salesforce_base_url: String,
    /// Where the Facebook fake answers, like `https://graph.facebook.com`.
    pub facebook_base_url: String,
    /// Where the Google Ads fake answers, like `https://googleads.googleapis.com`.
    pub google_base_url: String,
    /// Where the Zapier fake answers, like `https://hooks.zapier.com`.
    pub zapier_base_url: String,
    /// Inspects and changes what the fakes hold.
    pub handle: Handle,
    _stop: watch::Sender<()>,
}

async fn listen(addr: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(addr).await.map_err(|error| {
        let detail = format!("The sandbox cannot listen on {addr}; choose another port.");
        Error::new(Code::Unavailable, detail).caused_by(error)
    })
}

fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<()>) {
    let service = router.into_make_service_with_connect_info::<KillSwitch>();
    let server = axum::serve(CuttableListener(listener), service)
        // The sender is dropped, never sent on: both ends of `changed` mean "stop".
        .with_graceful_shutdown(async move { drop(stopped.changed().await) });
    tokio::spawn(server.into_future());
}
