//! Names become addresses here, and every address is checked before a connection is made to it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use async_trait::async_trait;
use connectus_core::Error;

use super::policy::EgressPolicy;

/// Turns a host name into addresses. The system's in production, scripted in tests.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of a name.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|socket| socket.ip()).collect())
    }
}

/// The resolver of one lane: it knows the port, which a resolver usually does not, so the check
/// at connect time is the same as the check of the URL. It is asked anew for every connection, and
/// the client connects to nothing but its answer, so a name that changes its mind gains nothing.
pub(super) struct GuardedResolver {
    pub policy: Arc<EgressPolicy>,
    pub resolver: Arc<dyn Resolver>,
    pub port: u16,
}

impl reqwest::dns::Resolve for GuardedResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (policy, resolver, port) = (self.policy.clone(), self.resolver.clone(), self.port);
        Box::pin(async move {
            let host = name.as_str().trim_end_matches('.').to_ascii_lowercase();
            let ips = resolver.resolve(&host).await?;
            if ips.is_empty() {
                let message = format!("{host} has no address");
                return Err(io::Error::new(io::ErrorKind::NotFound, message).into());
            }
            policy.check_addresses(&ips, port, &host).map_err(Refused)?;
            let sockets = ips.into_iter().map(move |ip| SocketAddr::new(ip, port));
            Ok(Box::new(sockets) as reqwest::dns::Addrs)
        })
    }
}

/// A refusal on its way out through the HTTP library.
#[derive(Debug)]
pub(super) struct Refused(pub Error);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}
