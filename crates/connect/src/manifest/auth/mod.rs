//! How a source signs in. What comes out of here goes onto requests and nowhere else.

mod book;
mod jwt;
mod key;
mod legacy;
mod oauth;
mod session;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use connectus_core::{Error, Result};
use serde_json::{Map, Value};

pub use book::SecretBook;
pub use jwt::Jwt;
pub use legacy::LegacySession;
pub use oauth::{ConfigSink, OAuth};
pub use session::Session;

use super::{
    document::{Component, Member, Node},
    interpolation::Scope,
    request::{Options, Site, Slot},
    text::{Text, plain},
};

/// A way to sign in, its texts compiled.
#[derive(Debug)]
pub enum Authenticator {
    /// None.
    None,
    /// A text put into one place.
    Token {
        /// The place.
        slot: Slot,
        /// What is put there.
        token: Text,
        /// What stands before it.
        prefix: &'static str,
    },
    /// A user name and a password.
    Basic {
        /// The user name.
        username: Text,
        /// The password.
        password: Option<Text>,
    },
    /// A token that is renewed.
    OAuth(Arc<OAuth>),
    /// What signing in gave.
    Session(Arc<Session>),
    /// A token signed here.
    Jwt(Arc<Jwt>),
    /// A session as the first manifests had them.
    Legacy(Arc<LegacySession>),
}

/// What authenticators of one source share.
#[derive(Clone)]
pub struct Shared {
    /// The secrets that must not be told.
    pub book: Arc<SecretBook>,
    /// Who keeps settings that change, such as a token that is good once.
    pub sink: Option<Arc<dyn ConfigSink>>,
}

impl Authenticator {
    /// Reads the authenticator of a requester.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(requester: &Component, site: &Site) -> Result<Self> {
        match requester.component("authenticator")? {
            None => Ok(Self::None),
            Some(component) => Self::read(&component, requester, site),
        }
    }

    fn read(component: &Component, requester: &Component, site: &Site) -> Result<Self> {
        let Site { config, shared, .. } = site;
        let scope = &site.scope();
        match component.kind() {
            "NoAuth" => Ok(Self::None),
            "BearerAuthenticator" => Ok(Self::Token {
                slot: Slot::header("Authorization".into()),
                token: Text::need(component, "api_token")?,
                prefix: "Bearer ",
            }),
            "ApiKeyAuthenticator" => {
                let slot = match component.component("inject_into")? {
                    Some(option) => Slot::compile(&option, scope)?,
                    None => Slot::header(Text::need(component, "header")?.string(scope)?),
                };
                let token = Text::read(component, "api_token")?;
                let token = token.map_or_else(|| Text::compile(component, "api_token", ""), Ok)?;
                Ok(Self::Token { slot, token, prefix: "" })
            }
            "BasicHttpAuthenticator" => Ok(Self::Basic {
                username: Text::need(component, "username")?,
                password: Text::read(component, "password")?,
            }),
            "OAuthAuthenticator" => {
                OAuth::compile(component, scope, config, shared).map(Arc::new).map(Self::OAuth)
            }
            "SelectiveAuthenticator" => Self::read(&selected(component, config)?, requester, site),
            "JwtAuthenticator" => Jwt::compile(component, site).map(Arc::new).map(Self::Jwt),
            "LegacySessionTokenAuthenticator" => {
                LegacySession::compile(component, requester).map(Arc::new).map(Self::Legacy)
            }
            "SessionTokenAuthenticator" => {
                Session::compile(component, site).map(Arc::new).map(Self::Session)
            }
            other => Err(component.wrong("type", &format!("`{other}` is not supported"))),
        }
    }

    /// What goes onto a request.
    ///
    /// # Errors
    /// `invalid` when a text cannot be filled in; whatever renewing a token ends with.
    pub async fn apply(&self, site: &Site) -> Result<Options> {
        let Site { wire, config, shared, .. } = site;
        let mut options = Options::default();
        match self {
            Self::None => {}
            Self::Token { slot, token, prefix } => {
                let token = token.string(&Scope::new(&wire.env, config))?;
                shared.book.note(&token);
                slot.put(&mut options, format!("{prefix}{token}").into());
            }
            Self::Basic { username, password } => {
                let scope = Scope::new(&wire.env, config);
                let username = username.string(&scope)?;
                let password = match password {
                    Some(password) => password.string(&scope)?,
                    None => String::new(),
                };
                shared.book.note(&password);
                let pair = STANDARD.encode(format!("{username}:{password}"));
                shared.book.note(&pair);
                options.headers = header("Authorization", format!("Basic {pair}"));
            }
            Self::OAuth(oauth) => {
                let token = oauth.token(wire, shared).await?;
                options.headers = header("Authorization", format!("Bearer {token}"));
            }
            Self::Session(session) => return session.apply(site).await,
            Self::Jwt(jwt) => return jwt.apply(site),
            Self::Legacy(session) => return session.apply(site).await,
        }
        Ok(options)
    }

    /// Renews the token that a request was sent with; answers whether there is another one now.
    ///
    /// # Errors
    /// `reauth_required` when the provider takes the renewal for no good.
    pub async fn renew(&self, site: &Site, sent: &Options) -> Result<bool> {
        match self {
            Self::OAuth(oauth) => {
                let sent = sent.headers.get("Authorization").map(plain);
                oauth.renew(&site.wire, sent.as_deref(), &site.shared).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn header(name: &str, value: String) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), Value::from(value))])
}

/// The authenticator whose name the settings hold.
fn selected(component: &Component, config: &Value) -> Result<Component> {
    const PATH: &str = "authenticator_selection_path";
    let path = component.node(PATH).and_then(Node::as_list);
    let path = path.ok_or_else(|| component.wrong(PATH, "is missing"))?;
    let mut at = config;
    for step in path {
        let step = step.as_text().map(|text| &**text).unwrap_or_default();
        at = at
            .get(step)
            .ok_or_else(|| Error::invalid(format!("config.{step}"), "must say how to sign in"))?;
    }
    let name = plain(at);
    let Some(Member::Component(all)) = component.member("authenticators") else {
        return Err(component.wrong("authenticators", "must be an object"));
    };
    all.component(&name)?
        .ok_or_else(|| component.wrong("authenticators", &format!("has none of the name `{name}`")))
}
