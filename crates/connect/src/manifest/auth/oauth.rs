//! OAuth tokens: used while they last, renewed by one at a time.

use std::collections::HashMap;

use async_trait::async_trait;
use connectus_core::{Code, Error, Result, Timestamp};
use http::Method;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::Shared;
use crate::manifest::{
    document::{Component, Node},
    interpolation::{Scope, Types},
    request::{Answer, Draft, Options, Wire},
    text::{Text, Values, plain},
};

/// How long a token is taken for good whose end nobody names, in seconds.
const USUAL_LIFE_SECS: i64 = 3_600;
/// Depth at which a token is looked for in an answer.
const MAX_DEPTH: usize = 5;
/// Tries of a renewal.
const TRIES: u32 = 4;

/// Keeps settings that change while a source is read.
#[async_trait]
pub trait ConfigSink: Send + Sync {
    /// These settings count from now on. Called while a token is renewed: nobody uses the new one
    /// before this has returned.
    ///
    /// # Errors
    /// Whatever keeps them from being kept.
    async fn changed(&self, config: &Value) -> Result<()>;

    /// The settings in the form the manifest wants today. Whoever has them brought to it every
    /// time need not keep them.
    fn migrated(&self, _config: &Value) {}
}

/// An OAuth authenticator.
pub struct OAuth {
    endpoint: Option<String>,
    form: Map<String, Value>,
    headers: Map<String, Value>,
    in_query: bool,
    refresh_name: String,
    names: Names,
    updater: Option<Updater>,
    rejected: Rejected,
    state: Mutex<State>,
}

impl std::fmt::Debug for OAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OAuth").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

struct Names {
    access: String,
    expires: String,
    is_time: bool,
}

/// Where a token that is good once is kept in the settings.
struct Updater {
    refresh_name: String,
    access_path: Vec<String>,
    refresh_path: Vec<String>,
    expiry_path: Vec<String>,
}

/// Which answer means that the refresh token is dead.
struct Rejected {
    statuses: Vec<u16>,
    key: String,
    values: Vec<String>,
}

struct State {
    config: Value,
    access: Option<String>,
    refresh: Option<String>,
    expires: Timestamp,
}

impl OAuth {
    /// Reads an `OAuthAuthenticator`.
    ///
    /// # Errors
    /// `invalid` when it lacks what its grant needs.
    pub fn compile(
        component: &Component,
        scope: &Scope<'_>,
        config: &Value,
        shared: &Shared,
    ) -> Result<Self> {
        let text = |name: &str| -> Result<Option<String>> {
            Text::read(component, name)?.map(|text| text.string(scope)).transpose()
        };
        let named = |name: &str, usual: &str| -> Result<String> {
            Ok(text(name)?.unwrap_or_else(|| usual.to_owned()))
        };
        let tree = |name: &str| -> Result<Map<String, Value>> {
            let values = Values::read(component, name, Types::ANY)?;
            values.map_or_else(|| Ok(Map::new()), |values| values.map(scope))
        };
        let updater = component.component("refresh_token_updater")?;
        let updater = updater.as_ref().map(|one| Updater::read(one, scope)).transpose()?;
        let headers = tree("refresh_request_headers")?;
        let grant = named("grant_type", "refresh_token")?;
        let mut form = Map::new();
        form.insert(named("grant_type_name", "grant_type")?, grant.clone().into());
        if !headers.contains_key("Authorization") {
            for (name, usual) in
                [("client_id_name", "client_id"), ("client_secret_name", "client_secret")]
            {
                let value = text(usual)?.unwrap_or_default();
                shared.book.note(if usual == "client_secret" { &value } else { "" });
                form.insert(named(name, usual)?, value.into());
            }
        }
        let scopes = component.node("scopes").and_then(Node::as_list).unwrap_or_default();
        if !scopes.is_empty() {
            form.insert("scopes".into(), scopes.iter().map(Node::to_value).collect());
        }
        for (name, value) in tree("refresh_request_body")? {
            form.entry(name).or_insert(value);
        }
        let state = State::begin(component, scope, config, updater.as_ref())?;
        if grant == "refresh_token"
            && state.refresh.is_none()
            && text("token_refresh_endpoint")?.is_some()
        {
            return Err(component.wrong("refresh_token", "is missing"));
        }
        let known = [&state.access, &state.refresh];
        known.into_iter().flatten().for_each(|secret| shared.book.note(secret));
        let refresh_name = named("refresh_token_name", "refresh_token")?;
        Ok(Self {
            endpoint: text("token_refresh_endpoint")?.filter(|text| !text.is_empty()),
            in_query: component.flag("send_refresh_request_as_query_params"),
            names: Names {
                access: named("access_token_name", "access_token")?,
                expires: named("expires_in_name", "expires_in")?,
                is_time: component.text("token_expiry_date_format").is_some(),
            },
            rejected: Rejected::read(component)?,
            state: Mutex::new(state),
            form,
            headers,
            refresh_name,
            updater,
        })
    }

