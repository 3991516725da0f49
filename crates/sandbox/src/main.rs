//! The sandbox as a process of its own, for benchmarks and drills.

use std::{net::Ipv4Addr, sync::Arc};

use clap::Parser;
use connectus_core::{
    Env, Timestamp,
    env::{Clock, Entropy},
};
use connectus_sandbox::{Limits, Sandbox, SandboxConfig};

/// Stateful fakes of the providers on loopback, holding invented data only.
#[derive(Debug, Parser)]
#[command(name = "connectus-sandbox")]
struct Options {
    /// Contacts in the HubSpot fake.
    #[arg(long, default_value_t = 500)]
    contacts: u32,
    /// Serve the contacts from memory rendered in advance, read-only and without a token.
    #[arg(long)]
    bulk: bool,
    /// Port of the HubSpot fake; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the Slack fake; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    slack_port: u16,
    /// The same seed gives the same data.
    #[arg(long, default_value_t = 8360)]
    seed: u64,
    /// Refuse no call for coming too soon.
    #[arg(long)]
    no_limits: bool,
    /// Offer `/_sandbox/...` to inspect and script the fakes.
    #[arg(long)]
    control: bool,
    /// Let authorize pages redirect at once.
    #[arg(long)]
    auto_approve: bool,
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "a process of its own has no one to inject time")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let micros = since.map_or(0, |since| since.as_micros());
        Timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// The fakes are deterministic: they ask for no entropy.
struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

#[tokio::main]
async fn main() -> Result<(), connectus_core::Error> {
    let options = Options::parse();
    let env = Env::new(Arc::new(SystemClock), Arc::new(NoEntropy));
    let mut config = SandboxConfig::new(env);
    config.seed = options.seed;
    config.control = options.control;
    config.auto_approve = options.auto_approve;
    config.hubspot_listen = (Ipv4Addr::LOCALHOST, options.port).into();
    config.slack_listen = (Ipv4Addr::LOCALHOST, options.slack_port).into();
    if options.bulk {
        (config.bulk_contacts, config.contacts) = (options.contacts, 0);
    } else {
        config.contacts = options.contacts;
    }
    if options.no_limits {
        config.limits = Limits::NONE;
    }
    let running = Sandbox::start(config).await?;
    // One line for people and scripts alike: it is there once both fakes answer.
    println!(
        "{}",
        serde_json::json!({
            "sandbox": true,
            "hubspot": running.hubspot_base_url,
            "slack": running.slack_base_url,
            "mailchimp": running.mailchimp_base_url,
            "salesforce": running.salesforce_base_url,
            "facebook": running.facebook_base_url,
            "google": running.google_base_url,
            "zapier": running.zapier_base_url,
        })
    );
    // Whoever started it stops it; a closed signal stream must not end it early.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    Ok(())
}
