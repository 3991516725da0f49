//! A delivery as the API shows it.

use connectus_core::{
    Timestamp,
    delivery::{Attempt, Delivery},
};
use serde::Serialize;
use utoipa::ToSchema;

/// An event on its way to a subscriber.
#[derive(Serialize, ToSchema)]
pub struct DeliveryView {
    /// Identifier, and the `webhook-id` of every attempt.
    #[schema(example = "dlv_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// Whom it is for.
    subscription: String,
    /// Type of the event.
    #[schema(example = "run.failed")]
    event: String,
    /// Position of the event in the tenant's order.
    event_seq: u64,
    /// `pending`, `delivered` or `dead`.
    status: &'static str,
    /// Attempts since it was made or last replayed.
    attempts: u32,
    /// Attempts in all.
    total_attempts: u32,
    /// When the next attempt is due.
    next_attempt_at: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it ended.
    finished_at: Option<String>,
}

/// A delivery with what its attempts came to.
#[derive(Serialize, ToSchema)]
pub struct DeliveryWithAttempts {
    /// The delivery.
    #[serde(flatten)]
    pub(super) delivery: DeliveryView,
    /// Its newest attempts, newest first.
    pub(super) log: Vec<AttemptView>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
pub struct AttemptView {
    /// The how-many-eth, from 1, over all replays.
    number: u32,
    /// When it began.
    at: String,
    /// How long it took, in milliseconds.
    millis: u64,
    /// What the receiver answered; null when it did not.
    status: Option<u16>,
    /// Code of what went wrong; null after a success.
    error: Option<String>,
    /// What went wrong, for people.
    message: String,
    /// The beginning of the receiver's answer, at most 1,024 bytes.
    response: String,
}

impl From<Delivery> for DeliveryView {
    fn from(of: Delivery) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: of.id.to_string(),
            subscription: of.subscription.to_string(),
            event: of.event,
            event_seq: of.event_seq,
            status: of.status.name(),
            attempts: of.attempts,
            total_attempts: of.total_attempts,
            next_attempt_at: time(of.next_attempt_at),
            created_at: of.created_at.to_string(),
            finished_at: time(of.finished_at),
        }
    }
}

impl From<Attempt> for AttemptView {
    fn from(of: Attempt) -> Self {
        Self {
            number: of.number,
            at: of.at.to_string(),
            millis: of.millis,
            status: of.status,
            error: of.error,
            message: of.message,
            response: of.response,
        }
    }
}
