//! What a workflow step can do: the built-in actions listed here, and every action of every
//! provider pack as `<provider>.<action>`, those that people bring (`brought`) included.

mod brought;
mod collection;
mod email;
mod http;
mod provider;
mod record;
mod search;
mod transform;

use std::collections::BTreeMap;

use async_trait::async_trait;
use connectus_core::{Error, Result, TenantCtx, TenantId, run::Run};
use serde_json::{Value, json};

pub use self::brought::{brought, brought_names};
pub(crate) use self::{brought::learn, provider::chosen as integration};
use crate::parts::Parts;

/// The effect kind of an action that changes nothing outside this database.
pub const LOCAL: &str = "local";

/// What an action is executed with.
pub struct ActionCx<'a> {
    /// The engine's parts.
    pub parts: &'a Parts,
    /// The tenant.
    pub ctx: &'a TenantCtx,
    /// The run.
    pub run: &'a Run,
    /// The integration to use, by id or name; `None`: the provider's only one.
    pub connection: Option<&'a str>,
    /// The idempotency key, equal over attempts.
    pub key: &'a str,
    /// Whether an earlier attempt may have done it although it is not known to have.
    pub unsure: bool,
}

/// An action that is part of Connectus. It may be executed twice under the same key.
#[async_trait]
pub trait Action: Send + Sync {
    /// Its name in definitions.
    fn name(&self) -> &'static str;

    /// What it does, in one sentence.
    fn summary(&self) -> &'static str;

    /// The JSON Schema of its input.
    fn input(&self) -> Value;

    /// The JSON Schema of what it gives, as far as that is always the same.
    fn output(&self) -> Value {
        json!({})
    }

    /// Whether it reads this database at most, and asks nobody else.
    fn only_reads(&self) -> bool {
        false
    }

    /// What doing it would give, found out without changing anything.
    ///
    /// # Errors
    /// As doing it would.
    async fn foresee(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Foreseen> {
        if self.only_reads() {
            return self.perform(cx, input).await.map(Foreseen::Read);
        }
        Ok(Foreseen::Unknown)
    }

    /// Does it.
    ///
    /// # Errors
    /// Transient ones are tried again as the step's policy says.
    async fn perform(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Value>;
}

/// What is known of an action that was not done.
#[derive(Clone, Debug, PartialEq)]
pub enum Foreseen {
    /// It only reads, and this is what it read.
    Read(Value),
    /// What it would give; nothing was changed.
    Simulated(Value),
    /// Nobody knows before it is done.
    Unknown,
}

/// The built-in actions. Adding one is a file and a line here.
pub const BUILT_IN: &[&dyn Action] = &[
    &collection::Upsert,
    &collection::Get,
    &search::Search,
    &collection::Delete,
    &record::TriggerRecord,
    &http::HttpRequest,
    &transform::Transform,
    &transform::Notify,
    &email::Email,
];

fn built_in(name: &str) -> Option<&'static dyn Action> {
    BUILT_IN.iter().copied().find(|action| action.name() == name)
}

/// The names of all actions there are.
pub fn names() -> Vec<String> {
    let own = BUILT_IN.iter().map(|action| action.name().to_owned());
    own.chain(provider::names()).collect()
}

/// All actions there are, for people who write workflows: name, summary, JSON Schema of the input.
pub fn described() -> Value {
    let own = BUILT_IN.iter().map(|action| {
        json!({ "name": action.name(), "summary": action.summary(), "input": action.input() })
    });
    Value::Array(own.chain(provider::described()).collect())
}

/// The shape of what each action gives, as JSON Schema, by name; of those, too, that were brought.
pub fn outputs(brought: &[String]) -> BTreeMap<String, Value> {
    let own = BUILT_IN.iter().map(|action| (action.name().to_owned(), action.output()));
    let of_packs = provider::names().into_iter().chain(brought.iter().cloned());
    own.chain(of_packs.map(|name| (name, provider::output()))).collect()
}

/// How harmful it is to do an action twice: [`LOCAL`], `idempotent`, `keyed`, `verify_then_retry`
/// or `at_most_once`.
pub fn effect_kind(tenant: &TenantId, name: &str, input: &Value) -> &'static str {
    match name {
        "http.request" => return http::effect_kind(input),
        "notify.email" => return email::effect_kind(input),
        _ => {}
    }
    match provider::find(name) {
        Ok((_, action)) if built_in(name).is_none() => action.idempotency.name(),
        Err(_) if built_in(name).is_none() => brought::kind_of(tenant, name),
        _ => LOCAL,
    }
}

/// Whether an action changes nothing outside this database.
pub fn is_local(name: &str, input: &Value) -> bool {
    match name {
        "http.request" => http::effect_kind(input) == LOCAL,
        "notify.email" => email::effect_kind(input) == LOCAL,
        _ => built_in(name).is_some(),
    }
}

/// Whether an action reads this database at most, so that nobody can tell how often it was done.
pub fn only_reads(name: &str) -> bool {
    built_in(name).is_some_and(Action::only_reads)
}

/// Whether what an action gives follows from its input alone.
pub fn is_pure(name: &str) -> bool {
    name == transform::NAME
}

/// What performing an action would give, found out without changing anything.
///
/// # Errors
/// As performing it would.
pub async fn foresee(cx: &ActionCx<'_>, name: &str, input: &Value) -> Result<Foreseen> {
    match built_in(name) {
        Some(action) => action.foresee(cx, input).await,
        None if provider::only_reads(cx, name).await? => {
            provider::perform(cx, name, input).await.map(Foreseen::Read)
        }
        None => Ok(Foreseen::Unknown),
    }
}

/// Performs an action.
///
/// # Errors
/// `invalid` for an unknown action or an input it does not take; else as the action says.
pub async fn perform(cx: &ActionCx<'_>, name: &str, input: &Value) -> Result<Value> {
    match built_in(name) {
        Some(action) => action.perform(cx, input).await,
        // Apart, so that steps that call nobody do not carry the size of a call about.
        None => Box::pin(provider::perform(cx, name, input)).await,
    }
}

/// Reads an action's input into its own type.
fn read<T: serde::de::DeserializeOwned>(input: &Value) -> Result<T> {
    T::deserialize(input).map_err(|error| Error::invalid("input", error.to_string()))
}
