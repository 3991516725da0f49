//! A person as the API shows one.

use connectus_core::access::Role;
use connectus_store::users::User;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A person of the tenant.
#[derive(Serialize, ToSchema)]
pub struct UserView {
    /// Identifier.
    #[schema(example = "usr_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// The address to sign in with.
    email: String,
    /// Display name.
    name: String,
    /// What the person may do.
    role: RoleName,
    /// `active` or `suspended`.
    status: String,
    /// The number a partner service knows the person by.
    external_id: Option<i64>,
    /// When added.
    created_at: String,
    /// When last changed.
    updated_at: String,
    /// Counts changes; also the `ETag`.
    version: u64,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email,
            name: user.name,
            role: user.role.into(),
            status: user.status,
            external_id: user.external_id,
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
            version: user.version,
        }
    }
}

/// What someone may do, from most to least.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// Everything, including other owners and the tenant itself.
    Owner,
    /// Everything but ownership.
    Admin,
    /// Builds integrations, data flows and workflows.
    Editor,
    /// Runs what others built.
    Operator,
    /// Looks.
    Viewer,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Owner => Self::Owner,
            RoleName::Admin => Self::Admin,
            RoleName::Editor => Self::Editor,
            RoleName::Operator => Self::Operator,
            RoleName::Viewer => Self::Viewer,
        }
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Editor => Self::Editor,
            Role::Operator => Self::Operator,
            Role::Viewer => Self::Viewer,
        }
    }
}
