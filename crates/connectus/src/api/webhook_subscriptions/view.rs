//! A subscription as the API shows it: never its secret, but once.

use connectus_core::{
    Timestamp,
    delivery::{DisabledReason, Subscription},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Who is told of which events.
#[derive(Serialize, ToSchema)]
pub struct SubscriptionView {
    /// Identifier.
    #[schema(example = "wsub_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// Where deliveries are posted.
    #[schema(example = "https://example.com/webhooks/connectus")]
    url: String,
    /// Event types: names, prefixes ending in `.*`, or `*`.
    #[schema(example = json!(["run.failed", "flow.*"]))]
    events: Vec<String>,
    /// What it is for.
    description: String,
    /// Whether it gets anything.
    enabled: bool,
    /// Why not: `person`, `failing` (every attempt failed for five days) or `gone` (the receiver
    /// answered 410).
    disabled_reason: Option<&'static str>,
    /// Since when every attempt has failed.
    failing_since: Option<String>,
    /// Until when the secret before the present one signs along.
    previous_secret_until: Option<String>,
    /// Who made it.
    created_by: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it last changed.
    updated_at: String,
    /// Counts changes; also the `ETag`.
    version: u64,
}

/// A subscription with the secret it was just given.
#[derive(Serialize, ToSchema)]
pub struct SubscriptionWithSecret {
    /// Signs deliveries from now on. It is shown this once; keep it where secrets are kept.
    #[schema(example = "whsec_...")]
    pub(super) secret: String,
    /// What the subscription is.
    #[serde(flatten)]
    pub(super) subscription: SubscriptionView,
}

impl From<Subscription> for SubscriptionView {
    fn from(of: Subscription) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: of.id.to_string(),
            url: of.url,
            events: of.events,
            description: of.description,
            enabled: of.disabled.is_none(),
            disabled_reason: of.disabled.map(DisabledReason::name),
            failing_since: time(of.failing_since),
            previous_secret_until: time(of.previous_secret_until),
            created_by: of.created_by.map(|id| id.to_string()),
            created_at: of.created_at.to_string(),
            updated_at: of.updated_at.to_string(),
            version: of.version,
        }
    }
}
