//! A key as the API shows it: never its secret.

use connectus_core::Timestamp;
use connectus_store::api_keys::ApiKey;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::users::RoleName;

/// An API key.
#[derive(Serialize, ToSchema)]
pub struct ApiKeyView {
    /// Identifier.
    #[schema(example = "key_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// What it is for.
    name: String,
    /// The start of the key, to recognise it by.
    #[schema(example = "cnx_1f2e3d4c")]
    prefix: String,
    /// What it may do.
    role: RoleName,
    /// The person it acts for.
    user_id: Option<String>,
    /// When made.
    created_at: String,
    /// When it ends.
    expires_at: Option<String>,
    /// When last used, to five minutes.
    last_used_at: Option<String>,
    /// When revoked.
    revoked_at: Option<String>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: key.id.to_string(),
            name: key.name,
            prefix: key.prefix,
            role: key.role.into(),
            user_id: key.user.map(|user| user.to_string()),
            created_at: key.created_at.to_string(),
            expires_at: time(key.expires_at),
            last_used_at: time(key.last_used_at),
            revoked_at: time(key.revoked_at),
        }
    }
}
