//! A session: a request of its own signs in, and what it answers signs the others.

use connectus_core::{Code, Error, Result, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::manifest::{
    document::{Component, Node},
    interpolation::{
        Variable,
        datetime::{Moment, Span},
    },
    request::{Ask, Options, Outcome, Requester, Site, Slot, strings},
    slices::Slice,
    text::{Text, plain},
};

/// A `SessionTokenAuthenticator`.
#[derive(Debug)]
pub struct Session {
    login: Box<Requester>,
    path: Vec<String>,
    life: Option<Span>,
    slot: Slot,
    /// How the token is written; as a bearer token without it.
    token: Option<Text>,
    state: Mutex<Option<(String, Timestamp)>>,
}

impl Session {
    /// Reads the authenticator.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(component: &Component, site: &Site) -> Result<Self> {
        let scope = site.scope();
        let path = component.node("session_token_path").and_then(Node::as_list);
        let life = component.text("expiration_duration").map(|text| Span::parse(&text));
        let way = component.need_component("request_authentication")?;
        let (slot, token) = match way.kind() {
            "Bearer" => (Slot::header("Authorization".into()), None),
            "ApiKey" => {
                let slot = Slot::compile(&way.need_component("inject_into")?, &scope)?;
                let own = Text::read(&way, "api_token")?;
                let usual = || Text::compile(&way, "api_token", "{{ session_token }}");
                (slot, Some(own.map_or_else(usual, Ok)?))
            }
            other => return Err(way.wrong("type", &format!("`{other}` is not supported"))),
        };
        let login = component.need_component("login_requester")?;
        Ok(Self {
            login: Box::new(Requester::compile(&login, "login", site)?),
            path: strings(component, "session_token_path", path.unwrap_or_default(), &scope)?,
            life: life.transpose()?,
            state: Mutex::new(None),
            slot,
            token,
        })
    }

    /// What goes onto a request.
    ///
    /// # Errors
    /// Whatever signing in ends with.
    pub async fn apply(&self, site: &Site) -> Result<Options> {
        let token = self.current(site).await?;
        let mut options = Options::default();
        let written = match &self.token {
            None => format!("Bearer {token}"),
            Some(text) => {
                let token = Value::from(token);
                text.string(&site.scope().with(Variable::SessionToken, &token))?
            }
        };
        site.shared.book.note(&written);
        self.slot.put(&mut options, written.into());
        Ok(options)
    }

    async fn current(&self, site: &Site) -> Result<String> {
        let now = site.wire.env.now();
        let mut state = self.state.lock().await;
        if let Some((token, until)) = state.as_ref()
            && *until >= now
        {
            return Ok(token.clone());
        }
        let token = self.sign_in(site).await?;
        site.shared.book.note(&token);
        if let Some(life) = &self.life {
            let until = Moment::of(now).plus(life)?.timestamp();
            *state = Some((token.clone(), until));
        }
        Ok(token)
    }

    async fn sign_in(&self, site: &Site) -> Result<String> {
        let (slice, token) = (Slice::default(), Value::Null);
        let ask = Ask { slice: &slice, token: &token, path: None, home: None };
        let refused = || Error::new(Code::ReauthRequired, "Signing in gave no session token.");
        let sent = Box::pin(self.login.send(site, ask, Options::default())).await?;
        let Outcome::Page(answer) = sent else { return Err(refused()) };
        let body: Value = serde_json::from_slice(&answer.response.body).unwrap_or_default();
        let found = self.path.iter().try_fold(&body, |at, step| at.get(step));
        found.filter(|value| !value.is_null()).map(plain).ok_or_else(refused)
    }
}
