//! Actions from an OpenAPI document: each operation that can be called becomes one.
//!
//! The document becomes a provider pack. What cannot be called is listed with the reason, never
//! dropped without a word. How harmful a repetition is follows from the method and is conservative:
//! `POST` and `PATCH` are done at most once, unless the operation declares an idempotency key.

mod operation;
mod references;
mod security;
mod server;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use connectus_core::{
    Code, Error, Result,
    integration::Category,
    provider::{Action, ApiVersion, ErrorRules, Limits, Pack, Provider, SCHEMA_VERSION},
};
use serde::Serialize;
use serde_json::{Map, Value};

use operation::Operation;
use references::References;

/// Largest document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;
/// Most actions of one provider.
const MAX_ACTIONS: usize = 500;
/// Longest summary of an action, in characters.
const MAX_SUMMARY: usize = 300;
/// Methods of a path.
const METHODS: [&str; 8] = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

/// An operation that is no action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unsupported {
    /// Its id, or method and path.
    pub operation: String,
    /// Why.
    pub reason: String,
}

/// What a document became.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The provider.
    pub pack: Pack,
    /// Operations that are no actions.
    pub unsupported: Vec<Unsupported>,
    /// What its author should know.
    pub warnings: Vec<String>,
}

/// What is said of a provider beside its document.
#[derive(Clone, Debug)]
pub struct About {
    /// The stable name.
    pub name: String,
    /// The name people use.
    pub display_name: String,
    /// What kind of service it is.
    pub category: Category,
}

/// Reads a document, YAML or JSON, and makes a provider of it.
///
/// # Errors
/// `too_large`; `invalid` for what is no document of OpenAPI 3, or one that says neither where the
/// service is nor what it can do.
pub fn import(text: &str, about: About) -> Result<Imported> {
    if text.len() > MAX_DOCUMENT_BYTES {
        let detail = format!("The document is larger than {MAX_DOCUMENT_BYTES} bytes.");
        return Err(Error::new(Code::TooLarge, detail));
    }
    let document = read(text)?;
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("3.") {
        let message = "must be 3.x; bring older documents to OpenAPI 3 first";
        return Err(Error::invalid("openapi", message));
    }
    let mut warnings = Vec::new();
    let place = server::of(&document)?;
    let references = References::new(&document);
    let signing = security::Signing::of(&document, &references, &mut warnings);
    let (actions, unsupported) = actions(&document, &references, &signing);
    if actions.is_empty() {
        let reason = unsupported.first().map(|one| format!("{}: {}", one.operation, one.reason));
        let message = format!("hold nothing that can be called. {}", reason.unwrap_or_default());
        return Err(Error::invalid("paths", message.trim_end()));
    }
    let info = |name: &str| text_of(document.get("info").and_then(|info| info.get(name)));
    let docs = text_of(document.get("externalDocs").and_then(|docs| docs.get("url")));
    let pack = Pack {
        schema: SCHEMA_VERSION,
        provider: Provider {
            name: about.name,
            description: format!("Actions of the OpenAPI document {}.", short(&info("title"))),
            display_name: about.display_name,
            category: about.category,
            auth_type: signing.auth_type(),
            base_url: place.base_url,
            hosts: vec![place.host],
            api_version: ApiVersion { name: info("version"), end_date: None, others: Vec::new() },
            docs_url: if docs.starts_with("https://") { docs } else { String::new() },
            settings: place.settings,
        },
        auth: signing.methods,
        limits: Limits::default(),
        errors: ErrorRules::default(),
        check: None,
        streams: Vec::new(),
        actions,
        triggers: None,
    };
    Ok(Imported { pack, unsupported, warnings })
}

fn read(text: &str) -> Result<Value> {
    let wrong = |error: String| {
        Error::new(Code::Invalid, format!("The document is neither JSON nor YAML: {error}"))
    };
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| wrong(error.to_string()));
    }
    serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))
}

fn actions(
    document: &Value,
    references: &References<'_>,
    signing: &security::Signing,
) -> (Vec<Action>, Vec<Unsupported>) {
    let (mut actions, mut unsupported) = (Vec::new(), Vec::new());
    let mut names = HashSet::new();
    let empty = Map::new();
    let paths = document.get("paths").and_then(Value::as_object).unwrap_or(&empty);
    for (path, item) in paths {
        let item = references.follow(item);
        for method in METHODS {
            let Some(body) = item.get(method) else { continue };
            let operation = Operation { path, method, item, body, references, signing };
            let made = operation.action().and_then(|action| {
                if actions.len() >= MAX_ACTIONS {
                    Err(format!("is beyond the {MAX_ACTIONS} actions a provider can have"))
                } else if names.insert(action.name.clone()) {
                    Ok(action)
                } else {
                    Err(format!("has the name of another one: `{}`", action.name))
                }
            });
            match made {
                Ok(action) => actions.push(action),
                Err(reason) => unsupported.push(Unsupported { operation: operation.id(), reason }),
            }
        }
    }
    (actions, unsupported)
}

/// A text as it is written, or none.
fn text_of(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A sentence that fits on a line.
fn short(text: &str) -> String {
    let line = text.split(['\n', '\r']).next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(MAX_SUMMARY).collect::<String>().trim().to_owned()
}

/// `listPets`, `Pets/list` and `list-pets` as the name of an action: `list_pets`.
fn snake(text: &str) -> String {
    let mut name = String::with_capacity(text.len() + 4);
    let mut before = ' ';
    for c in text.chars() {
        let parts = name.is_empty() || name.ends_with('_');
        if c.is_ascii_alphanumeric() {
            let begins = c.is_ascii_uppercase() && !before.is_ascii_uppercase() && !parts;
            if begins {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        } else if !parts {
            name.push('_');
        }
        before = c;
    }
    name.trim_end_matches('_').to_owned()
}
