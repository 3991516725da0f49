//! The provider pack: everything Connectus knows about an outside service, as data.
//!
//! A pack is one YAML file with one envelope: `provider, auth, limits, errors, check, streams,
//! actions, triggers`. `streams` are written in the declarative dialect of Airbyte manifests; the
//! rest says what that dialect cannot: how tokens are refreshed, which headers tell the budget,
//! what can be written and whether it may be written twice, how a webhook is signed.
//!
//! These types only describe. `connectus-connect` compiles them once and runs them.

mod action;
mod auth;
mod errors;
mod limits;
mod paging;
mod paths;
mod stream;
mod trigger;
mod validate;
mod view;

use serde::{Deserialize, Serialize};

pub use crate::integration::{AuthType, Category};

pub use action::{
    Action, Batch, Call, Derived, Encoding, ErrorNames, Idempotency, KeyFormat, Method,
    ResultShape, Step,
};
pub use auth::{
    About, AuthMethod, BasicAuth, ClientAuth, OAuth2, OnUnauthorized, Proof, RefreshShape,
    TokenAuth, TokenPlacement, TokenShape, WebhookUrl,
};
pub use errors::{BareStatus, ErrorRules, ErrorWord, Verdict};
pub use limits::{Limits, Signal, Window};
pub use paging::{Inject, PageToken, Paginator, RequestOption, Strategy};
pub use paths::Paths;
pub use stream::{
    DatetimeCursor, Datetimes, DeclarativeStream, DelegatingStream, Extractor, HttpRequester,
    Incremental, Job, MinMaxDatetime, PrimaryKey, RecordSelector, Requester, ResultCap, Retriever,
    SchemaLoader, SimpleRetriever, Sorted, Stream, StreamHints, StreamWrite, WriteCall,
};
pub use trigger::{
    Challenge, DigestEncoding, Envelope, EventInfo, NameRule, SignatureScheme, TimeUnit, Triggers,
};
pub use view::{Capabilities, ProviderView, StreamCapability};

/// The version of the pack envelope this build reads.
pub const SCHEMA_VERSION: u32 = 1;

/// A provider pack.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// The envelope's version: [`SCHEMA_VERSION`].
    pub schema: u32,
    /// Who the service is.
    pub provider: Provider,
    /// How one signs in, best method first.
    pub auth: Vec<AuthMethod>,
    /// How often one may call.
    #[serde(default)]
    pub limits: Limits,
    /// How the service says no.
    #[serde(default)]
    pub errors: ErrorRules,
    /// A cheap read that proves a credential works.
    #[serde(default)]
    pub check: Option<Call>,
    /// What can be read.
    #[serde(default)]
    pub streams: Vec<Stream>,
    /// What can be done.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// What the service tells us by webhook.
    #[serde(default)]
    pub triggers: Option<Triggers>,
}

/// Who a service is and where it lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The stable name, `snake_case`, unique.
    pub name: String,
    /// The name people use.
    pub display_name: String,
    /// What kind of service it is.
    pub category: Category,
    /// One or two sentences.
    pub description: String,
    /// How most people connect it.
    pub auth_type: AuthType,
    /// Where its API lives, without a trailing slash. May hold `{{ config.x }}` of a setting.
    pub base_url: String,
    /// The hosts a credential may be sent to; `*.example.com` means any subdomain.
    pub hosts: Vec<String>,
    /// The API version the pack is written for.
    pub api_version: ApiVersion,
    /// Where the service documents its API.
    pub docs_url: String,
    /// Settings of an integration besides `base_url`.
    #[serde(default)]
    pub settings: Vec<Setting>,
}

/// An API version and its calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiVersion {
    /// As the service writes it. Templates see it as `config.api_version`.
    pub name: String,
    /// The day it stops working, `YYYY-MM-DD`, where announced.
    #[serde(default)]
    pub end_date: Option<String>,
    /// Other versions that work, which an integration may choose by its setting `api_version`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ApiVersion>,
}

impl ApiVersion {
    /// The version of this name, this one or another that works.
    pub fn named(&self, name: &str) -> Option<&Self> {
        std::iter::once(self).chain(&self.others).find(|version| version.name == name)
    }

    /// The day it stops working, where announced.
    pub fn ends_at(&self) -> Option<crate::Timestamp> {
        self.end_date.as_deref().and_then(crate::Timestamp::parse)
    }
}

/// A setting an integration may or must have.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its name, as templates use it: `{{ config.name }}`.
    pub name: String,
    /// What it is and where to find it.
    pub description: String,
    /// Whether an integration cannot work without it.
    #[serde(default)]
    pub required: bool,
    /// Its value when none is given.
    #[serde(default)]
    pub default: Option<String>,
}

impl Pack {
    /// The stream of this name.
    pub fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name() == name)
    }

    /// The action of this name.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The method a set of credential fields belongs to: the first whose fields are all there.
    pub fn method_for(&self, fields: &[&str]) -> Option<&AuthMethod> {
        self.auth.iter().find(|method| method.fields().iter().all(|need| fields.contains(need)))
    }

    /// The OAuth description, where the provider has one.
    pub fn oauth2(&self) -> Option<&OAuth2> {
        self.auth.iter().find_map(|method| match method {
            AuthMethod::Oauth2(oauth) => Some(&**oauth),
            _ => None,
        })
    }
}
