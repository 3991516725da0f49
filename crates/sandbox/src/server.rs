//! Starts the fakes, each on its own address like the services they stand for.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit, middleware::from_fn_with_state};
use connectus_core::{Code, Error, Result};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    config::SandboxConfig,
    control,
    front::{Door, MAX_BODY_BYTES, front},
    handle::Handle,
    hubspot,
    ledger::Provider,
    listener::{CuttableListener, KillSwitch},
    mailchimp, slack,
    world::World,
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
        let (stop, stopped) = watch::channel(());
        let base_url = |listener: &TcpListener| {
            listener.local_addr().map(|addr| format!("http://{addr}")).map_err(Error::internal)
        };
        let running = Running {
            hubspot_base_url: base_url(&hubspot)?,
            slack_base_url: base_url(&slack)?,
            mailchimp_base_url: base_url(&mailchimp)?,
            handle: sandbox.handle(),
            _stop: stop,
        };
        serve(hubspot, sandbox.hubspot_router(), stopped.clone());
        serve(slack, sandbox.slack_router(), stopped.clone());
        serve(mailchimp, sandbox.mailchimp_router(), stopped);
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
