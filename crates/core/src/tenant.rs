//! Who is acting, and for which tenant. No tenant-owned row is reachable without a [`TenantCtx`].

use serde::{Deserialize, Serialize};

use crate::{
    access::Role,
    id::{ApiKeyId, TenantId, UserId},
};

/// Who did something, as events and audit rows record it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// A person, through the console or with a token.
    User {
        /// The person.
        id: UserId,
    },
    /// A script with an API key.
    ApiKey {
        /// The key's row.
        id: ApiKeyId,
        /// The person it acts for, where it names one.
        user: Option<UserId>,
    },
    /// A partner service acting on behalf of a person (`X-Service-Secret` + `X-User-Id`).
    Service {
        /// The person it acts for.
        user: Option<UserId>,
    },
    /// Connectus itself: schedules, webhooks, retries.
    System,
}

impl Actor {
    /// The person behind the action, where there is one.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User { id } => Some(id),
            Self::ApiKey { user, .. } | Self::Service { user } => user.as_ref(),
            Self::System => None,
        }
    }

    /// One short text, `user:usr_..`, for rows and log lines.
    pub fn label(&self) -> String {
        match self {
            Self::User { id } => format!("user:{id}"),
            Self::ApiKey { id, .. } => format!("api_key:{id}"),
            Self::Service { user: Some(id) } => format!("service:{id}"),
            Self::Service { user: None } => "service".into(),
            Self::System => "system".into(),
        }
    }
}

/// The tenant a piece of work is for, and who does it.
///
/// Made in three places only, which a tidy rule checks: the authentication layer from a verified
/// credential, the engine from the row of a run it owns, and the test harness.
#[derive(Clone, Debug)]
pub struct TenantCtx {
    tenant: TenantId,
    actor: Actor,
    role: Role,
}

impl TenantCtx {
    /// Vouches that `actor` was verified to act in `tenant` with `role`.
    pub fn establish(tenant: TenantId, actor: Actor, role: Role) -> Self {
        Self { tenant, actor, role }
    }

    /// Connectus itself, working for a tenant on a row that already names the tenant.
    pub fn system(tenant: TenantId) -> Self {
        Self { tenant, actor: Actor::System, role: Role::Owner }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// With which role.
    pub fn role(&self) -> Role {
        self.role
    }
}
