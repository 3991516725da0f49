//! The settings as the program uses them. Names and defaults are those of the default file.

use std::{net::SocketAddr, path::PathBuf};

use connectus_connect::http::Allowed;
use connectus_core::{Result, queue};
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::parse;

/// All settings.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[data]`
    pub data: Data,
    /// `[keys]`
    pub keys: Keys,
    /// `[log]`
    pub log: Log,
    /// `[events]`
    pub events: Events,
    /// `[auth]`
    pub auth: Auth,
    /// `[egress]`
    pub egress: Egress,
    /// `[smtp]`
    pub smtp: Smtp,
    /// `[redis]`
    pub redis: Redis,
    /// `[celery]`
    pub celery: Celery,
    /// `[queues]`
    pub queues: Queues,
    /// `[sync]`
    pub sync: Sync,
    /// `[ai]`
    pub ai: Ai,
    /// `[digitalcloud360]`
    pub digitalcloud360: DigitalCloud360,
    /// `[briefs]`
    pub briefs: Briefs,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers HTTP.
    Api,
    /// Works on runs.
    Worker,
    /// Starts what is due.
    Scheduler,
}

/// The HTTP server.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Address of the API.
    #[serde(deserialize_with = "parse::address")]
    pub listen: SocketAddr,
    /// How others reach it.
    #[serde(deserialize_with = "parse::web_address")]
    pub public_url: Option<Url>,
    /// What this process does.
    #[serde(deserialize_with = "parse::roles")]
    pub roles: Vec<Role>,
    /// Proxies that are believed.
    #[serde(deserialize_with = "parse::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call.
    #[serde(deserialize_with = "parse::origins")]
    pub cors_origins: Vec<String>,
    /// Address of `/metrics` alone.
    #[serde(deserialize_with = "parse::optional_address")]
    pub metrics_listen: Option<SocketAddr>,
    /// Seconds to drain.
    #[serde(deserialize_with = "parse::seconds_to_drain")]
    pub drain_secs: u64,
}

/// Where data lives.
#[derive(Clone, Debug, Deserialize)]
pub struct Data {
    /// The data directory; none for the usual places.
    #[serde(deserialize_with = "parse::path")]
    pub dir: Option<PathBuf>,
    /// A PostgreSQL server in place of SQLite.
    #[serde(deserialize_with = "parse::postgres")]
    pub database_url: Option<SecretString>,
    /// Megabytes that must be free.
    pub min_free_mb: u64,
    /// Days that a run is kept once it has ended; 0 for ever.
    pub keep_runs_days: u32,
    /// Days that events are kept; 0 for ever.
    #[serde(deserialize_with = "parse::event_days")]
    pub keep_events_days: u32,
    /// Kilobytes above which a value of a run is kept in a file.
    #[serde(deserialize_with = "parse::inline_kb")]
    pub inline_kb: u32,
    /// The folder of those files; none for the usual one.
    #[serde(deserialize_with = "parse::path")]
    pub blobs: Option<PathBuf>,
}

impl Data {
    /// Bytes above which a value of a run is kept in a file.
    pub fn inline_bytes(&self) -> usize {
        usize::try_from(self.inline_kb).unwrap_or(usize::MAX).saturating_mul(1024)
    }
}

