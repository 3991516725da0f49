//! Who is told of what went wrong, by which way, and how seldom.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    delivery::check_events,
    error::{Error, Result},
    event::{Event, EventType},
    id::{NotificationId, NotificationRuleId, UserId},
    named::named,
    time::Timestamp,
};

/// Most rules of a tenant.
pub const MAX_RULES: u64 = 50;
/// Most receivers of an e-mail.
pub const MAX_RECEIVERS: usize = 20;
/// Most objects a rule names.
pub const MAX_SUBJECTS: usize = 50;
/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// Longest time between two notifications of a rule, in seconds.
pub const MAX_THROTTLE_SECS: u32 = 24 * 3600;
/// The time between two notifications of a rule that says nothing, in seconds.
pub const DEFAULT_THROTTLE_SECS: u32 = 300;
/// So long the first events of a storm gather, in seconds, so that the first notification already
/// tells how many they are.
pub const GATHER_SECS: i64 = 5;
/// Events that a notification describes; the others it counts.
pub const MAX_SAMPLES: usize = 5;
/// Longest message of an event that is repeated, in characters.
const MAX_MESSAGE_CHARS: usize = 300;
/// Seconds to the next attempt, after each that failed. After the last there is none.
pub const SCHEDULE: [i64; 6] = [10, 60, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600];

/// When the next attempt is due after `failed` attempts; `None`: there is none.
pub fn next_attempt(failed: u32, now: Timestamp) -> Option<Timestamp> {
    let wait = SCHEDULE.get(usize::try_from(failed.checked_sub(1)?).ok()?)?;
    Some(now.plus_secs(*wait))
}

named! {
    /// How bad an event is.
    pub enum Severity as "severity" {
        /// Nothing is wrong.
        Info = "info",
        /// Something may go wrong.
        Warning = "warning",
        /// Something went wrong.
        Error = "error",
        /// Something went wrong that does not mend itself.
        Critical = "critical",
    }
}

impl Severity {
    /// How bad an event is: what it says of itself, else what its type means.
    pub fn of(event: &Event) -> Self {
        let says = |name: &str| Some(event.data.value().get(name)?.as_str()?.to_owned());
        match event.kind {
            EventType::HealthLogged => {
                says("severity").and_then(|text| text.parse().ok()).unwrap_or(Self::Error)
            }
            EventType::WorkflowUpdated
                if says("status").is_some_and(|status| status == "error") =>
            {
                Self::Error
            }
            EventType::RunFailed
            | EventType::SyncFailed
            | EventType::DeliveryDead
            | EventType::SubscriptionDisabled => Self::Error,
            EventType::CredentialRejected | EventType::TokenReused | EventType::RunQuarantined => {
                Self::Critical
            }
            EventType::BudgetExhausted | EventType::SignInRefused => Self::Warning,
            _ => Self::Info,
        }
    }
}

named! {
    /// How far a notification is.
    pub enum NotificationStatus as "status" {
        /// It gathers events, or waits for its time or its next attempt.
        Pending = "pending",
        /// It was handed over.
        Sent = "sent",
        /// It could not be handed over and will not be tried again.
        Failed = "failed",
    }
}

/// By which way people are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Channel {
    /// An e-mail to some addresses.
    Email {
        /// Who gets it.
        to: Vec<String>,
    },
    /// A message in Slack, by a connected integration.
    Slack {
        /// The channel, by name or identifier.
        channel: String,
        /// The integration, by identifier or name; none for the only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        integration: Option<String>,
    },
    /// The event `notification.raised`, which subscriptions for outgoing webhooks get signed.
    Webhook,
}

