//! Workflows to begin with: the files in `workflows/`, compiled in.

use std::sync::OnceLock;

use connectus_connect::yaml;
use connectus_core::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../workflows/", $name, ".yaml")))),*]
    };
}

/// The templates, in the order in which they are listed. A new one is a file and a line here.
const FILES: &[(&str, &str)] = files![
    "new-lead-alert",
    "hot-lead",
    "form-to-crm",
    "follow-up-sequence",
    "deal-approval",
    "onboarding",
    "after-success",
    "ticket-routing",
    "weekly-report",
    "bulk-import",
    "failed-run-alarm",
    "sync-failure-digest",
    "reconnect-reminder",
    "health-check-pulse",
];

/// A workflow to begin with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its name, that of its file.
    #[serde(skip)]
    pub id: &'static str,
    /// What it is.
    pub title: String,
    /// What it is good for.
    pub summary: String,
    /// Providers of which an integration must be connected.
    pub needs: Vec<String>,
    /// An input with which it can be tried.
    pub sample: Value,
    /// The workflow.
    pub definition: Value,
}

/// All templates.
///
/// # Errors
/// `internal` when a file that was compiled in cannot be read, which a test rules out.
pub fn all() -> Result<&'static [Template]> {
    static READ: OnceLock<Result<Vec<Template>>> = OnceLock::new();
    let read = || FILES.iter().map(|(name, text)| one(name, text)).collect();
    match READ.get_or_init(read) {
        Ok(templates) => Ok(templates),
        Err(error) => Err(error.clone()),
    }
}

fn one(name: &'static str, text: &str) -> Result<Template> {
    let value = yaml::read(text).map_err(|error| fault(name, &error.detail))?;
    let template = Template::deserialize(value).map_err(|error| fault(name, &error.to_string()))?;
    Ok(Template { id: name, ..template })
}

fn fault(name: &str, why: &str) -> Error {
    Error::internal(format!("workflows/{name}.yaml: {why}"))
}

/// The template of a name.
///
/// # Errors
/// `not_found`.
pub fn find(name: &str) -> Result<&'static Template> {
    let found = all()?.iter().find(|template| template.id == name);
    found.ok_or_else(|| Error::not_found("workflow template"))
}
