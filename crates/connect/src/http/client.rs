//! The guarded client: checks, limits, one lane per origin.

use std::{
    collections::HashMap,
    error::Error as _,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
use connectus_core::{Code, Error, Result};
use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use super::{
    address::canonical,
    policy::{EgressPolicy, Target},
    request::{GuardedRequest, GuardedResponse},
    resolve::{GuardedResolver, Refused, Resolver, SystemResolver},
    tls::Tls,
};

/// Member of [`Error::extra`] set when not one byte of the request can have arrived.
pub const NOT_SENT: &str = "not_sent";

/// Bytes reserved for a body because its length says so; beyond it the body must arrive first.
const TRUSTED_LENGTH: usize = 256 * 1024;

/// Sizes and times of the guarded client.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body read, decompressed, in bytes.
    pub body_bytes: usize,
    /// Time to connect, TLS included.
    pub connect: Duration,
    /// Time for a whole exchange.
    pub exchange: Duration,
    /// Requests under way to one origin.
    pub per_origin: usize,
    /// Origins kept open.
    pub origins: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 10 * 1024 * 1024,
            connect: Duration::from_secs(5),
            exchange: Duration::from_secs(30),
            per_origin: 16,
            origins: 128,
        }
    }
}

/// What carries requests in place of the network, once the guard has let them pass. For tests whose
/// events must come in the same order every time.
pub trait Wire: Send + Sync {
    /// Takes a request there and its answer back.
    fn carry(&self, request: GuardedRequest) -> BoxFuture<'static, Result<GuardedResponse>>;
}

/// The one way out. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Guarded(Arc<Inner>);

struct Inner {
    policy: Arc<EgressPolicy>,
    resolver: Arc<dyn Resolver>,
    limits: Limits,
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
    tls: Tls,
    wire: Option<Arc<dyn Wire>>,
}

/// The connections to one origin.
struct Lane {
    client: reqwest::Client,
    permits: Semaphore,
}

impl Inner {
    fn new(policy: EgressPolicy, resolver: Arc<dyn Resolver>, limits: Limits) -> Self {
        let (policy, lanes) = (Arc::new(policy), Mutex::default());
        Self { policy, resolver, limits, lanes, tls: Tls::default(), wire: None }
    }
}

impl Guarded {
    /// A client with the operating system's resolver and the usual limits.
    pub fn new(policy: EgressPolicy) -> Self {
        Self::with(policy, Arc::new(SystemResolver), Limits::default())
    }

    /// A client with a resolver and limits of one's own.
    pub fn with(policy: EgressPolicy, resolver: Arc<dyn Resolver>, limits: Limits) -> Self {
        Self(Arc::new(Inner::new(policy, resolver, limits)))
    }

    /// A client that reaches nothing but what this wire leads to.
    pub fn on(policy: EgressPolicy, wire: Arc<dyn Wire>) -> Self {
        let inner = Inner::new(policy, Arc::new(SystemResolver), Limits::default());
        Self(Arc::new(Inner { wire: Some(wire), ..inner }))
    }

    /// The policy in force.
    pub fn policy(&self) -> &EgressPolicy {
        &self.0.policy
    }

