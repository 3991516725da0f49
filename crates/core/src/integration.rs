//! Integrations: a tenant's connections to providers. Credentials are elsewhere, sealed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::{IntegrationId, TenantId, UserId},
    named::named,
    time::Timestamp,
};

/// Longest name of an integration, data flow or workflow, in characters.
pub const MAX_NAME_CHARS: usize = 100;

named! {
    /// What a provider is for.
    pub enum Category as "category" {
        /// Customer relations.
        Crm = "crm",
        /// E-mail campaigns.
        EmailMarketing = "email_marketing",
        /// Chat and messages.
        Communication = "communication",
        /// Paid advertising.
        Advertising = "advertising",
        /// Automation between tools.
        Automation = "automation",
        /// Measurement and reporting.
        Analytics = "analytics",
        /// Files and databases.
        Storage = "storage",
        /// Payments and billing.
        Payment = "payment",
        /// Language and image models.
        Ai = "ai",
        /// Anything else.
        Other = "other",
    }
}

impl Category {
    /// The name shown to people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Crm => "CRM",
            Self::EmailMarketing => "Email Marketing",
            Self::Communication => "Communication",
            Self::Advertising => "Advertising",
            Self::Automation => "Automation",
            Self::Analytics => "Analytics",
            Self::Storage => "Storage",
            Self::Payment => "Payment",
            Self::Ai => "AI",
            Self::Other => "Other",
        }
    }
}

named! {
    /// How a provider knows who calls.
    pub enum AuthType as "auth_type" {
        /// OAuth 2.0 authorization code with PKCE and refresh.
        OAuth2 = "oauth2",
        /// A long-lived key or token.
        ApiKey = "api_key",
        /// A secret address to which one side posts.
        Webhook = "webhook",
        /// Described by the provider pack.
        Custom = "custom",
    }
}

named! {
    /// Where an integration stands.
    pub enum IntegrationStatus as "status" {
        /// Created, not connected yet.
        Pending = "pending",
        /// Holds a credential that worked; nothing runs on it yet.
        Connected = "connected",
        /// In use.
        Active = "active",
        /// Stopped by a person.
        Paused = "paused",
        /// Stopped by an error; `last_error` says which.
        Error = "error",
        /// Holds no credential any more.
        Disconnected = "disconnected",
    }
}

impl IntegrationStatus {
    /// Whether syncs and actions may use the integration.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Connected | Self::Active)
    }
}

/// A tenant's connection to a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    /// Its identifier.
    pub id: IntegrationId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The provider's name, `hubspot`.
    pub provider: String,
    /// The version of a brought provider that it stays with; `None` follows the newest.
    pub provider_version: Option<u64>,
    /// The name people gave it. Two integrations may share one.
    pub name: String,
    /// Where it stands.
    pub status: IntegrationStatus,
    /// Provider settings such as `base_url`. No secrets.
    pub settings: Map<String, Value>,
    /// Defaults for its data flows: page size, lookback.
    pub sync_config: Map<String, Value>,
    /// 0 to 100, see [`crate::health`].
    pub health_score: u8,
    /// Calls of today's budget that are used: as the provider last said, else those we made since
    /// midnight UTC.
    pub api_calls_today: u64,
    /// Calls allowed per day, as the provider last said, else as its pack says; 0 when unknown or
    /// unlimited.
    pub api_calls_limit: u64,
    /// The newest error, in words for people; cleared by the next success.
    pub last_error: Option<String>,
    /// Who created it, where a person did.
    pub created_by: Option<UserId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes from 1: the ETag.
    pub version: u64,
}

impl Integration {
    /// The share of today's calls still available, 0 to 1; 1 when the limit is unknown.
    pub fn quota_headroom(&self) -> f64 {
        crate::health::quota_headroom(self.api_calls_today, self.api_calls_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_unknown_ones_list_the_right_ones() {
        for status in IntegrationStatus::ALL {
            assert_eq!(status.name().parse::<IntegrationStatus>().unwrap(), *status);
            let json = serde_json::to_string(status).unwrap();
            assert_eq!(serde_json::from_str::<IntegrationStatus>(&json).unwrap(), *status);
        }
        let error = "CRM".parse::<Category>().unwrap_err();
        assert_eq!(error.fields[0].field, "category");
        assert!(error.detail.contains("crm, email_marketing"), "{}", error.detail);
        assert!(serde_json::from_str::<AuthType>("\"oauth\"").is_err());
    }

    #[test]
    fn only_connected_integrations_are_used() {
        let usable: Vec<_> =
            IntegrationStatus::ALL.iter().filter(|status| status.is_usable()).collect();
        assert_eq!(usable, [&IntegrationStatus::Connected, &IntegrationStatus::Active]);
    }
}