/// The master key.
#[derive(Clone, Debug, Deserialize)]
pub struct Keys {
    /// The key itself, as 64 hexadecimal digits.
    #[serde(deserialize_with = "parse::secret")]
    pub master_key: Option<SecretString>,
    /// The file that holds it.
    #[serde(deserialize_with = "parse::path")]
    pub master_key_file: Option<PathBuf>,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// The log.
#[derive(Clone, Debug, Deserialize)]
pub struct Log {
    /// Filter directives.
    #[serde(deserialize_with = "parse::log_filter")]
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// Events.
#[derive(Clone, Debug, Deserialize)]
pub struct Events {
    /// Whether handlers and live readers follow them.
    pub enabled: bool,
    /// At which level each is logged; none for not at all.
    #[serde(deserialize_with = "parse::level")]
    pub log_level: Option<tracing::Level>,
    /// Streams one user or key may hold open.
    pub streams_per_user: usize,
}

/// Sign-in.
#[derive(Clone, Debug, Deserialize)]
pub struct Auth {
    /// What a partner service sends.
    #[serde(deserialize_with = "parse::long_secret")]
    pub service_secret: Option<SecretString>,
    /// What a partner signs tokens with.
    #[serde(deserialize_with = "parse::long_secret")]
    pub jwt_secret: Option<SecretString>,
    /// The audience such a token must name.
    pub jwt_audience: String,
    /// The issuer such a token must name; empty for any.
    pub jwt_issuer: String,
}

/// Outbound calls.
#[derive(Clone, Debug, Deserialize)]
pub struct Egress {
    /// Private addresses opened on purpose.
    #[serde(deserialize_with = "parse::allowed")]
    pub allow: Vec<Allowed>,
    /// Ports of public addresses open besides 443.
    #[serde(deserialize_with = "parse::ports")]
    pub ports: Vec<u16>,
    /// Seconds to connect.
    #[serde(deserialize_with = "parse::timeout")]
    pub connect_timeout: u64,
    /// Seconds for a whole exchange.
    #[serde(deserialize_with = "parse::timeout")]
    pub request_timeout: u64,
    /// Whether plain HTTP may leave this machine.
    pub allow_insecure_http: bool,
}

/// E-mail.
#[derive(Clone, Debug, Deserialize)]
pub struct Smtp {
    /// The server that takes letters, with its login.
    #[serde(deserialize_with = "parse::secret")]
    pub url: Option<SecretString>,
    /// The address that letters come from.
    pub from: String,
    /// Letters that a tenant may send in an hour.
    pub per_hour: u32,
}

/// Redis.
#[derive(Clone, Debug, Deserialize)]
pub struct Redis {
    /// Its URL.
    #[serde(deserialize_with = "parse::secret")]
    pub url: Option<SecretString>,
}

/// Names kept from an older installation.
#[derive(Clone, Debug, Deserialize)]
pub struct Celery {
    /// The broker's URL.
    #[serde(deserialize_with = "parse::secret")]
    pub broker_url: Option<SecretString>,
    /// The result store's URL.
    #[serde(deserialize_with = "parse::secret")]
    pub result_backend: Option<SecretString>,
}

/// Data flows.
#[derive(Clone, Debug, Deserialize)]
pub struct Sync {
    /// Calls of one flow at once.
    #[serde(deserialize_with = "parse::at_once")]
    pub calls_per_flow: usize,
    /// Calls to one provider at once.
    #[serde(deserialize_with = "parse::at_once")]
    pub calls_per_provider: usize,
}

/// Limits of queues.
#[derive(Clone, Debug, Deserialize)]
pub struct Queues {
    /// Generations at once.
    pub max_concurrent_generations: u64,
    /// Seconds for one.
    pub generation_timeout: u64,
    /// Runs of a queue at once, by name.
    #[serde(deserialize_with = "parse::numbers")]
    pub concurrency: Vec<(String, u64)>,
    /// Seconds for an attempt in a queue, by name.
    #[serde(deserialize_with = "parse::numbers")]
    pub timeouts: Vec<(String, u64)>,
}

impl Queues {
    /// The queues with these limits.
    ///
    /// # Errors
    /// `invalid` for a queue there is not, and for a limit out of range.
    pub fn limits(&self) -> Result<queue::Queues> {
        let mut queues = queue::Queues::default();
        let generations = ("generation".to_owned(), self.max_concurrent_generations);
        for (name, runs) in std::iter::once(&generations).chain(&self.concurrency) {
            queues.set_concurrency(name, usize::try_from(*runs).unwrap_or(usize::MAX))?;
        }
        let generations = ("generation".to_owned(), self.generation_timeout);
        for (name, secs) in std::iter::once(&generations).chain(&self.timeouts) {
            queues.set_timeout(name, *secs)?;
        }
        Ok(queues)
    }
}

/// Keys of text, image and search services.
#[derive(Clone, Debug, Deserialize)]
pub struct Ai {
    /// OpenAI.
    #[serde(deserialize_with = "parse::secret")]
    pub openai_api_key: Option<SecretString>,
    /// Deepseek.
    #[serde(deserialize_with = "parse::secret")]
    pub deepseek_api_key: Option<SecretString>,
    /// Kimi.
    #[serde(deserialize_with = "parse::secret")]
    pub kimi_api_key: Option<SecretString>,
    /// Tavily.
    #[serde(deserialize_with = "parse::secret")]
    pub tavily_api_key: Option<SecretString>,
    /// LogoAI.
    #[serde(deserialize_with = "parse::secret")]
    pub logoai_api_key: Option<SecretString>,
}

/// The website publisher.
#[derive(Clone, Debug, Deserialize)]
pub struct DigitalCloud360 {
    /// Its API.
    #[serde(deserialize_with = "parse::secret_address")]
    pub api_url: Option<SecretString>,
    /// Where it hears of finished briefs.
    #[serde(deserialize_with = "parse::secret_address")]
    pub webhook_url: Option<SecretString>,
}

/// A tenant's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Trial.
    Trial,
    /// Basic.
    Basic,
    /// Pro.
    Pro,
    /// Enterprise.
    Enterprise,
}

impl Plan {
    /// The name in rows and tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Basic => "basic",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }
}

/// Briefs.
#[derive(Clone, Debug, Deserialize)]
pub struct Briefs {
    /// The plan of a tenant that names none.
    pub plan_default: Plan,
    /// Answer when a brief takes too long.
    #[serde(deserialize_with = "parse::timeout_status")]
    pub timeout_status: u16,
    /// Days a brief is kept; 0 for ever.
    pub retention_days: u32,
    /// Where logo addresses begin.
    #[serde(deserialize_with = "parse::web_address")]
    pub logo_cdn_base: Option<Url>,
    /// Whether raw answers of providers are kept.
    pub retain_provider_raw: bool,
}
