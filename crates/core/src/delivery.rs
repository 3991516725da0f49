//! Outgoing webhooks: who is told of which events, when a delivery is tried, and when that ends.
//! Signatures and schedule follow Standard Webhooks and Svix.

use crate::{
    error::{Error, Result},
    event::{Event, EventType},
    id::{DeliveryId, SubscriptionId, UserId},
    named::named,
    time::Timestamp,
};
use serde::Serialize;
use serde_json::json;

/// Seconds from one attempt to the next, the first from the event. After the last the delivery is
/// dead until someone replays it: 27 hours, 35 minutes and 5 seconds in all.
pub const SCHEDULE: [i64; 8] = [0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600];
/// A subscription whose every attempt failed for so long is disabled, in seconds.
pub const DISABLE_AFTER_SECS: i64 = 5 * 24 * 3600;
/// So long the secret that was replaced signs along, in seconds.
pub const SIGN_ALONG_SECS: i64 = 24 * 3600;
/// Most subscriptions of a tenant.
pub const MAX_SUBSCRIPTIONS: u64 = 100;
/// Most event patterns of a subscription.
pub const MAX_PATTERNS: usize = 50;
/// Longest address, in bytes.
pub const MAX_URL_BYTES: usize = 2_048;
/// Longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 500;

/// When the next attempt is due after `failed` attempts in a row; `None`: there is none.
pub fn next_attempt(failed: u32, now: Timestamp) -> Option<Timestamp> {
    let wait = SCHEDULE.get(usize::try_from(failed).ok()?)?;
    Some(now.plus_secs(*wait))
}

named! {
    /// How far a delivery is.
    pub enum DeliveryStatus as "status" {
        /// It will be tried, for the first time or again.
        Pending = "pending",
        /// The receiver has it: it answered 2xx.
        Delivered = "delivered",
        /// Every attempt failed. Only a replay tries it again.
        Dead = "dead",
    }
}

named! {
    /// Why a subscription gets nothing.
    pub enum DisabledReason as "reason" {
        /// Someone said so.
        Person = "person",
        /// Every attempt failed for five days.
        Failing = "failing",
        /// The receiver answered 410: it is not there any more and says so.
        Gone = "gone",
    }
}

/// Who wants to be told of which events.
#[derive(Clone, Debug, Serialize)]
pub struct Subscription {
    /// Identifier.
    pub id: SubscriptionId,
    /// Where deliveries are posted.
    pub url: String,
    /// Event types: a name, a prefix ending in `.*`, or `*`.
    pub events: Vec<String>,
    /// What it is for.
    pub description: String,
    /// Why it gets nothing; `None` while it is enabled.
    pub disabled: Option<DisabledReason>,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// Until when the secret before this one signs along.
    pub previous_secret_until: Option<Timestamp>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes.
    pub version: u64,
}

impl Subscription {
    /// Whether an event is for it. What happens to a subscription is not told to itself: a delivery
    /// that died would bring about the next one for ever.
    pub fn wants(&self, kind: EventType, subject: &str) -> bool {
        subject != self.id.as_str() && self.events.iter().any(|pattern| kind.matches(pattern))
    }
}

/// An event on its way to a subscriber.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// Identifier, and the `webhook-id` of every attempt and replay.
    pub id: DeliveryId,
    /// Whom it is for.
    pub subscription: SubscriptionId,
    /// Position of the event in the tenant's order.
    pub event_seq: u64,
    /// Type of the event.
    pub event: String,
    /// How far it is.
    pub status: DeliveryStatus,
    /// Attempts since it was made or last replayed.
    pub attempts: u32,
    /// Attempts in all.
    pub total_attempts: u32,
    /// When the next attempt is due; `None` when there is none.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// One attempt of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// The how-many-eth, from 1, over all replays.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The receiver's status; `None` when it did not answer.
    pub status: Option<u16>,
    /// Code of what went wrong; `None` after a success.
    pub error: Option<String>,
    /// What went wrong, for people.
    pub message: String,
    /// The beginning of the receiver's answer.
    pub response: String,
}

/// The body of a delivery, the same bytes at every attempt.
pub fn body(event: &Event) -> String {
    json!({
        "type": event.kind,
        "timestamp": event.at,
        "id": event.id,
        "seq": event.seq,
        "subject": event.subject,
        "data": event.data,
    })
    .to_string()
}

/// Checks the event patterns of a subscription.
///
/// # Errors
/// `invalid`, naming the pattern that covers no event there is.
pub fn check_events(patterns: &[String]) -> Result<()> {
    if patterns.is_empty() || patterns.len() > MAX_PATTERNS {
        let message = format!("must be 1 to {MAX_PATTERNS} event types; `[\"*\"]` means all.");
        return Err(Error::invalid("events", message));
    }
    for (index, pattern) in patterns.iter().enumerate() {
        if !EventType::ALL.iter().any(|kind| kind.matches(pattern)) {
            return Err(Error::invalid(
                format!("events/{index}"),
                "matches no event there is. Give a name (`run.failed`), a family (`run.*`) or `*`.",
            ));
        }
    }
    Ok(())
}

/// Checks the description of a subscription.
///
/// # Errors
/// `invalid` when it is too long.
pub fn check_description(text: &str) -> Result<()> {
    if text.chars().count() > MAX_DESCRIPTION_CHARS {
        let message = format!("must be at most {MAX_DESCRIPTION_CHARS} characters.");
        return Err(Error::invalid("description", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_attempts_within_27_hours_35_minutes_and_5_seconds() {
        let mut at = Timestamp::from_secs(0);
        let mut attempts = 0;
        while let Some(next) = next_attempt(attempts, at) {
            (at, attempts) = (next, attempts + 1);
        }
        assert_eq!((attempts, at), (8, Timestamp::from_secs(27 * 3600 + 35 * 60 + 5)));
        assert_eq!(next_attempt(u32::MAX, at), None);
    }

    #[test]
    fn patterns_must_mean_something() {
        let check = |patterns: &[&str]| {
            check_events(&patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        for good in [&["*"][..], &["run.*"], &["run.failed", "webhook.received"]] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        for bad in [&[][..], &["run"], &["nothing.*"], &["run.failed", ""], &["*"; 51]] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check_description(&"é".repeat(500)).is_ok());
        assert!(check_description(&"é".repeat(501)).is_err());
    }
}
