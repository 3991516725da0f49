//! What a sandbox is made of.

use std::net::{Ipv4Addr, SocketAddr};

use connectus_core::Env;

/// How a sandbox is set up. [`SandboxConfig::new`] gives the demo's.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Clock of the fakes. The entropy source is not used: fakes are deterministic.
    pub env: Env,
    /// Name of the portal and workspace, shown wherever the provider shows one.
    pub label: String,
    /// The same seed gives the same people, companies and deals.
    pub seed: u64,
    /// Where the HubSpot fake listens; port 0 picks a free one.
    pub hubspot_listen: SocketAddr,
    /// Where the Slack fake listens; port 0 picks a free one.
    pub slack_listen: SocketAddr,
    /// Where the Mailchimp fake listens; port 0 picks a free one.
    pub mailchimp_listen: SocketAddr,
    /// Where the Salesforce fake listens; port 0 picks a free one.
    pub salesforce_listen: SocketAddr,
    /// Where the Facebook fake listens; port 0 picks a free one.
    pub facebook_listen: SocketAddr,
    /// Where the Google Ads fake listens; port 0 picks a free one.
    pub google_listen: SocketAddr,
    /// Where the Zapier fake listens; port 0 picks a free one.
    pub zapier_listen: SocketAddr,
    /// Contacts in the portal at the start.
    pub contacts: u32,
    /// Companies in the portal at the start.
    pub companies: u32,
    /// Deals in the portal at the start.
    pub deals: u32,
    /// Members of the first Mailchimp audience at the start.
    pub mailchimp_members: u32,
    /// Contacts in Salesforce at the start.
    pub salesforce_contacts: u32,
    /// Records of one page of a Salesforce query, at most 2,000.
    pub salesforce_page: usize,
    /// Whether Salesforce's refresh tokens work only once.
    pub salesforce_token_rotation: bool,
    /// Whether every call to Facebook must carry `appsecret_proof`.
    pub facebook_requires_proof: bool,
    /// Rows of one page or chunk of Google Ads.
    pub google_page: usize,
    /// Above 0, contact lists and searches serve this many rows rendered in advance, read-only,
    /// without asking for a token: for benchmarks.
    pub bulk_contacts: u32,
    /// How often callers may call.
    pub limits: Limits,
    /// Credentials the fakes accept.
    pub keys: Keys,
    /// Whether a repeated idempotency key gives the first answer again without a second effect.
    /// The real providers do not; the flag exists so that both worlds can be tested.
    pub deduplicate: bool,
    /// Whether the authorize page redirects at once instead of showing an "Allow" link.
    pub auto_approve: bool,
    /// Whether Slack tokens expire after 12 hours and refresh tokens work only once.
    pub slack_token_rotation: bool,
    /// How long a changed record stays invisible to search, in milliseconds. The real index lags.
    pub search_lag_ms: i64,
    /// Whether `/_sandbox/...` lets another process inspect and script this one.
    pub control: bool,
}

impl SandboxConfig {
    /// 500 contacts, 60 companies and 80 deals on free loopback ports, with HubSpot's real limits.
    pub fn new(env: Env) -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            env,
            label: "Sandbox".into(),
            seed: 8360,
            hubspot_listen: any_port,
            slack_listen: any_port,
            zapier_listen: any_port,
            google_listen: any_port,
            facebook_listen: any_port,
            mailchimp_listen: any_port,
            mailchimp_members: 300,
            salesforce_listen: any_port,
            salesforce_contacts: 250,
            salesforce_page: 2_000,
            google_page: 10_000,
            facebook_requires_proof: false,
            salesforce_token_rotation: false,
            contacts: 500,
            companies: 60,
            deals: 80,
            bulk_contacts: 0,
            limits: Limits::default(),
            keys: Keys::default(),
            deduplicate: true,
            auto_approve: false,
            slack_token_rotation: false,
            search_lag_ms: 0,
            control: false,
        }
    }
}

/// How often callers may call. `None` is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// HubSpot calls per ten seconds and token, searches apart.
    pub hubspot_per_ten_seconds: Option<u32>,
    /// HubSpot calls per day (UTC) with the private-app token, searches apart.
    pub hubspot_per_day: Option<u32>,
    /// HubSpot searches per second and token.
    pub hubspot_searches_per_second: Option<u32>,
    /// Slack calls per minute and method; messages count per channel.
    pub slack_per_minute: Option<u32>,
    /// Mailchimp calls under way at once.
    pub mailchimp_connections: Option<usize>,
    /// Salesforce calls in any 24 hours.
    pub salesforce_per_day: Option<u32>,
    /// Facebook calls in any hour.
    pub facebook_per_hour: Option<u32>,
    /// Google Ads operations a day (UTC).
    pub google_per_day: Option<u32>,
}

