//! Sign-in without refresh tokens: a living token is exchanged for one of sixty days.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::Refusal;
use crate::{
    asked::Asked,
    oauth::{App, Life},
    world::World,
};

/// How long the first token lives, in seconds.
const SHORT_SECS: i64 = 5_400;
/// How long an exchanged one lives, in seconds.
const LONG_SECS: i64 = 5_183_944;

fn app<'a>(world: &'a World, page: &'a str) -> App<'a> {
    let keys = &world.config.keys;
    App {
        provider: "Facebook",
        page,
        client_id: &keys.facebook_client_id,
        client_secret: &keys.facebook_client_secret,
    }
}

pub(super) fn authorize(world: &World, asked: &Asked, version: &str) -> Response {
    let page = format!("/{version}/dialog/oauth");
    let mut account = world.facebook();
    let outcome =
        app(world, &page).authorize(&world.config, &mut account.grants, asked, world.now());
    outcome.unwrap_or_else(|word| Refusal::parameter(word).into_response())
}

pub(super) fn token(world: &World, asked: &Asked, page: &str) -> Response {
    let (app, now) = (app(world, page), world.now());
    let mut account = world.facebook();
    let granted = if asked.param("grant_type") == "fb_exchange_token" {
        if asked.param("client_id") != app.client_id
            || asked.param("client_secret") != app.client_secret
        {
            return Refusal::new(101, "Error validating application.").into_response();
        }
        let lengthened = account.grants.lengthen(asked.param("fb_exchange_token"), now, LONG_SECS);
        lengthened.map(|tokens| (tokens, LONG_SECS)).ok_or("Session has expired.")
    } else {
        let life = Life { secs: Some(SHORT_SECS), rotates: false };
        app.grant(&mut account.grants, asked, now, life).map(|tokens| (tokens, SHORT_SECS))
    };
    match granted {
        Ok((tokens, secs)) => {
            let body = json!({
                "access_token": tokens.access,
                "token_type": "bearer",
                "expires_in": secs,
            });
            Json(body).into_response()
        }
        Err(word) => Refusal::token(463, word).into_response(),
    }
}