impl Channel {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::Slack { .. } => "slack",
            Self::Webhook => "webhook",
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::Email { to } => {
                if to.is_empty() || to.len() > MAX_RECEIVERS {
                    let message = format!("must hold 1 to {MAX_RECEIVERS} e-mail addresses.");
                    return Err(Error::invalid("channel.to", message));
                }
                to.iter().try_for_each(|address| check_address("channel.to", address))
            }
            Self::Slack { channel, .. } if channel.trim().is_empty() || channel.len() > 100 => {
                Err(Error::invalid("channel.channel", "must be the name or id of a channel."))
            }
            Self::Slack { .. } | Self::Webhook => Ok(()),
        }
    }
}

/// Refuses what is no plain e-mail address: `ann@example.org`, without a name or brackets.
///
/// # Errors
/// `invalid`, naming the field.
pub fn check_address(field: &str, address: &str) -> Result<()> {
    let refused = || Error::invalid(field, "must be e-mail addresses, as ann@example.org.");
    let (local, domain) = address.rsplit_once('@').ok_or_else(refused)?;
    let plain = |text: &str| {
        let odd = |c: char| c.is_control() || c.is_whitespace() || "<>()[]\\,;:\"@".contains(c);
        !text.is_empty() && !text.contains(odd)
    };
    let whole = address.len() <= 254 && local.len() <= 64;
    if whole && plain(local) && plain(domain) { Ok(()) } else { Err(refused()) }
}

/// Of which events a tenant is told, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotificationRule {
    /// Identifier.
    pub id: NotificationRuleId,
    /// What people call it.
    pub name: String,
    /// Event types: names, prefixes ending in `.*`, or `*`.
    pub events: Vec<String>,
    /// How bad an event is at least.
    pub severity: Severity,
    /// Workflows, data flows or integrations it is about; empty for all.
    pub subjects: Vec<String>,
    /// By which way.
    pub channel: Channel,
    /// Seconds between two notifications; what happens in between is told by the next one.
    pub throttle_secs: u32,
    /// Whether anyone is told.
    pub enabled: bool,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes.
    pub version: u64,
}

impl NotificationRule {
    /// Refuses a rule that makes no sense.
    ///
    /// # Errors
    /// `invalid`, naming the field.
    pub fn check(&self) -> Result<()> {
        let chars = self.name.trim().chars().count();
        if !(1..=MAX_NAME_CHARS).contains(&chars) || self.name.contains(char::is_control) {
            let message = format!("must be 1 to {MAX_NAME_CHARS} characters in one line.");
            return Err(Error::invalid("name", message));
        }
        check_events(&self.events)?;
        if self.subjects.len() > MAX_SUBJECTS {
            return Err(Error::invalid("subjects", format!("must be {MAX_SUBJECTS} at most.")));
        }
        if self.throttle_secs > MAX_THROTTLE_SECS {
            let message = format!("must be from 0 to {MAX_THROTTLE_SECS}.");
            return Err(Error::invalid("throttle_secs", message));
        }
        self.channel.check()
    }

    /// Whether it tells of an event. Of notifications themselves none tells: one that cannot be
    /// handed over would bring about the next for ever.
    pub fn covers(&self, event: &Event) -> bool {
        event.kind.family() != "notification"
            && self.events.iter().any(|pattern| event.kind.matches(pattern))
            && Severity::of(event) >= self.severity
            && (self.subjects.is_empty() || self.names_one(event))
    }

    fn names_one(&self, event: &Event) -> bool {
        let (data, named) = (event.data.value(), ["subject_id", "flow", "integration", "workflow"]);
        let told = named.iter().filter_map(|name| data.get(*name).and_then(Value::as_str));
        let mut about = told.chain([event.subject.as_str()]);
        about.any(|id| self.subjects.iter().any(|subject| subject == id))
    }
}

/// What a notification says of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Position of the event.
    pub seq: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// What went wrong, where it says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it happened.
    pub at: Timestamp,
}

