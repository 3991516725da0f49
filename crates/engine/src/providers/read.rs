//! From what somebody brought to a compiled provider.

use std::collections::BTreeMap;

use connectus_connect::{
    Plan,
    manifest::Offer,
    openapi::{self, Imported},
};
use connectus_core::{
    Error, Result,
    integration::{AuthType, Category},
    provider::{ApiVersion, Provider},
};
use connectus_store::provider_versions::ProviderVersion;
use serde_json::{Value, json};

/// Longest name of a provider.
const MAX_NAME: usize = 64;

/// How a brought provider is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A declarative manifest of Airbyte.
    Manifest,
    /// A provider pack.
    Pack,
    /// An OpenAPI document.
    Openapi,
}

impl Format {
    /// The stable word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Pack => "pack",
            Self::Openapi => "openapi",
        }
    }

    /// The format of this word.
    ///
    /// # Errors
    /// `invalid` for any other.
    pub fn read(word: &str) -> Result<Self> {
        let mut all = [Self::Manifest, Self::Pack, Self::Openapi].into_iter();
        let found = all.find(|format| format.name() == word);
        found.ok_or_else(|| Error::invalid("format", "must be one of: manifest, pack, openapi."))
    }

    /// The format a text looks like: packs and documents begin with the version of theirs.
    pub fn of(text: &str) -> Self {
        let begins = |name: &str| text.lines().any(|line| line.starts_with(name));
        let is_json = text.trim_start().starts_with('{');
        if begins("openapi:") || (is_json && text.contains("\"openapi\"")) {
            Self::Openapi
        } else if begins("schema:") && begins("provider:") {
            Self::Pack
        } else {
            Self::Manifest
        }
    }
}

/// What is said of a provider beside its text.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub format: Format,
    pub name: String,
    pub display_name: String,
    pub category: Category,
}

impl About {
    /// As it was stored.
    pub fn stored(version: &ProviderVersion) -> Result<Self> {
        Ok(Self {
            format: Format::read(&version.format)?,
            name: version.name.clone(),
            display_name: version.display_name.clone(),
            category: version.category.parse()?,
        })
    }
}

/// Compiles what somebody brought.
///
/// # Errors
/// `invalid` and `too_large`, saying what is wrong and where.
pub(super) fn compile(
    about: &About,
    text: &str,
    files: BTreeMap<String, String>,
) -> Result<(Plan, Value)> {
    let plan = match about.format {
        Format::Manifest => {
            let docs = documentation(&files);
            let offer = Offer::read(text, files)?;
            let provider = Provider {
                name: about.name.clone(),
                display_name: about.display_name.clone(),
                category: about.category,
                description: format!("Streams of the manifest {}.", about.display_name),
                auth_type: AuthType::Custom,
                base_url: String::new(),
                hosts: Vec::new(),
                api_version: ApiVersion { name: String::new(), end_date: None, others: Vec::new() },
                docs_url: docs,
                settings: Vec::new(),
            };
            Plan::of_manifest(provider, offer)?
        }
        Format::Pack => {
            let plan = Plan::parse(text)?;
            if plan.pack.provider.name != about.name {
                let message = format!("is `{}` in the pack.", plan.pack.provider.name);
                return Err(Error::invalid("name", message));
            }
            plan
        }
        Format::Openapi => {
            let About { name, display_name, category, .. } = about.clone();
            let about = openapi::About { name, display_name, category };
            let Imported { pack, unsupported, warnings } = openapi::import(text, about)?;
            let actions: Vec<_> = pack.actions.iter().map(|one| one.name.clone()).collect();
            let report =
                json!({"actions": actions, "unsupported": unsupported, "warnings": warnings});
            return Ok((Plan::compile(pack)?, report));
        }
    };
    let report = report(&plan);
    Ok((plan, report))
}

/// What of it runs here.
fn report(plan: &Plan) -> Value {
    match plan.offer() {
        Some(offer) => json!(offer.report),
        None => {
            let stream = |name: &str| json!({"name": name, "native": true, "needs": []});
            let streams: Vec<_> = plan.pack.streams.iter().map(|one| stream(one.name())).collect();
            let actions: Vec<_> = plan.pack.actions.iter().map(|one| &one.name).collect();
            json!({"streams": streams, "actions": actions, "warnings": []})
        }
    }
}

/// Refuses a name that nobody could write in a definition.
pub(super) fn check_name(name: &str) -> Result<()> {
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if starts && name.len() <= MAX_NAME && name.bytes().all(plain) {
        return Ok(());
    }
    let message = format!(
        "must begin with a letter and hold only lower-case letters, digits and underscores, up to \
         {MAX_NAME}."
    );
    Err(Error::invalid("name", message))
}

/// What the metadata beside a manifest of Airbyte says.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub display_name: Option<String>,
    pub licence: Option<String>,
    documentation: Option<String>,
}

/// The file in which connectors keep it.
const METADATA: &str = "metadata.yaml";
/// Longest value taken from it, in characters.
const MAX_VALUE: usize = 200;

impl Metadata {
    /// Reads it; a file that is no metadata says nothing.
    pub fn of(files: &BTreeMap<String, String>) -> Self {
        let Some(text) = files.get(METADATA) else { return Self::default() };
        let read: Value = connectus_connect::yaml::read(text).unwrap_or_default();
        let data = read.get("data").cloned().unwrap_or_default();
        let value = |name: &str| {
            let text = data.get(name)?.as_str()?.trim();
            let plain: String = text.chars().filter(|c| !c.is_control()).take(MAX_VALUE).collect();
            (!plain.is_empty()).then_some(plain)
        };
        Self {
            display_name: value("name"),
            licence: value("license"),
            documentation: value("documentationUrl"),
        }
    }
}

fn documentation(files: &BTreeMap<String, String>) -> String {
    let url = Metadata::of(files).documentation.unwrap_or_default();
    if url.starts_with("https://") { url } else { String::new() }
}