    /// A token that is good now.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn token(&self, wire: &Wire, shared: &Shared) -> Result<String> {
        let mut state = self.state.lock().await;
        if let Some(access) = &state.access
            && (self.endpoint.is_none() || state.expires > wire.env.now())
        {
            return Ok(access.clone());
        }
        self.renew_now(&mut state, wire, shared).await
    }

    /// Renews the token, unless someone has since a request was sent with this header.
    ///
    /// # Errors
    /// `reauth_required` when the provider does not take the refresh token, `provider_unavailable`
    /// when it does not answer.
    pub async fn renew(&self, wire: &Wire, sent: Option<&str>, shared: &Shared) -> Result<String> {
        let mut state = self.state.lock().await;
        if let (Some(access), Some(sent)) = (&state.access, sent)
            && sent != format!("Bearer {access}")
        {
            return Ok(access.clone());
        }
        self.renew_now(&mut state, wire, shared).await
    }

    async fn renew_now(&self, state: &mut State, wire: &Wire, shared: &Shared) -> Result<String> {
        let answer = self.ask(state, wire).await?;
        let body: Value = serde_json::from_slice(&answer.response.body).unwrap_or_default();
        let access = find(&body, &self.names.access, 0).map(plain).filter(|t| !t.is_empty());
        let access = access.ok_or_else(|| {
            let detail = format!("The answer to the renewal holds no `{}`.", self.names.access);
            Error::new(Code::ProviderRefused, detail)
        })?;
        shared.book.note(&access);
        state.expires = self.expiry(&body, wire.env.now())?;
        state.access = Some(access.clone());
        if let Some(updater) = &self.updater {
            if let Some(refresh) = find(&body, &updater.refresh_name, 0).map(plain) {
                shared.book.note(&refresh);
                state.refresh = Some(refresh);
            }
            updater.write(state);
            if let Some(sink) = &shared.sink {
                sink.changed(&state.config).await?;
            }
        }
        Ok(access)
    }

    async fn ask(&self, state: &State, wire: &Wire) -> Result<Answer> {
        let endpoint = self.endpoint.as_deref().ok_or_else(|| {
            Error::new(Code::ReauthRequired, "There is no access token and no way to get one.")
        })?;
        let url = url::Url::parse(endpoint)
            .map_err(|error| Error::invalid("token_refresh_endpoint", error.to_string()))?;
        let mut form = self.form.clone();
        if let Some(refresh) = &state.refresh {
            form.insert(self.refresh_name.clone(), refresh.clone().into());
        }
        let mut secret = Options { headers: self.headers.clone(), ..Options::default() };
        *(if self.in_query { &mut secret.query } else { &mut secret.form }) = form;
        let draft = Draft { method: Method::POST, url, options: Options::default(), secret };
        for attempt in 0..TRIES {
            let sent = wire.send("oauth", &draft).await;
            let transient = match &sent {
                Ok(answer) => answer.response.status == 429 || answer.response.status >= 500,
                Err(error) => error.is_transient(),
            };
            if transient && attempt + 1 < TRIES {
                let secs = std::time::Duration::from_secs(1 << attempt);
                tokio::time::sleep(secs).await;
                continue;
            }
            let answer = sent?;
            return if answer.response.is_success() {
                Ok(answer)
            } else {
                Err(self.refusal(&answer))
            };
        }
        Err(Error::new(Code::ProviderUnavailable, "The token endpoint cannot answer now."))
    }

    fn refusal(&self, answer: &Answer) -> Error {
        let status = answer.response.status;
        let body: HashMap<String, Value> =
            serde_json::from_slice(&answer.response.body).unwrap_or_default();
        let said = body.get(&self.rejected.key).map(plain).unwrap_or_default();
        if self.rejected.statuses.contains(&status) && self.rejected.values.contains(&said) {
            let detail = "The provider does not take the refresh token. Connect the source again.";
            return Error::new(Code::ReauthRequired, detail).with("failure_type", "config_error");
        }
        let code = if status >= 500 || status == 429 {
            Code::ProviderUnavailable
        } else {
            Code::ReauthRequired
        };
        let detail = format!("The token endpoint answered with HTTP {status}.");
        Error::new(code, detail).with("provider_status", status)
    }

    fn expiry(&self, body: &Value, now: Timestamp) -> Result<Timestamp> {
        let Some(told) = find(body, &self.names.expires, 0).map(plain) else {
            return Ok(now.plus_secs(USUAL_LIFE_SECS));
        };
        let seconds = told.trim().parse::<f64>().ok();
        if self.names.is_time {
            #[expect(clippy::cast_possible_truncation, reason = "whole seconds are meant")]
            let at = seconds.map(|secs| Timestamp::from_secs(secs as i64));
            return at.or_else(|| Timestamp::parse(&told)).ok_or_else(|| {
                Error::new(Code::ProviderRefused, format!("`{told}` is not a time of expiry."))
            });
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds are meant")]
        let life = seconds.map(|secs| secs as i64);
        let life = life.ok_or_else(|| {
            Error::new(Code::ProviderRefused, format!("`{told}` is not a number of seconds."))
        })?;
        Ok(now.plus_secs(life))
    }
}