impl Sample {
    /// What there is to say of an event.
    pub fn of(event: &Event) -> Self {
        let data = event.data.value();
        let error = data.get("error");
        let message = error.and_then(|error| error.get("message")).or(data.get("message"));
        let message = message.and_then(Value::as_str).unwrap_or_default();
        let line = message.replace(char::is_control, " ");
        Self {
            seq: event.seq,
            kind: event.kind.name().to_owned(),
            subject: event.subject.clone(),
            message: line.chars().take(MAX_MESSAGE_CHARS).collect(),
            at: event.at,
        }
    }
}

/// What people are told: events of a rule, gathered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// Identifier, equal over attempts.
    pub id: NotificationId,
    /// By which rule.
    pub rule: NotificationRuleId,
    /// How far it is.
    pub status: NotificationStatus,
    /// How many events it tells of.
    pub count: u64,
    /// The position of the last of them.
    pub last_seq: u64,
    /// When the first of them happened.
    pub first_at: Timestamp,
    /// When the last of them happened.
    pub last_at: Timestamp,
    /// The first of them.
    pub samples: Vec<Sample>,
    /// Attempts to hand it over.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// When it is handed over, or tried again; `None` once it has ended.
    pub due_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Notification {
    /// One line.
    pub fn title(&self, rule: &str) -> String {
        let what = match (self.count, self.samples.first()) {
            (1, Some(only)) => only.kind.clone(),
            (count, Some(first)) if self.samples.iter().all(|one| one.kind == first.kind) => {
                format!("{count} x {}", first.kind)
            }
            (count, _) => format!("{count} events"),
        };
        format!("[Connectus] {rule}: {what}")
    }

    /// The whole of it, as lines of text.
    pub fn text(&self, public_url: &str) -> String {
        let mut lines: Vec<String> = Vec::new();
        if self.count > 1 {
            let (first, last) = (self.first_at, self.last_at);
            lines.push(format!("{} events from {first} to {last}.", self.count));
        }
        for sample in &self.samples {
            let message = match sample.message.as_str() {
                "" => String::new(),
                message => format!(": {message}"),
            };
            let (at, kind, subject) = (sample.at, &sample.kind, &sample.subject);
            lines.push(format!("{at}  {kind}  {subject}{message}"));
        }
        let shown = u64::try_from(self.samples.len()).unwrap_or(u64::MAX);
        if self.count > shown {
            lines.push(format!("... and {} more.", self.count - shown));
        }
        if let (Some(first), false) = (self.samples.first(), public_url.is_empty()) {
            let after = first.seq.saturating_sub(1);
            lines.push(format!("All of them: {public_url}/api/v1/events/log?after={after}"));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{EventId, TenantId};

    fn rule() -> NotificationRule {
        NotificationRule {
            id: NotificationRuleId::trusted("nrule_1"),
            name: "On call".to_owned(),
            events: vec!["*".to_owned()],
            severity: Severity::Error,
            subjects: Vec::new(),
            channel: Channel::Webhook,
            throttle_secs: 300,
            enabled: true,
            created_by: None,
            created_at: Timestamp::from_secs(0),
            updated_at: Timestamp::from_secs(0),
            version: 1,
        }
    }

    fn event(kind: EventType, data: Value) -> Event {
        Event {
            seq: 7,
            id: EventId::trusted("evt_1"),
            tenant: TenantId::trusted("ten_1"),
            kind,
            subject: "run_1".to_owned(),
            data: data.into(),
            at: Timestamp::from_secs(0),
        }
    }

    #[test]
    fn a_rule_tells_of_what_is_bad_enough() {
        let rule = rule();
        for (kind, data, told) in [
            (EventType::RunFailed, json!({}), true),
            (EventType::RunCompleted, json!({}), false),
            (EventType::BudgetExhausted, json!({}), false),
            (EventType::CredentialRejected, json!({}), true),
            (EventType::HealthLogged, json!({"severity": "warning"}), false),
            (EventType::HealthLogged, json!({"severity": "critical"}), true),
            (EventType::WorkflowUpdated, json!({"status": "active"}), false),
            (EventType::WorkflowUpdated, json!({"status": "error"}), true),
            (EventType::NotificationFailed, json!({}), false),
        ] {
            assert_eq!(rule.covers(&event(kind, data.clone())), told, "{} {data}", kind.name());
        }
    }

    #[test]
    fn a_rule_may_be_about_some_workflows_only() {
        let mut rule = rule();
        rule.subjects = vec!["wf_1".to_owned()];
        assert!(rule.covers(&event(EventType::RunFailed, json!({"subject_id": "wf_1"}))));
        assert!(!rule.covers(&event(EventType::RunFailed, json!({"subject_id": "wf_2"}))));
        rule.subjects = vec!["run_1".to_owned()];
        assert!(rule.covers(&event(EventType::RunFailed, json!({}))));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        type Change = fn(&mut NotificationRule);
        let changes: [(Change, &str); 7] = [
            (|rule| rule.name = " ".into(), "name"),
            (|rule| rule.name = "a\r\nBcc: b@c".into(), "name"),
            (|rule| rule.events = vec!["flwo.*".into()], "events"),
            (|rule| rule.throttle_secs = MAX_THROTTLE_SECS + 1, "throttle_secs"),
            (|rule| rule.channel = Channel::Email { to: vec![] }, "channel.to"),
            (|rule| rule.channel = Channel::Email { to: vec!["a@b\r\nBcc: x@y".into()] }, "to"),
            (
                |rule| rule.channel = Channel::Slack { channel: " ".into(), integration: None },
                "channel.channel",
            ),
        ];
        rule().check().unwrap();
        for (change, field) in changes {
            let mut rule = rule();
            change(&mut rule);
            let error = rule.check().unwrap_err();
            assert!(format!("{error:?}").contains(field), "{error:?} does not name {field}");
        }
    }

    #[test]
    fn addresses_are_plain() {
        for good in ["ann@example.org", "a.b+c@sub.example.org", "x@localhost"] {
            check_address("to", good).unwrap();
        }
        for bad in [
            "",
            "ann",
            "@b",
            "a@",
            "a b@c",
            "a@b c",
            "Ann <a@b>",
            "a@b,c@d",
            "a@b\n",
            "a@b\0",
            "a@@b",
            "\"a\"@b",
        ] {
            assert!(check_address("to", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_storm_is_one_message_with_a_count() {
        let failed = event(EventType::RunFailed, json!({"error": {"message": "no\nroom"}}));
        let mut told = Notification {
            id: NotificationId::trusted("ntf_1"),
            rule: NotificationRuleId::trusted("nrule_1"),
            status: NotificationStatus::Pending,
            count: 1,
            last_seq: 7,
            first_at: Timestamp::from_secs(0),
            last_at: Timestamp::from_secs(9),
            samples: vec![Sample::of(&failed)],
            attempts: 0,
            problem: None,
            due_at: None,
            finished_at: None,
        };
        assert_eq!(told.title("On call"), "[Connectus] On call: run.failed");
        assert_eq!(told.text(""), "1970-01-01T00:00:00Z  run.failed  run_1: no room");
        told.count = 900;
        assert_eq!(told.title("On call"), "[Connectus] On call: 900 x run.failed");
        let text = told.text("https://c.example");
        assert!(text.starts_with("900 events from 1970"), "{text}");
        assert!(text.contains("... and 899 more."), "{text}");
        assert!(text.ends_with("https://c.example/api/v1/events/log?after=6"), "{text}");
    }

    #[test]
    fn attempts_are_farther_and_farther_apart_and_end() {
        let now = Timestamp::from_secs(0);
        assert_eq!(next_attempt(1, now), Some(Timestamp::from_secs(10)));
        assert_eq!(next_attempt(6, now), Some(Timestamp::from_secs(6 * 3600)));
        assert_eq!(next_attempt(7, now), None);
    }
}
