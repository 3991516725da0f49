//! The health log: what went wrong with integrations, and what to do about it.

pub mod get;
pub mod list;
pub mod resolve;

use connectus_core::{
    Error, HealthLogId, Result,
    access::Permission::{HealthRead, HealthWrite},
    health::HealthLog,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{Access::Needs, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "health_logs.list" = list, Needs(HealthRead), aliases ["/integrations/health-logs"];
        "health_logs.get" = get, Needs(HealthRead), aliases ["/integrations/health-logs/{id}"];
        "health_logs.resolve" = resolve, Needs(HealthWrite),
            aliases ["/integrations/health-logs/{id}"];
    }
}

/// A problem. The same one again counts up instead of adding an entry.
#[derive(Serialize, ToSchema)]
pub struct HealthLogView {
    /// Identifier.
    #[schema(example = "hlog_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// The integration it concerns; null for a problem of Connectus itself.
    integration_id: Option<String>,
    /// `low`, `medium`, `high` or `critical`.
    #[schema(example = "critical")]
    severity: &'static str,
    /// What was being done.
    #[schema(example = "sync")]
    operation: String,
    /// A stable code.
    #[schema(example = "reauth_required")]
    code: String,
    /// What went wrong.
    message: String,
    /// What to do about it.
    suggestion: String,
    /// The run it happened in.
    run_id: Option<String>,
    /// How often it happened while unresolved.
    occurrences: u64,
    /// Whether it is resolved.
    resolved: bool,
    /// When it was resolved, by a person or by a later success.
    resolved_at: Option<String>,
    /// Who resolved it.
    resolved_by: Option<String>,
    /// When it first happened.
    created_at: String,
    /// When it last happened.
    last_at: String,
}

impl HealthLogView {
    /// Shows an entry.
    pub fn of(log: HealthLog) -> Self {
        Self {
            id: log.id.to_string(),
            integration_id: log.integration.map(|id| id.to_string()),
            severity: log.severity.name(),
            operation: log.operation,
            code: log.code,
            message: log.message,
            suggestion: log.suggestion,
            run_id: log.run.map(|id| id.to_string()),
            occurrences: log.occurrences,
            resolved: log.resolved_at.is_some(),
            resolved_at: log.resolved_at.map(|at| at.to_string()),
            resolved_by: log.resolved_by,
            created_at: log.created_at.to_string(),
            last_at: log.last_at.to_string(),
        }
    }
}

/// The identifier that a path names.
fn id(text: &str) -> Result<HealthLogId> {
    HealthLogId::parse(text).ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::not_found("health log entry")
}
