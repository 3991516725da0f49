//! Everything the HTTP API can do: one folder per resource, one file per endpoint. Each folder
//! lists its operations; this is the list of the folders.

use crate::http::Operation;

pub mod analytics;
pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod collections;
pub mod data_flows;
pub mod deliveries;
pub mod events;
pub mod health_logs;
pub mod hooks;
pub mod integrations;
pub mod notification_rules;
pub mod notifications;
pub mod oauth;
pub mod providers;
pub mod queues;
pub mod runs;
pub mod system;
pub mod tenant;
pub mod usage;
pub mod users;
pub mod webhook_subscriptions;
pub mod workers;
pub mod workflow_templates;
pub mod workflow_tests;
pub mod workflows;

/// The table of operations.
pub fn operations() -> Vec<Operation> {
    [
        system::operations(),
        auth::operations(),
        tenant::operations(),
        users::operations(),
        api_keys::operations(),
        audit::operations(),
        providers::operations(),
        usage::operations(),
        oauth::operations(),
        integrations::operations(),
        health_logs::operations(),
        data_flows::operations(),
        collections::operations(),
        workflows::operations(),
        workflow_tests::operations(),
        workflow_templates::operations(),
        runs::operations(),
        queues::operations(),
        workers::operations(),
        hooks::operations(),
        webhook_subscriptions::operations(),
        deliveries::operations(),
        events::operations(),
        analytics::operations(),
        notification_rules::operations(),
        notifications::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
