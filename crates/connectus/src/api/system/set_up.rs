//! `POST /setup`: the form of the first owner, sent.

use axum::{
    Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use connectus_core::{Result, access::Role};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::{admin, setup::FirstOwner},
    docs::setup::{self, Entered},
};

/// Name of the key that the new owner is given.
const KEY_NAME: &str = "first key";

/// What the form sends.
#[derive(Deserialize, ToSchema)]
pub struct SetUp {
    /// The one-time token of the link.
    token: String,
    /// Name of the organisation.
    tenant_name: String,
    /// The owner's address.
    email: String,
    /// The owner's password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Make the first organisation and its owner.
///
/// For the form at `/setup`; programs use `POST /api/v1/auth/setup`.
#[utoipa::path(post, path = "/setup", tag = "system",
    request_body(content = SetUp, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 422, description = "The form again, with what is wrong")))]
pub async fn handle(State(app): State<App>, Form(sent): Form<SetUp>) -> Response {
    match first_key(&app, &sent).await {
        Ok(key) => setup::done(&app.public_url, &sent.email, key.expose_secret()).into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.code.status());
            let page = setup::form(Entered {
                token: &sent.token,
                tenant_name: &sent.tenant_name,
                email: &sent.email,
                wrong: Some(&error.detail),
            });
            (status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY), page).into_response()
        }
    }
}

async fn first_key(app: &App, sent: &SetUp) -> Result<SecretString> {
    let member = app
        .auth
        .set_up(FirstOwner {
            token: sent.token.clone(),
            tenant_name: sent.tenant_name.clone(),
            email: sent.email.clone(),
            password: sent.password.clone(),
        })
        .await?;
    let (tenant, user) = (member.user.tenant.as_str(), member.user.id.as_str());
    let made = admin::create_token(app.store(), tenant, Role::Owner, Some(user), KEY_NAME).await;
    made.map(|(_, key)| key)
}
