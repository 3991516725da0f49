//! `POST /api/v1/auth/password`.

use axum::{extract::State, http::StatusCode};
use connectus_core::{Code, Error};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::peer::Peer,
    http::{ApiResult, Body, Caller, caller::Via},
};

/// A new password of one's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password until now.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// The new one, at least ten characters.
    #[schema(value_type = String, format = Password)]
    new_password: SecretString,
}

/// Change one's own password.
///
/// All logins and tokens end, the caller's too: sign in again with the new password.
#[utoipa::path(post, path = "/api/v1/auth/password", tag = "auth", request_body = ChangePassword,
    responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    Body(body): Body<ChangePassword>,
) -> ApiResult<StatusCode> {
    if matches!(caller.via, Via::ApiKey | Via::Service) {
        let detail = "Only someone who signed in with the password can change it.";
        return Err(Error::new(Code::Forbidden, detail).into());
    }
    let user = caller.user()?.clone();
    let (current, new) = (body.current_password, body.new_password);
    app.auth.change_password(caller.ctx, user, peer, current, new).await?;
    Ok(StatusCode::NO_CONTENT)
}
