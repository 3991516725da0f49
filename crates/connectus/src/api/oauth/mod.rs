//! The OAuth round trip of an integration.

pub mod authorize;
pub mod callback;
mod page;

use axum::http::{HeaderMap, header};
use connectus_core::access::Permission::IntegrationsWrite;
use connectus_engine::connections::SessionKey;

use crate::{
    app::App,
    http::{Access::Needs, Caller, Operation, caller::Via, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "oauth.authorize" = authorize, Needs(IntegrationsWrite),
            aliases ["/integrations/oauth/{provider}/authorize"];
        "oauth.callback" = callback, Needs(IntegrationsWrite),
            aliases ["/integrations/oauth/{provider}/callback"];
    }
}

/// The one address providers send browsers back to. It must be registered with the provider's
/// app, byte for byte.
fn redirect_uri(app: &App, provider: &str) -> String {
    format!("{}/api/v1/oauth/{provider}/callback", app.public_url)
}

/// What binds a round trip to the login it was begun with: the console session, the chain of
/// tokens of one sign-in, or the key.
fn session(caller: &Caller) -> SessionKey {
    let login = match &caller.via {
        Via::Console { login, .. } => format!("console:{login}"),
        Via::Token { family: Some(family) } => format!("token:{family}"),
        Via::Token { family: None } | Via::ApiKey | Via::Service => caller.ctx.actor().label(),
    };
    SessionKey::of(&login)
}

/// Whether a person's browser asks, rather than a program.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// Whether a path segment can be a provider's name, so that it may stand in an address.
fn is_provider(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}
