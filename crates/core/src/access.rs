//! Roles and permissions. The table below is the whole authorisation policy.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a person or key may do inside one tenant, from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, including other owners and the tenant itself.
    Owner,
    /// Everything but ownership.
    Admin,
    /// Builds: integrations, data flows, workflows.
    Editor,
    /// Runs what others built: syncs, executions, retries.
    Operator,
    /// Looks.
    Viewer,
}

impl Role {
    /// All roles, from most to least.
    pub const ALL: [Self; 5] =
        [Self::Owner, Self::Admin, Self::Editor, Self::Operator, Self::Viewer];

    /// The name used in tokens, rows and requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// Whether this role holds a permission.
    pub fn allows(self, permission: Permission) -> bool {
        // `Role` is ordered from most to least, so "at least editor" reads as `<=`.
        self <= permission.least_role()
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(())
    }
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $least:ident;)*) => {
        /// What an operation requires. Every route names exactly one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Permission { $($(#[$doc])* $name,)* }

        impl Permission {
            /// All permissions, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name shown in OpenAPI and error messages.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The least role that holds it.
            pub const fn least_role(self) -> Role {
                match self { $(Self::$name => Role::$least,)* }
            }
        }
    };
}

permissions! {
    /// See one's own account.
    AccountRead = "account:read", Viewer;
    /// Change one's own account: password, log out.
    AccountWrite = "account:write", Viewer;
    /// See providers.
    ProvidersRead = "providers:read", Viewer;
    /// Add and remove providers of one's own: whoever does decides where secrets go.
    ProvidersWrite = "providers:write", Admin;
    /// See integrations, never their secrets.
    IntegrationsRead = "integrations:read", Viewer;
    /// Create, change and delete integrations and their credentials.
    IntegrationsWrite = "integrations:write", Editor;
    /// Test a connection.
    IntegrationsTest = "integrations:test", Operator;
    /// See data flows and their runs.
    FlowsRead = "flows:read", Viewer;
    /// Create, change and delete data flows.
    FlowsWrite = "flows:write", Editor;
    /// Sync, preview, replay rejected rows.
    FlowsRun = "flows:run", Operator;
    /// See collections and their records.
    RecordsRead = "records:read", Viewer;
    /// Change records by hand.
    RecordsWrite = "records:write", Editor;
    /// See workflows and their executions.
    WorkflowsRead = "workflows:read", Viewer;
    /// Create, change and delete workflows.
    WorkflowsWrite = "workflows:write", Editor;
    /// Execute workflows, cancel and retry runs, approve.
    WorkflowsRun = "workflows:run", Operator;
    /// See health logs, usage, insights and the event stream.
    HealthRead = "health:read", Viewer;
    /// Resolve health logs.
    HealthWrite = "health:write", Operator;
    /// See subscriptions for outgoing webhooks and their deliveries, never their secrets.
    WebhooksRead = "webhooks:read", Operator;
    /// Replay deliveries.
    WebhooksRun = "webhooks:run", Operator;
    /// Say where events are sent; see a subscription's secret once.
    WebhooksWrite = "webhooks:write", Admin;
    /// Read and verify the audit log.
    AuditRead = "audit:read", Admin;
    /// See users and API keys.
    UsersRead = "users:read", Admin;
    /// Create, change and remove users and API keys.
    UsersWrite = "users:write", Admin;
    /// Change or remove the tenant itself, and its owners.
    TenantWrite = "tenant:write", Owner;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_holds_at_least_what_the_next_holds() {
        for pair in Role::ALL.windows(2) {
            for permission in Permission::ALL {
                let [more, less] = pair else { unreachable!() };
                assert!(more.allows(*permission) || !less.allows(*permission));
            }
        }
    }

    /// The whole policy once more, by role: whoever changes it says so in two places.
    #[test]
    fn each_role_adds_these_permissions() {
        let added: [(Role, &[&str]); 5] = [
            (Role::Owner, &["tenant:write"]),
            (
                Role::Admin,
                &["providers:write", "webhooks:write", "audit:read", "users:read", "users:write"],
            ),
            (
                Role::Editor,
                &["integrations:write", "flows:write", "records:write", "workflows:write"],
            ),
            (
                Role::Operator,
                &[
                    "integrations:test",
                    "flows:run",
                    "workflows:run",
                    "health:write",
                    "webhooks:read",
                    "webhooks:run",
                ],
            ),
            (
                Role::Viewer,
                &[
                    "account:read",
                    "account:write",
                    "providers:read",
                    "integrations:read",
                    "flows:read",
                    "records:read",
                    "workflows:read",
                    "health:read",
                ],
            ),
        ];
        for (role, names) in added {
            let least = Permission::ALL.iter().filter(|one| one.least_role() == role);
            assert_eq!(least.map(|one| one.name()).collect::<Vec<_>>(), names, "{role:?}");
        }
    }

    #[test]
    fn the_edges_of_the_table_hold() {
        assert!(Role::Owner.allows(Permission::TenantWrite));
        assert!(!Role::Admin.allows(Permission::TenantWrite));
        assert!(!Role::Editor.allows(Permission::UsersRead));
        assert!(!Role::Operator.allows(Permission::FlowsWrite));
        assert!(Role::Operator.allows(Permission::FlowsRun));
        assert!(!Role::Viewer.allows(Permission::FlowsRun));
        assert!(Role::Viewer.allows(Permission::FlowsRead));
    }
}
