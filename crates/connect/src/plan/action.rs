//! An action, compiled.

use connectus_core::{
    Error, Result,
    provider::{Action, Batch, ErrorNames, Idempotency, Paths},
};
use serde_json::Value;

use super::{CallPlan, DerivedPlan};
use crate::{path::JsonPath, template::Node};

/// An action, compiled.
#[derive(Debug)]
pub struct ActionPlan {
    /// Its name.
    pub name: Box<str>,
    /// The request.
    pub request: CallPlan,
    /// Sign-in methods it works with; empty means all but secret URLs.
    pub auth: Vec<Box<str>>,
    /// Values made from the input, or in a batch from each thing.
    pub derived: DerivedPlan,
    /// Several things in one call.
    pub batch: Option<BatchPlan>,
    /// What prevents doing it twice.
    pub idempotency: Idempotency,
    /// Where the lists of things stand.
    pub records: Vec<JsonPath>,
    /// The id within a thing.
    pub id: Option<JsonPath>,
    /// Where a thing says which of those sent it is.
    pub place: Option<ErrorRef>,
    /// Where the list of errors stands.
    pub errors: Option<JsonPath>,
    /// The boolean within a thing that says whether it was done.
    pub ok: Option<JsonPath>,
    /// The sentence within an error.
    pub error: Option<JsonPath>,
    required: Vec<Box<str>>,
    known: Option<Vec<Box<str>>>,
}

/// Several things in one call.
#[derive(Debug)]
pub struct BatchPlan {
    /// The most things in one call.
    pub max: usize,
    /// The input field that holds the list.
    pub field: Box<str>,
    /// One thing.
    pub item: Node,
    /// How an error says which thing it is about.
    pub error_ref: Option<ErrorRef>,
}

/// How an error, or a thing in an answer, says which of the things sent it is about.
#[derive(Debug)]
pub enum ErrorRef {
    /// The thing's place in the whole list.
    Index(JsonPath),
    /// The thing's place in the call.
    Place(JsonPath),
    /// A value of the thing's own, and where the rendered thing holds it.
    Item(JsonPath, JsonPath),
}

impl ErrorRef {
    fn of(batch: &Batch, path: &str) -> Self {
        let path = JsonPath::new(path);
        match (batch.error_names, &batch.item_ref) {
            (ErrorNames::Place, _) => Self::Place(path),
            (ErrorNames::Item, Some(own)) => Self::Item(path, JsonPath::new(own)),
            _ => Self::Index(path),
        }
    }
}

impl ActionPlan {
    /// Compiles an action.
    ///
    /// # Errors
    /// `invalid`, naming the place below `at`.
    pub fn compile(action: &Action, at: &str) -> Result<Self> {
        let batch = match &action.batch {
            None => None,
            Some(batch) => Some(BatchPlan {
                max: batch.max as usize,
                field: batch.field.as_str().into(),
                item: Node::compile(&batch.item, &format!("{at}/batch/item"))?,
                error_ref: batch.error_ref.as_deref().map(|path| ErrorRef::of(batch, path)),
            }),
        };
        let place = action.batch.as_ref().zip(action.result.place.as_deref());
        let names = |value: Option<&Value>| -> Vec<Box<str>> {
            let items = value.and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(Box::from).collect()
        };
        let closed = action.input.get("additionalProperties") == Some(&Value::Bool(false));
        let properties = action.input.get("properties").and_then(Value::as_object);
        let path = |text: &Option<String>| text.as_deref().map(JsonPath::new);
        Ok(Self {
            name: action.name.as_str().into(),
            request: CallPlan::compile(&action.request, &format!("{at}/request"))?,
            auth: action.auth.iter().map(|name| name.as_str().into()).collect(),
            derived: DerivedPlan::compile(&action.derived, &format!("{at}/derived"))?,
            batch,
            idempotency: action.idempotency.clone(),
            records: action.result.records.iter().flat_map(Paths::all).map(JsonPath::new).collect(),
            id: path(&action.result.id),
            place: place.map(|(batch, path)| ErrorRef::of(batch, path)),
            errors: path(&action.result.errors),
            ok: path(&action.result.ok),
            error: path(&action.result.error),
            required: names(action.input.get("required")),
            known: properties
                .filter(|_| closed)
                .map(|map| map.keys().map(|key| key.as_str().into()).collect()),
        })
    }

    /// Checks that required fields are there and, for a closed schema, that no other is.
    ///
    /// # Errors
    /// `invalid` with one entry per field.
    pub fn check_input(&self, input: &Value) -> Result<()> {
        let Some(fields) = input.as_object() else {
            return Err(Error::invalid("input", "must be an object"));
        };
        let mut faults = Vec::new();
        for name in &self.required {
            if fields.get(&**name).is_none_or(Value::is_null) {
                faults.push((format!("input.{name}"), "is needed".to_owned()));
            }
        }
        if let Some(known) = &self.known {
            for name in fields.keys().filter(|name| !known.iter().any(|k| **k == **name)) {
                let message = format!("is not an input of `{}`", self.name);
                faults.push((format!("input.{name}"), message));
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        let faults = faults.into_iter();
        let faults = faults
            .map(|(field, message)| connectus_core::error::FieldError { field, message })
            .collect();
        Err(Error::invalid_fields(faults))
    }
}
