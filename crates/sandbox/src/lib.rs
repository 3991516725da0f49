//! Small stateful fakes of the providers: HubSpot, Slack, Mailchimp, Salesforce, Facebook Ads,
//! Google Ads, Zapier.
//!
//! The demo tenant runs on them and so do the tests: one implementation. Where a provider publishes
//! a specification, `cargo xtask contract` holds its fake to it. Everything they hold is invented,
//! every answer carries the header `X-Connectus-Sandbox: 1`, and they never call out.
//!
//! ```no_run
//! # async fn example(env: connectus_core::Env) -> connectus_core::Result<()> {
//! use connectus_sandbox::{Fault, FaultKind, Sandbox, SandboxConfig};
//!
//! let sandbox = Sandbox::start(SandboxConfig::new(env)).await?;
//! println!("HubSpot is at {}", sandbox.hubspot_base_url);
//! sandbox.handle.fault(
//!     Fault::on("POST", "/crm/v3/objects/contacts", FaultKind::Status { status: 503 }).times(2),
//! );
//! # Ok(()) }
//! ```

mod asked;
mod bulk;
mod config;
mod control;
mod facebook;
mod fault;
mod front;
mod google;
mod handle;
mod hubspot;
mod in_process;
mod ledger;
mod listener;
mod mailchimp;
mod oauth;
mod people;
mod random;
mod salesforce;
mod server;
mod slack;
#[cfg(test)]
mod tests;
mod webhook;
mod window;
mod world;
mod zapier;

pub use config::{Keys, Limits, SandboxConfig};
pub use fault::{Fault, FaultKind};
pub use handle::Handle;
pub use hubspot::ObjectType;
pub use in_process::InProcess;
pub use ledger::{Call, EffectCount, EffectSummary, Provider};
pub use salesforce::SalesforceType;
pub use server::{Running, Sandbox};
pub use slack::SlackMessage;
pub use webhook::{HubspotEvent, SignedWebhook};

/// The header every answer carries, so that nobody takes a fake for the provider.
pub const LABEL_HEADER: &str = "x-connectus-sandbox";

/// The header of an answer given again because its idempotency key was seen before.
pub const REPLAYED_HEADER: &str = "x-connectus-sandbox-replayed";
