//! Connections to the stateful fakes, and what every pack must survive.

use std::{collections::BTreeSet, sync::Arc};

use connectus_connect::{
    Access, Connection, Connector, RecordPage, Settings,
    credential::Fixed,
    oauth::{self, OAuthClient, Pkce, TokenSet},
    packs,
    runtime::CursorState,
    webhook::{self, Delivery, InboundEvent},
};
use connectus_core::{Code, Env, Result};
use connectus_sandbox::{Fault, FaultKind, Handle, Running, Sandbox, SandboxConfig, SignedWebhook};
use http::{HeaderMap, HeaderName};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::world::{Calls, TestClock, access, client, env, secrets};

/// The fakes, running, and a clock.
pub struct Fakes {
    pub sandbox: Running,
    pub env: Env,
    pub clock: Arc<TestClock>,
    pub calls: Arc<Calls>,
}

impl Fakes {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut SandboxConfig)) -> Self {
        let (env, clock) = env();
        let mut config = SandboxConfig::new(env.clone());
        change(&mut config);
        let sandbox = Sandbox::start(config).await.unwrap();
        Self { sandbox, env, clock, calls: Arc::default() }
    }

    pub fn handle(&self) -> &Handle {
        &self.sandbox.handle
    }

    /// A connection of a pack, with these settings besides `base_url`.
    pub fn connect(
        &self,
        pack: &str,
        base: &str,
        fields: &[(&str, &str)],
        more: &Value,
    ) -> Connection {
        self.connect_as(pack, base, access(base, fields), more)
    }

    pub fn connect_as(&self, pack: &str, base: &str, access: Access, more: &Value) -> Connection {
        let mut settings = more.clone();
        settings["base_url"] = base.into();
        let settings = Settings::from_json(&settings).unwrap();
        let connector = Connector::new(client(base), self.env.clone(), self.calls.clone());
        let plan = packs::find(pack).unwrap();
        connector.connect(&plan, &settings, "cred", Arc::new(Fixed(access))).unwrap()
    }

    /// Goes through a provider's consent page and back.
    pub async fn sign_in(&self, pack: &str, base: &str, id: &str, secret: &str) -> TokenSet {
        let (plan, http) = (packs::find(pack).unwrap(), client(base));
        let settings = Settings::from_json(&json!({"base_url": base})).unwrap();
        let app = app(id, secret);
        let (state, pkce) = (oauth::new_state(&self.env), Pkce::new(&self.env));
        let url = oauth::authorize_url(&http, &plan, &settings, &app, &state, &pkce).unwrap();
        let allow = url + "&allow=1";
        let allow = connectus_connect::http::GuardedRequest::new(http::Method::GET, allow);
        let answer = http.send(allow).await.unwrap();
        let back = url::Url::parse(answer.header("location").unwrap()).unwrap();
        let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let (code, now) = (SecretString::from(code), self.env.now());
        oauth::exchange_code(&http, &plan, &settings, &app, &code, &pkce, now).await.unwrap()
    }
}

pub fn app(id: &str, secret: &str) -> OAuthClient {
    OAuthClient {
        client_id: id.into(),
        client_secret: Some(SecretString::from(secret)),
        redirect_uri: "http://127.0.0.1:8360/callback".into(),
    }
}

/// All records of a read, and where it ended.
pub async fn read_all(
    connection: &Connection,
    stream: &str,
    state: Option<&CursorState>,
) -> Result<(Vec<Value>, Option<CursorState>)> {
    let mut reader = connection.read(stream, state)?;
    let (mut records, mut cursor) = (Vec::new(), state.cloned());
    while let Some(RecordPage { records: page, cursor: at, .. }) = reader.next_page().await? {
        records.extend(page);
        cursor = at.or(cursor);
    }
    Ok((records, cursor))
}

/// The distinct values of a member of records.
pub fn distinct(records: &[Value], pointer: &str) -> BTreeSet<String> {
    records.iter().map(|record| record.pointer(pointer).unwrap().to_string()).collect()
}

/// What everything a service may answer in place of data means. `list` is the member that holds
/// the records, `told_when_gone` whether an answer without it can be told from an empty one.
pub async fn survives(
    fakes: &Fakes,
    connection: &Connection,
    stream: &str,
    prefix: &str,
    list: &str,
    told_when_gone: bool,
) {
    let handle = fakes.handle();
    let (all, _) = read_all(connection, stream, None).await.unwrap();
    assert!(!all.is_empty(), "{stream}");
    let drift =
        |to: Option<&str>| FaultKind::SchemaDrift { from: list.into(), to: to.map(Into::into) };
    for (kind, code, wait) in [
        (FaultKind::Status { status: 500 }, Code::ProviderUnavailable, None),
        (FaultKind::Status { status: 503 }, Code::ProviderUnavailable, None),
        (FaultKind::Html200, Code::ProviderUnavailable, None),
        (FaultKind::Truncated, Code::ProviderUnavailable, None),
        (FaultKind::Drop, Code::ProviderUnavailable, None),
        (FaultKind::ExpiredToken, Code::ReauthRequired, None),
        (drift(Some("renamed")), Code::ProviderUnavailable, None),
        (drift(Some("moved").filter(|_| !told_when_gone)), Code::ProviderUnavailable, None),
        (FaultKind::Status429 { retry_after: Some(7) }, Code::RateLimited, Some(7)),
        (FaultKind::Status429 { retry_after: None }, Code::RateLimited, None),
    ] {
        handle.fault(Fault::on("", prefix, kind.clone()));
        let mut reader = connection.read(stream, None).unwrap();
        let error = reader.next_page().await.unwrap_err();
        assert_eq!((error.code, error.retry_after), (code, wait), "{stream}: {kind:?}: {error}");
        assert_eq!(handle.pending_faults(), 0, "{stream}: {kind:?} was not met");
        // The budget is closed for a while after a refusal.
        fakes.clock.advance_secs(3_700);
        // The same reader goes on as if nothing had been.
        let mut again = Vec::new();
        while let Some(page) = reader.next_page().await.unwrap() {
            again.extend(page.records);
        }
        assert_eq!(again.len(), all.len(), "{stream}: after {kind:?}");
    }
}

/// A delivery, verified and read as an integration would.
pub fn deliver(
    fakes: &Fakes,
    pack: &str,
    signed: &SignedWebhook,
    held: &[(&str, &str)],
) -> Result<Vec<InboundEvent>> {
    let plan = packs::find(pack).unwrap();
    let triggers = plan.pack.triggers.as_ref().unwrap();
    let headers = header_map(signed);
    let body = signed.body.as_bytes();
    let delivery = Delivery { method: signed.method, url: &signed.url, headers: &headers, body };
    webhook::verify(triggers, &secrets(held), delivery, fakes.env.now())?;
    webhook::events(triggers, body)
}

pub fn header_map(signed: &SignedWebhook) -> HeaderMap {
    let pairs = signed.headers.iter();
    pairs
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}
