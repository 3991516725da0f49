//! Facts that happened. An event is appended in the transaction that made it true; audit, live
//! streams, metrics and notifications are its readers.

mod detail;

use serde::{Deserialize, Serialize};

use crate::{
    id::{EventId, TenantId},
    time::Timestamp,
};

pub use self::detail::Detail;

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What kind of fact it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventType { $($(#[$doc])* #[serde(rename = $text)] $name,)* }

        impl EventType {
            /// All types, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name subscribers filter on.
            pub const fn name(self) -> &'static str { match self { $(Self::$name => $text,)* } }

            /// The type of a stored name; `None` for a name of a newer version.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

event_types! {
    /// A tenant was created.
    TenantCreated = "tenant.created";
    /// A tenant was changed.
    TenantUpdated = "tenant.updated";
    /// A user was created.
    UserCreated = "user.created";
    /// A user was changed.
    UserUpdated = "user.updated";
    /// A user was removed.
    UserDeleted = "user.deleted";
    /// Someone signed in.
    UserSignedIn = "user.signed_in";
    /// Someone failed to sign in.
    SignInRefused = "user.sign_in_refused";
    /// Someone signed out.
    UserSignedOut = "user.signed_out";
    /// A password was changed; the person's sessions ended.
    UserPasswordChanged = "user.password_changed";
    /// A used refresh token came back: its family was revoked.
    TokenReused = "user.token_reused";
    /// An API key was made.
    ApiKeyCreated = "api_key.created";
    /// An API key was revoked.
    ApiKeyRevoked = "api_key.revoked";
    /// An integration was created.
    IntegrationCreated = "integration.created";
    /// An integration was changed.
    IntegrationUpdated = "integration.updated";
    /// An integration's credential was erased; the integration stays.
    IntegrationDisconnected = "integration.disconnected";
    /// An integration was deleted and its credential revoked.
    IntegrationDeleted = "integration.deleted";
    /// A connection test ended.
    IntegrationTested = "integration.tested";
    /// An OAuth round trip ended well.
    IntegrationConnected = "integration.connected";
    /// An access token was renewed.
    CredentialRefreshed = "credential.refreshed";
    /// The provider refuses the credential: connect again.
    CredentialRejected = "credential.rejected";
    /// A health score moved.
    HealthChanged = "integration.health.changed";
    /// Something to look at was logged.
    HealthLogged = "health.logged";
    /// A health log entry was resolved.
    HealthResolved = "health.resolved";
    /// A provider's call budget is used up until it resets.
    BudgetExhausted = "budget.exhausted";
    /// A data flow was created.
    FlowCreated = "flow.created";
    /// A data flow was changed.
    FlowUpdated = "flow.updated";
    /// A data flow was deleted.
    FlowDeleted = "flow.deleted";
    /// The fields of a data flow's source changed.
    FlowSchemaChanged = "flow.schema.changed";
    /// A sync began.
    SyncStarted = "flow.sync.started";
    /// A sync wrote a checkpoint.
    SyncProgressed = "flow.sync.progressed";
    /// A sync ended well.
    SyncCompleted = "flow.sync.completed";
    /// A sync ended badly.
    SyncFailed = "flow.sync.failed";
    /// A sync was stopped by a person.
    SyncCancelled = "flow.sync.cancelled";
    /// Rejected rows were tried again.
    RowsReplayed = "flow.rows.replayed";
    /// Records were changed by hand or by a workflow.
    RecordsChanged = "collection.records.changed";
    /// A collection was exported.
    CollectionExported = "collection.exported";
    /// A workflow was created.
    WorkflowCreated = "workflow.created";
    /// A workflow was changed.
    WorkflowUpdated = "workflow.updated";
    /// A workflow was deleted.
    WorkflowDeleted = "workflow.deleted";
    /// A workflow has something to say to whoever listens.
    WorkflowNotified = "workflow.notified";
    /// A run was accepted.
    RunCreated = "run.created";
    /// A run began or resumed.
    RunStarted = "run.started";
    /// Steps of a run ended, well or badly: all that the run learnt of at once.
    RunStepsFinished = "run.steps.finished";
    /// A run waits for a person or a signal.
    RunWaiting = "run.waiting";
    /// A run whose process died again and again was set apart; a person has to look.
    RunQuarantined = "run.quarantined";
    /// A person let a run that was set apart go on.
    RunReleased = "run.released";
    /// A run ended well.
    RunCompleted = "run.completed";
    /// A run ended badly.
    RunFailed = "run.failed";
    /// A run was cancelled.
    RunCancelled = "run.cancelled";
    /// A provider's webhook was accepted.
    WebhookReceived = "webhook.received";
    /// A subscription for outgoing webhooks was made.
    SubscriptionCreated = "webhook_subscription.created";
    /// A subscription was changed.
    SubscriptionUpdated = "webhook_subscription.updated";
    /// A subscription was deleted, with its deliveries.
    SubscriptionDeleted = "webhook_subscription.deleted";
    /// A subscription has a new secret; the one before signs along for a day.
    SubscriptionSecretRotated = "webhook_subscription.secret_rotated";
    /// A subscription was disabled because its address does not take deliveries.
    SubscriptionDisabled = "webhook_subscription.disabled";
    /// Every attempt of a delivery failed.
    DeliveryDead = "delivery.dead";
    /// A rule of notifications was made.
    NotificationRuleCreated = "notification.rule.created";
    /// A rule of notifications was changed.
    NotificationRuleUpdated = "notification.rule.updated";
    /// A rule of notifications was deleted.
    NotificationRuleDeleted = "notification.rule.deleted";
    /// What a rule tells by webhook.
    NotificationRaised = "notification.raised";
    /// People could not be told.
    NotificationFailed = "notification.failed";
}

impl EventType {
    /// The text before the first dot: `flow` of `flow.sync.completed`.
    pub fn family(self) -> &'static str {
        self.name().split('.').next().unwrap_or_default()
    }

    /// Whether it says that a run, its subject, has ended.
    pub const fn ends_run(self) -> bool {
        matches!(
            self,
            Self::RunCompleted
                | Self::RunFailed
                | Self::RunCancelled
                | Self::SyncCompleted
                | Self::SyncFailed
                | Self::SyncCancelled
        )
    }

    /// Whether a subscription covers it: the exact name, a prefix ending in `.*`, or `*`.
    pub fn matches(self, pattern: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some("") => true,
            Some(prefix) => prefix.ends_with('.') && self.name().starts_with(prefix),
            None => self.name() == pattern,
        }
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the tenant's order, from 1 without gaps.
    pub seq: u64,
    /// Identifier.
    pub id: EventId,
    /// The tenant it happened in.
    pub tenant: TenantId,
    /// What kind of fact.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The object it is about: an identifier.
    pub subject: String,
    /// Particulars. Never holds secrets or provider payloads.
    pub data: Detail,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for (index, kind) in EventType::ALL.iter().enumerate() {
            assert_eq!(EventType::parse(kind.name()), Some(*kind));
            let first = EventType::ALL.iter().position(|other| other.name() == kind.name());
            assert_eq!(first, Some(index), "{}", kind.name());
        }
        assert_eq!(EventType::parse("nothing.happened"), None);
    }

    #[test]
    fn names_are_a_family_and_a_fact() {
        for kind in EventType::ALL {
            let name = kind.name();
            assert!(name.contains('.'), "{name} has no family");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'.' | b'_')),
                "{name}"
            );
        }
        assert_eq!(EventType::SyncCompleted.family(), "flow");
    }

    #[test]
    fn subscriptions_match_by_name_prefix_or_all() {
        for (pattern, expected) in [
            ("*", true),
            ("flow.*", true),
            ("flow.sync.*", true),
            ("flow.sync.completed", true),
            ("flow", false),
            ("fl*", false),
            ("run.*", false),
            ("", false),
        ] {
            assert_eq!(EventType::SyncCompleted.matches(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn an_event_travels_as_json() {
        let event = Event {
            seq: 7,
            id: EventId::trusted("evt_1"),
            tenant: TenantId::trusted("ten_1"),
            kind: EventType::WebhookReceived,
            subject: "hook_1".into(),
            data: serde_json::json!({"event": "contact.creation"}).into(),
            at: Timestamp::from_secs(0),
        };
        let text = serde_json::to_string(&event).unwrap();
        assert!(text.contains(r#""type":"webhook.received""#), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
