//! A provider, reachable with one credential.

use std::sync::Arc;

use connectus_core::{Env, Error, Result};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{ActionOutcome, CursorState, StreamReader};
use crate::{CallSink, CredentialSource, Guarded, Plan};

/// The settings of an integration, as its `settings` column holds them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where the API lives instead of the pack's base URL.
    pub base_url: Option<String>,
    /// The pack's own settings by name.
    pub config: Map<String, Value>,
}

impl Settings {
    /// Reads the JSON object of an integration's settings.
    ///
    /// # Errors
    /// `invalid` when it is not an object or `base_url` is not text.
    pub fn from_json(value: &Value) -> Result<Self> {
        let Value::Object(map) = value else {
            return Err(Error::invalid("settings", "must be an object"));
        };
        let mut config = map.clone();
        let base_url = match config.remove("base_url") {
            None | Some(Value::Null) => None,
            Some(Value::String(url)) => Some(url.trim_end_matches('/').to_owned()),
            Some(_) => return Err(Error::invalid("settings.base_url", "must be text")),
        };
        Ok(Self { base_url, config })
    }
}

/// Makes connections. One per process: it keeps the rate budgets.
#[derive(Clone)]
pub struct Connector {
    http: Guarded,
    env: Env,
    sink: Arc<dyn CallSink>,
}

impl Connector {
    /// Binds the guarded client, the clock and the counter of calls.
    pub fn new(http: Guarded, env: Env, sink: Arc<dyn CallSink>) -> Self {
        Self { http, env, sink }
    }

    /// A connection for one integration. `credential` names the budget: everything that uses the
    /// same external credential must pass the same name. Nothing is sent yet.
    ///
    /// # Errors
    /// `invalid` for missing settings, `egress_denied` for a base URL that is not allowed.
    pub fn connect(
        &self,
        plan: &Arc<Plan>,
        settings: Settings,
        credential: &str,
        source: Arc<dyn CredentialSource>,
    ) -> Result<Connection> {
        let _ = (&self.http, &self.env, &self.sink, settings, credential, source);
        Ok(Connection { plan: plan.clone() })
    }
}

/// A provider, reachable with one credential. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    plan: Arc<Plan>,
}

/// What a connection test found.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionReport {
    /// Milliseconds the provider took.
    pub latency_ms: u64,
    /// What the provider says about the account, without secrets.
    pub details: Value,
}

/// A stream and its fields.
#[derive(Clone, Debug, Serialize)]
pub struct StreamInfo {
    /// The stream.
    pub name: String,
    /// What identifies a record.
    pub primary_key: Vec<String>,
    /// Whether changes alone can be asked for.
    pub delta: bool,
    /// The JSON Schema of a record, as the pack declares it.
    pub schema: Value,
}

impl Connection {
    /// Proves that provider and credential work, without changing anything.
    ///
    /// # Errors
    /// As any call: `reauth_required`, `provider_unavailable`, `egress_denied`, ...
    pub async fn test(&self) -> Result<ConnectionReport> {
        Err(Error::internal("not yet"))
    }

    /// The provider's streams and their fields.
    pub fn discover(&self) -> Vec<StreamInfo> {
        Vec::new()
    }

    /// Reads a stream from where `state` left off; from the start without one.
    ///
    /// # Errors
    /// `not_found` for an unknown stream, `invalid` for a state of another stream or version.
    pub fn read(&self, stream: &str, state: Option<&CursorState>) -> Result<StreamReader> {
        let _ = (stream, state, &self.plan);
        Err(Error::internal("not yet"))
    }

    /// Performs an action. The same `key` over retries lets the provider drop a second call where
    /// it can; see the action's idempotency for what an unknown outcome means.
    ///
    /// # Errors
    /// `not_found` for an unknown action, `invalid` for its input, else as any call.
    pub async fn call(&self, action: &str, input: &Value, key: &str) -> Result<ActionOutcome> {
        let _ = (action, input, key);
        Err(Error::internal("not yet"))
    }
}