impl Limits {
    /// No limits at all, for benchmarks.
    pub const NONE: Self = Self {
        hubspot_per_ten_seconds: None,
        hubspot_per_day: None,
        hubspot_searches_per_second: None,
        slack_per_minute: None,
        mailchimp_connections: None,
        salesforce_per_day: None,
        facebook_per_hour: None,
        google_per_day: None,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hubspot_per_ten_seconds: Some(110),
            hubspot_per_day: Some(650_000),
            hubspot_searches_per_second: Some(5),
            slack_per_minute: Some(60),
            mailchimp_connections: Some(10),
            salesforce_per_day: Some(100_000),
            facebook_per_hour: Some(1_000),
            google_per_day: Some(15_000),
        }
    }
}

/// Credentials the fakes accept. None of them opens anything real.
#[derive(Clone, Debug)]
pub struct Keys {
    /// HubSpot private-app token; it never expires.
    pub hubspot_token: String,
    /// OAuth client of the HubSpot app.
    pub hubspot_client_id: String,
    /// Its secret, which also signs HubSpot webhooks.
    pub hubspot_client_secret: String,
    /// Slack bot token; it never expires.
    pub slack_token: String,
    /// OAuth client of the Slack app.
    pub slack_client_id: String,
    /// Its secret.
    pub slack_client_secret: String,
    /// What signs Slack events.
    pub slack_signing_secret: String,
    /// Path of the one incoming webhook.
    pub slack_webhook_path: String,
    /// Mailchimp API key; its end names the data centre.
    pub mailchimp_api_key: String,
    /// OAuth client of the Mailchimp app.
    pub mailchimp_client_id: String,
    /// Its secret.
    pub mailchimp_client_secret: String,
    /// Salesforce session that does not end.
    pub salesforce_token: String,
    /// OAuth client of the Salesforce app.
    pub salesforce_client_id: String,
    /// Its secret.
    pub salesforce_client_secret: String,
    /// System-user token of Facebook; it does not end.
    pub facebook_token: String,
    /// OAuth client of the Facebook app.
    pub facebook_client_id: String,
    /// Its secret, which also signs webhooks and makes proofs.
    pub facebook_client_secret: String,
    /// Access token of Google that does not end.
    pub google_token: String,
    /// Developer token of Google Ads.
    pub google_developer_token: String,
    /// OAuth client of the Google app.
    pub google_client_id: String,
    /// Its secret.
    pub google_client_secret: String,
    /// Path of the one Zap's catch hook.
    pub zapier_hook_path: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            hubspot_token: "sandbox-hubspot-token".into(),
            hubspot_client_id: "sandbox-hubspot-client".into(),
            hubspot_client_secret: "sandbox-hubspot-secret".into(),
            slack_token: "xoxb-sandbox-token".into(),
            slack_client_id: "sandbox-slack-client".into(),
            slack_client_secret: "sandbox-slack-secret".into(),
            slack_signing_secret: "sandbox-slack-signing-secret".into(),
            slack_webhook_path: "/services/T0SANDBOX/B0SANDBOX1/sandbox".into(),
            mailchimp_api_key: "0sandbox0000000000000000mailchimp-us6".into(),
            mailchimp_client_id: "sandbox-mailchimp-client".into(),
            mailchimp_client_secret: "sandbox-mailchimp-secret".into(),
            salesforce_token: "00D!sandbox-salesforce-token".into(),
            salesforce_client_id: "sandbox-salesforce-client".into(),
            salesforce_client_secret: "sandbox-salesforce-secret".into(),
            facebook_token: "EAAsandbox-system-user".into(),
            facebook_client_id: "sandbox-facebook-client".into(),
            facebook_client_secret: "sandbox-facebook-secret".into(),
            google_token: "ya29.sandbox-google-token".into(),
            google_developer_token: "sandbox-developer-token".into(),
            google_client_id: "sandbox-google-client".into(),
            google_client_secret: "sandbox-google-secret".into(),
            zapier_hook_path: "/hooks/catch/8360/sandbox/".into(),
        }
    }
}
