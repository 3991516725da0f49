//! A pack, compiled once: templates parsed, paths split, references resolved.

mod action;
mod call;
mod derive;
mod errors;
mod stream;
mod times;
mod write;

use std::{collections::BTreeMap, sync::Arc};

use connectus_core::{
    Error, Result,
    error::FieldError,
    provider::{
        Capabilities, ErrorRules, Limits, Pack, Provider, ProviderView, SCHEMA_VERSION,
        StreamCapability,
    },
};
use serde_json::{Map, Value, json};

pub use action::{ActionPlan, BatchPlan, ErrorRef};
pub use call::{CallPlan, Draft};
pub use derive::DerivedPlan;
pub use errors::{ErrorPlan, OUTCOME, OUTCOME_UNKNOWN, outcome_unknown};
pub use stream::{CapPlan, CursorPlan, JobPlan, Next, Pages, Paging, PartPlan, StreamPlan};
pub use times::{TimeFormat, duration_micros};
pub use write::{WriteCallPlan, WritePlan};

use crate::{manifest::Offer, template::Node};

/// The setting that chooses another API version than the pack's own.
pub const API_VERSION: &str = "api_version";

/// The one way to sign in to a manifest: its settings say how.
pub const SETTINGS: &str = "settings";

/// Largest pack read, in bytes of YAML.
pub const MAX_PACK_BYTES: usize = 1024 * 1024;

/// A compiled pack.
#[derive(Debug)]
pub struct Plan {
    /// The pack it was made from.
    pub pack: Pack,
    pub(crate) base_url: Node,
    pub(crate) streams: BTreeMap<Box<str>, Arc<StreamPlan>>,
    pub(crate) actions: BTreeMap<Box<str>, Arc<ActionPlan>>,
    pub(crate) check: Option<CallPlan>,
    pub(crate) errors: ErrorPlan,
    offer: Option<Arc<Offer>>,
}

impl Plan {
    /// Reads and compiles a pack from YAML.
    ///
    /// # Errors
    /// `invalid`, naming the place.
    pub fn parse(yaml: &str) -> Result<Self> {
        if yaml.len() > MAX_PACK_BYTES {
            let message = format!("is larger than {MAX_PACK_BYTES} bytes");
            return Err(Error::invalid("provider.yaml", message));
        }
        let pack = serde_saphyr::from_str(yaml)
            .map_err(|error| Error::invalid("provider.yaml", error.to_string()))?;
        Self::compile(pack)
    }

    /// Compiles a pack.
    ///
    /// # Errors
    /// `invalid`, naming the place.
    pub fn compile(pack: Pack) -> Result<Self> {
        pack.validate()?;
        let base_url =
            Node::compile(&pack.provider.base_url.as_str().into(), "/provider/base_url")?;
        let mut streams = BTreeMap::new();
        for (index, stream) in pack.streams.iter().enumerate() {
            let plan = StreamPlan::compile(stream, &format!("/streams/{index}"))?;
            streams.insert(plan.name.clone(), Arc::new(plan));
        }
        let mut actions = BTreeMap::new();
        for (index, action) in pack.actions.iter().enumerate() {
            let plan = ActionPlan::compile(action, &format!("/actions/{index}"))?;
            actions.insert(action.name.as_str().into(), Arc::new(plan));
        }
        let check =
            pack.check.as_ref().map(|call| CallPlan::compile(call, "/check")).transpose()?;
        let errors = ErrorPlan::compile(&pack.errors);
        Ok(Self { pack, base_url, streams, actions, check, errors, offer: None })
    }

    /// A manifest under the envelope that every provider has; what is read, the manifest says.
    ///
    /// # Errors
    /// `invalid` when the envelope is not.
    pub fn of_manifest(about: Provider, offer: Offer) -> Result<Self> {
        Ok(Self {
            base_url: Node::compile(&Value::Null, "/provider/base_url")?,
            errors: ErrorPlan::compile(&ErrorRules::default()),
            pack: Pack {
                schema: SCHEMA_VERSION,
                provider: about,
                auth: Vec::new(),
                limits: Limits::none(),
                errors: ErrorRules::default(),
                check: None,
                streams: Vec::new(),
                actions: Vec::new(),
                triggers: None,
            },
            streams: BTreeMap::new(),
            actions: BTreeMap::new(),
            check: None,
            offer: Some(Arc::new(offer)),
        })
    }

    /// The manifest, where one describes the provider.
    pub fn offer(&self) -> Option<&Arc<Offer>> {
        self.offer.as_ref()
    }

    /// The provider as the API shows it.
    pub fn view(&self) -> ProviderView {
        let mut view = self.pack.view();
        if let Some(offer) = &self.offer {
            view.connection_specification = offer.specification.clone();
        }
        view
    }

    /// What can be done with the provider today.
    pub fn capabilities(&self) -> Capabilities {
        let mut can = self.pack.capabilities();
        let Some(offer) = &self.offer else { return can };
        let fields: Vec<_> = offer.secrets.iter().map(|field| field.path.as_str()).collect();
        can.auth_methods = json!([{"name": SETTINGS, "fields": fields}]);
        can.connection_test = true;
        can.streams = offer
            .streams()
            .map(|stream| StreamCapability {
                name: stream.name.clone(),
                primary_key: stream.primary_key.clone(),
                delta: stream.delta,
                write_action: None,
            })
            .collect();
        can.delta_sync = can.streams.iter().any(|stream| stream.delta);
        can
    }

    /// A stream by its name.
    pub fn stream(&self, name: &str) -> Option<&Arc<StreamPlan>> {
        self.streams.get(name)
    }

    /// The settings as templates see them: what is given, over the pack's defaults.
    ///
    /// # Errors
    /// `invalid` naming every required setting that is missing.
    pub(crate) fn config(&self, given: &Map<String, Value>) -> Result<Value> {
        let mut config = given.clone();
        let version = &self.pack.provider.api_version;
        let chosen = config.get(API_VERSION).and_then(Value::as_str);
        if let Some(chosen) = chosen.filter(|chosen| version.named(chosen).is_none()) {
            let known = std::iter::once(version).chain(&version.others);
            let known = known.map(|version| version.name.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("`{chosen}` is none of the versions that work: {known}");
            return Err(Error::invalid("settings.api_version", message));
        }
        if chosen.is_none() {
            config.insert(API_VERSION.to_owned(), version.name.as_str().into());
        }
        let mut missing = Vec::new();
        for setting in &self.pack.provider.settings {
            let empty = matches!(config.get(&setting.name), None | Some(Value::Null));
            match &setting.default {
                Some(default) if empty => {
                    config.insert(setting.name.clone(), default.as_str().into());
                }
                None if empty && setting.required => {
                    let field = format!("settings.{}", setting.name);
                    let message = format!("is needed: {}", setting.description);
                    missing.push(FieldError { field, message });
                }
                _ => {}
            }
        }
        if missing.is_empty() {
            Ok(Value::Object(config))
        } else {
            Err(Error::invalid_fields(missing))
        }
    }
}