    /// The address of a host that something else than HTTP is about to connect to; every address
    /// it has is allowed.
    ///
    /// # Errors
    /// `egress_denied`, or `provider_unavailable` for a name that has no address.
    pub async fn address(&self, host: &str, port: u16) -> Result<IpAddr> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if let Ok(ip) = host.parse::<IpAddr>() {
            let ip = canonical(ip);
            self.0.policy.check_address(ip, port, None)?;
            return Ok(ip);
        }
        let unknown = || {
            let detail = format!("The name {host} has no address.");
            Error::new(Code::ProviderUnavailable, detail).retry_after(30)
        };
        let found = self.0.resolver.resolve(&host).await.map_err(|_| unknown())?;
        self.0.policy.check_addresses(&found, port, &host)?;
        found.first().copied().map(canonical).ok_or_else(unknown)
    }

    /// Sends one request and reads the answer. Redirects are returned, never followed.
    ///
    /// # Errors
    /// `egress_denied` before anything is sent; `timeout`, `provider_unavailable` afterwards;
    /// `provider_refused` when the answer is larger than the limit.
    pub async fn send(&self, request: GuardedRequest) -> Result<GuardedResponse> {
        let target = self.0.policy.target(&request.url)?;
        let limit = request.timeout.unwrap_or(self.0.limits.exchange);
        let exchange = async {
            if let Some(wire) = &self.0.wire {
                return wire.carry(request).await;
            }
            let lane = self.lane(&target)?;
            // The semaphore is never closed, so a failure here can only be a defect.
            let _permit = lane.permits.acquire().await.map_err(Error::internal)?;
            self.exchange(&lane.client, target, request).await
        };
        tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| {
            let secs = limit.as_secs();
            let detail = format!("The provider did not answer within {secs} seconds.");
            Err(Error::new(Code::Timeout, detail))
        })
    }

    async fn exchange(
        &self,
        client: &reqwest::Client,
        target: Target,
        request: GuardedRequest,
    ) -> Result<GuardedResponse> {
        let mut response = client
            .request(request.method, target.url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(transport)?;
        let most = self.0.limits.body_bytes;
        let keep = request.keep.unwrap_or(usize::MAX);
        let too_long = response.content_length().is_some_and(|length| length > most as u64);
        if too_long && keep > most {
            return Err(too_large(most));
        }
        // Taken at once where the length is known, but never much on a stranger's word.
        let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(0);
        let mut body = BytesMut::with_capacity(announced.min(TRUSTED_LENGTH).min(keep));
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() >= keep {
                body.extend_from_slice(chunk.get(..keep - body.len()).unwrap_or_default());
                break;
            }
            if body.len() + chunk.len() > most {
                return Err(too_large(most));
            }
            body.extend_from_slice(&chunk);
        }
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        Ok(GuardedResponse { status, headers, body: body.freeze() })
    }

    fn lane(&self, target: &Target) -> Result<Arc<Lane>> {
        let origin = target.origin();
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&origin) {
            return Ok(lane.clone());
        }
        let lane = Arc::new(Lane {
            client: self.build(target)?,
            permits: Semaphore::new(self.0.limits.per_origin),
        });
        if lanes.len() >= self.0.limits.origins {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        if lanes.len() < self.0.limits.origins {
            lanes.insert(origin, lane.clone());
        }
        Ok(lane)
    }

    fn build(&self, target: &Target) -> Result<reqwest::Client> {
        let resolver = GuardedResolver {
            policy: self.0.policy.clone(),
            resolver: self.0.resolver.clone(),
            port: target.port,
        };
        let tls = match target.url.scheme() {
            "https" => self.0.tls.trusting()?,
            _ => Tls::trusting_nobody()?,
        };
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(resolver))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(self.0.limits.connect)
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("Connectus/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Error::internal)
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("policy", &self.0.policy).finish_non_exhaustive()
    }
}

fn too_large(most: usize) -> Error {
    let detail = format!("The provider's answer is larger than {} MB.", most / (1024 * 1024));
    Error::new(Code::ProviderRefused, detail)
}

fn transport(error: reqwest::Error) -> Error {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(Refused(refusal)) = inner.downcast_ref::<Refused>() {
            return refusal.clone();
        }
        source = inner.source();
    }
    // The URL may hold a secret path; the cause is kept without it.
    let error = error.without_url();
    let cause = format!("{error:?}");
    if error.is_timeout() {
        let timeout = Error::new(Code::Timeout, "The provider did not answer in time.");
        let timeout = timeout.caused_by(cause);
        return if error.is_connect() { timeout.with(NOT_SENT, true) } else { timeout };
    }
    if error.is_connect() {
        let detail = "The provider cannot be reached. Check the base URL and the network.";
        return Error::new(Code::ProviderUnavailable, detail).caused_by(cause).with(NOT_SENT, true);
    }
    let detail = "The connection to the provider broke off.";
    Error::new(Code::ProviderUnavailable, detail).caused_by(cause)
}
