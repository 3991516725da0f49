//! One guarded client. Nothing in Connectus reaches the network in any other way.
//!
//! A URL is parsed once; the host becomes a canonical address or a name; every address a name
//! resolves to is checked, and the connection is made to a checked address and to no other.
//! Redirects are not followed, proxies from the environment are ignored, sizes and times end.

mod address;
mod client;
mod policy;
mod request;
mod resolve;
mod tls;

pub use address::{canonical, is_forbidden, is_metadata, is_this_machine};
pub use client::{Guarded, Limits, NOT_SENT, Wire};
pub use policy::{Allowed, EgressPolicy, MAX_URL_BYTES, Target, TargetHost};
pub use request::{GuardedRequest, GuardedResponse};
pub use resolve::{Resolver, SystemResolver};