impl State {
    fn begin(
        component: &Component,
        scope: &Scope<'_>,
        config: &Value,
        updater: Option<&Updater>,
    ) -> Result<Self> {
        let text = |name: &str| -> Result<Option<String>> {
            let text = Text::read(component, name)?.map(|text| text.string(scope)).transpose()?;
            Ok(text.filter(|text| !text.is_empty()))
        };
        if let Some(updater) = updater {
            let at = |path: &[String]| {
                let pointer = path.iter().try_fold(config, |at, step| at.get(step))?;
                Some(plain(pointer)).filter(|text| !text.is_empty() && text != "None")
            };
            let expires = at(&updater.expiry_path).and_then(|text| Timestamp::parse(&text));
            return Ok(Self {
                config: config.clone(),
                access: at(&updater.access_path),
                refresh: at(&updater.refresh_path),
                expires: expires.unwrap_or(Timestamp(i64::MIN)),
            });
        }
        let expires = text("token_expiry_date")?.and_then(|text| Timestamp::parse(&text));
        Ok(Self {
            config: Value::Null,
            access: text("access_token_value")?,
            refresh: text("refresh_token")?,
            expires: expires.unwrap_or(Timestamp(i64::MIN)),
        })
    }
}

impl Updater {
    fn read(component: &Component, scope: &Scope<'_>) -> Result<Self> {
        let path = |name: &str, usual: &str| {
            let parts = component.node(name).and_then(Node::as_list);
            let own = parts.map(|parts| {
                parts.iter().filter_map(|node| node.as_text().map(ToString::to_string)).collect()
            });
            own.unwrap_or_else(|| vec!["credentials".to_owned(), usual.to_owned()])
        };
        let refresh_name = Text::read(component, "refresh_token_name")?;
        let refresh_name = refresh_name.map(|text| text.string(scope)).transpose()?;
        Ok(Self {
            refresh_name: refresh_name.unwrap_or_else(|| "refresh_token".to_owned()),
            access_path: path("access_token_config_path", "access_token"),
            refresh_path: path("refresh_token_config_path", "refresh_token"),
            expiry_path: path("token_expiry_date_config_path", "token_expiry_date"),
        })
    }

    fn write(&self, state: &mut State) {
        let State { config, access, refresh, expires } = state;
        set(config, &self.access_path, access.clone().into());
        set(config, &self.refresh_path, refresh.clone().into());
        set(config, &self.expiry_path, expires.to_string().into());
    }
}

fn set(config: &mut Value, path: &[String], value: Value) {
    let mut at = config;
    for step in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(map) = at else { return };
        at = map.entry(step.clone()).or_insert(Value::Null);
    }
    *at = value;
}

impl Rejected {
    fn read(component: &Component) -> Result<Self> {
        let updater = component.component("refresh_token_updater")?;
        const NAME: &str = "refresh_token_error_status_codes";
        let owner = [Some(component.clone()), updater].into_iter().flatten();
        let Some(owner) = owner.into_iter().find(|one| one.node(NAME).is_some()) else {
            let values = ["invalid_grant", "invalid_permissions"].map(str::to_owned).into();
            return Ok(Self { statuses: vec![400], key: "error".into(), values });
        };
        let list = |name: &str| {
            let items = owner.node(name).and_then(Node::as_list).unwrap_or_default();
            items.iter().map(|node| plain(&node.to_value())).collect::<Vec<_>>()
        };
        Ok(Self {
            statuses: list(NAME).iter().filter_map(|text| text.parse().ok()).collect(),
            key: owner.text("refresh_token_error_key").map(|t| t.to_string()).unwrap_or_default(),
            values: list("refresh_token_error_values"),
        })
    }
}

/// A member of this name, however deep it lies.
fn find<'a>(value: &'a Value, name: &str, depth: usize) -> Option<&'a Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    match value {
        Value::Object(map) => map
            .get(name)
            .filter(|value| !value.is_null())
            .or_else(|| map.values().find_map(|inner| find(inner, name, depth + 1))),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, name, depth + 1)),
        _ => None,
    }
}
