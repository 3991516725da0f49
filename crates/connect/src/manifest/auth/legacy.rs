//! Sessions as the first manifests had them: a token of the settings, or one for a name and a
//! password.

use connectus_core::{Code, Error, Result};
use http::Method;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;

use crate::manifest::{
    document::Component,
    request::{Answer, Draft, Options, Site},
    text::{Text, plain},
};

/// A `LegacySessionTokenAuthenticator`.
#[derive(Debug)]
pub struct LegacySession {
    base: Text,
    header: Text,
    login: Text,
    validate: Text,
    token: Option<Text>,
    username: Option<Text>,
    password: Option<Text>,
    answer_key: Option<Text>,
    state: Mutex<Option<String>>,
}

impl LegacySession {
    /// Reads the authenticator of a requester.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(component: &Component, requester: &Component) -> Result<Self> {
        let base = match Text::read(requester, "url_base")? {
            Some(base) => base,
            None => Text::need(requester, "url")?,
        };
        Ok(Self {
            base,
            header: Text::need(component, "header")?,
            login: Text::need(component, "login_url")?,
            validate: Text::need(component, "validate_session_url")?,
            token: Text::read(component, "session_token")?,
            username: Text::read(component, "username")?,
            password: Text::read(component, "password")?,
            answer_key: Text::read(component, "session_token_response_key")?,
            state: Mutex::new(None),
        })
    }

    /// What goes onto a request.
    ///
    /// # Errors
    /// `reauth_required` when neither token nor password is taken.
    pub async fn apply(&self, site: &Site) -> Result<Options> {
        let mut state = self.state.lock().await;
        let token = match state.as_ref() {
            Some(token) => token.clone(),
            None => {
                let token = self.begin(site).await?;
                site.shared.book.note(&token);
                state.insert(token).clone()
            }
        };
        self.signed(site, token)
    }

    fn signed(&self, site: &Site, token: String) -> Result<Options> {
        let name = self.header.string(&site.scope())?;
        let headers = Map::from_iter([(name, Value::from(token))]);
        Ok(Options { headers, ..Options::default() })
    }

    async fn begin(&self, site: &Site) -> Result<String> {
        let text = |text: &Option<Text>| -> Result<String> {
            text.as_ref().map_or_else(|| Ok(String::new()), |text| text.string(&site.scope()))
        };
        let (token, username) = (text(&self.token)?, text(&self.username)?);
        let password = text(&self.password)?;
        site.shared.book.note(&token);
        site.shared.book.note(&password);
        if !token.is_empty() && self.is_good(site, &token).await? {
            return Ok(token);
        }
        if username.is_empty() || password.is_empty() {
            return Err(refused("The session token of the settings is not taken."));
        }
        let json = Map::from_iter([
            ("username".to_owned(), username.into()),
            ("password".to_owned(), password.into()),
        ]);
        let secret = Options { json, ..Options::default() };
        let answer = self.send(site, Method::POST, &self.login, secret).await?;
        if !answer.response.is_success() {
            let status = answer.response.status;
            return Err(refused(&format!("Signing in was answered with HTTP {status}.")));
        }
        let body: Value = serde_json::from_slice(&answer.response.body).unwrap_or_default();
        let found = body.get(text(&self.answer_key)?).filter(|value| !value.is_null());
        found.map(plain).ok_or_else(|| refused("Signing in gave no session token."))
    }

    async fn is_good(&self, site: &Site, token: &str) -> Result<bool> {
        let secret = self.signed(site, token.to_owned())?;
        let answer = self.send(site, Method::GET, &self.validate, secret).await?;
        Ok(answer.response.is_success())
    }

    async fn send(
        &self,
        site: &Site,
        method: Method,
        path: &Text,
        secret: Options,
    ) -> Result<Answer> {
        let scope = site.scope();
        let url = format!("{}{}", self.base.string(&scope)?, path.string(&scope)?);
        let url = Url::parse(&url)
            .map_err(|error| Error::invalid("login_url", format!("is no address: {error}")))?;
        let draft = Draft { method, url, options: Options::default(), secret };
        site.wire.send("login", &draft).await
    }
}

fn refused(what: &str) -> Error {
    Error::new(Code::ReauthRequired, what).with("failure_type", "config_error")
}
