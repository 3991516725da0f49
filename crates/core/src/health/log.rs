//! The health log: problems people should look at, with what to do about each.

use serde::{Deserialize, Serialize};

use super::Severity;
use crate::{
    Code,
    id::{HealthLogId, IntegrationId, RunId, TenantId},
    time::Timestamp,
};

/// A problem of an integration. The same problem again counts up instead of adding a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthLog {
    /// Its identifier.
    pub id: HealthLogId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The integration it concerns; none for a problem of Connectus itself.
    pub integration: Option<IntegrationId>,
    /// How bad it is.
    pub severity: Severity,
    /// What was being done: `sync`, `test_connection`, `refresh`, `webhook`, an action's name.
    pub operation: String,
    /// The stable code of the error.
    pub code: String,
    /// What went wrong, in words for people; never a secret.
    pub message: String,
    /// What to do about it.
    pub suggestion: String,
    /// The run it happened in, where it did in one.
    pub run: Option<RunId>,
    /// How often it happened while unresolved.
    pub occurrences: u64,
    /// When it first happened.
    pub created_at: Timestamp,
    /// When it last happened.
    pub last_at: Timestamp,
    /// When it was resolved, by a person or by a later success.
    pub resolved_at: Option<Timestamp>,
    /// Who resolved it: [`Actor::label`](crate::Actor::label).
    pub resolved_by: Option<String>,
}

impl HealthLog {
    /// Whether it still calls for attention.
    pub const fn is_open(&self) -> bool {
        self.resolved_at.is_none()
    }
}

/// How bad an error is for the integration it happened on.
pub const fn severity_of(code: Code) -> Severity {
    match code {
        Code::ReauthRequired | Code::Unauthenticated | Code::StorageFull => Severity::Critical,
        Code::Forbidden
        | Code::ProviderRefused
        | Code::EgressDenied
        | Code::BadSignature
        | Code::Internal => Severity::High,
        Code::ProviderUnavailable | Code::Timeout | Code::Unavailable | Code::Invalid => {
            Severity::Medium
        }
        _ => Severity::Low,
    }
}

/// What to do about an error that happened during an operation.
pub fn suggestion(code: Code, operation: &str) -> &'static str {
    match (code, operation) {
        (_, operation) if operation.starts_with("delivery ") => {
            "The receiver of a webhook subscription did not take deliveries: mend it, enable the \
             subscription again, then replay what failed."
        }
        (_, "schema") => {
            "The fields of a data flow's source changed: look at its mapping, and resolve this \
             entry. A flow that was paused goes on with PATCH {\"status\": \"active\"}."
        }
        (_, "api_version") => {
            "Choose a later API version by the integration's setting `api_version`, test the \
             connection, and compare what a sync brings."
        }
        (Code::ReauthRequired | Code::Unauthenticated, _) => {
            "The provider no longer accepts the credential: connect the integration again. If it \
             happens often, check that the app's refresh token is not revoked elsewhere."
        }
        (Code::Forbidden, _) => {
            "The credential lacks a permission: grant the missing scope at the provider, then \
             connect the integration again."
        }
        (Code::RateLimited | Code::QuotaExceeded, _) => {
            "The provider's call limit was reached: sync less often, enlarge the batch size, or \
             ask the provider for a higher limit. Work resumes by itself when the limit resets."
        }
        (Code::ProviderUnavailable | Code::Timeout, "test_connection") => {
            "The provider does not answer: check the base URL in the settings, then the \
             provider's status page."
        }
        (Code::ProviderUnavailable | Code::Timeout, _) => {
            "The provider is not answering: Connectus retries by itself. If it lasts, look at the \
             provider's status page."
        }
        (Code::ProviderRefused, _) => {
            "The provider refused the request: compare the message with the field mapping and the \
             provider's required fields."
        }
        (Code::EgressDenied, _) => {
            "The address is not allowed: correct `base_url`, or have an administrator add the \
             private address to the allow-list."
        }
        (Code::BadSignature, _) => {
            "A webhook's signature did not match: copy the signing secret from the provider's app \
             settings again, and check that the clock of this machine is right."
        }
        (Code::Invalid | Code::BadRequest, "mapping" | "test_mapping") => {
            "Some rows do not fit the mapping: test it on one of the rejected rows, correct the \
             rule, then replay them."
        }
        (Code::Invalid | Code::BadRequest | Code::UnsupportedMediaType, _) => {
            "Rows or settings were not acceptable: look at the rejected rows, correct the mapping \
             or the settings, then replay them."
        }
        (Code::StorageFull, _) => {
            "The disk is full: free space or move the data directory. Nothing was lost; work \
             resumes by itself."
        }
        (Code::TooLarge, _) => {
            "An answer or a row was larger than the limit: lower the page size or map fewer fields."
        }
        (Code::NotFound | Code::MethodNotAllowed, _) => {
            "The provider does not know the object or the address: check the stream's name and \
             that the object still exists."
        }
        (Code::Conflict | Code::InFlight | Code::PreconditionFailed, _) => {
            "Someone else was changing the same object: run it again."
        }
        _ => "Look at the run's trace for the failing step, then run it again.",
    }
}
