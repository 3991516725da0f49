//! A rule as the API shows it.

use connectus_core::{
    Error, Result,
    notification::{Channel, NotificationRule},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Of which events people are told, and how.
#[derive(Serialize, ToSchema)]
pub struct RuleView {
    /// Identifier.
    #[schema(example = "nrule_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// What people call it.
    #[schema(example = "On call")]
    name: String,
    /// Event types: names, prefixes ending in `.*`, or `*`.
    #[schema(example = json!(["run.failed", "flow.sync.failed"]))]
    events: Vec<String>,
    /// How bad an event is at least: `info`, `warning`, `error` or `critical`.
    severity: &'static str,
    /// Workflows, data flows or integrations it is about; empty for all.
    subjects: Vec<String>,
    /// By which way.
    channel: ChannelBody,
    /// Seconds between two notifications; what happens in between is told by the next one.
    throttle_secs: u32,
    /// Whether anyone is told.
    enabled: bool,
    /// Who made it.
    created_by: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it last changed.
    updated_at: String,
    /// Counts changes; also the `ETag`.
    version: u64,
}

/// By which way people are told.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "email", "to": ["oncall@example.org"]}))]
pub struct ChannelBody {
    /// `email`, `slack` or `webhook`: the event `notification.raised`, for subscriptions.
    #[serde(rename = "type")]
    kind: String,
    /// For `email`: plain addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Vec<String>>,
    /// For `slack`: the channel, by name or identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// For `slack`: the integration, by identifier or name; none for the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    integration: Option<String>,
}

impl ChannelBody {
    /// The channel it means.
    ///
    /// # Errors
    /// `invalid` for a kind that there is not, and for members that do not go with it.
    pub fn read(self) -> Result<Channel> {
        let nothing = self.to.is_none() && self.channel.is_none() && self.integration.is_none();
        if self.kind == "webhook" && !nothing {
            return Err(Error::invalid("channel", "of type `webhook` takes nothing else."));
        }
        let value = serde_json::to_value(self).map_err(Error::internal)?;
        Channel::deserialize(value).map_err(|error| Error::invalid("channel", format!("{error}.")))
    }
}

impl From<Channel> for ChannelBody {
    fn from(channel: Channel) -> Self {
        let kind = channel.name().to_owned();
        let (to, named, integration) = match channel {
            Channel::Email { to } => (Some(to), None, None),
            Channel::Slack { channel, integration } => (None, Some(channel), integration),
            Channel::Webhook => (None, None, None),
        };
        Self { kind, to, channel: named, integration }
    }
}

impl From<NotificationRule> for RuleView {
    fn from(of: NotificationRule) -> Self {
        Self {
            id: of.id.to_string(),
            name: of.name,
            events: of.events,
            severity: of.severity.name(),
            subjects: of.subjects,
            channel: of.channel.into(),
            throttle_secs: of.throttle_secs,
            enabled: of.enabled,
            created_by: of.created_by.map(|id| id.to_string()),
            created_at: of.created_at.to_string(),
            updated_at: of.updated_at.to_string(),
            version: of.version,
        }
    }
}
