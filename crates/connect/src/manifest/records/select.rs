//! From a page to the records of a stream: found, filtered, changed, cast.

use connectus_core::{Env, Result};
use serde_json::Value;

use super::{
    batch::Batch,
    find::{Found, Keep, Records, find},
    normalise::normalise,
    transform::Transformation,
};
use crate::{
    http::GuardedResponse,
    manifest::{
        document::{Component, Node},
        interpolation::{Condition, Scope, Variable},
        request::strings,
        slices::Slice,
        text::condition,
    },
};

/// A `RecordSelector` and the transformations of its stream.
#[derive(Debug)]
pub struct Selector {
    path: Vec<String>,
    filter: Option<Condition>,
    transformations: Vec<Transformation>,
    transforms_first: bool,
    schema: Option<Value>,
}

/// What came out of a page.
#[derive(Debug)]
pub struct Selected {
    /// The records.
    pub batch: Batch,
    /// How many there were before any was left out.
    pub found: usize,
    /// What templates see as `response`, if it was asked for.
    pub response: Option<Value>,
}

/// Says of a record, by its place, whether it is new.
pub type IsNew<'a> = dyn FnMut(&Batch, usize) -> Result<bool> + 'a;

/// For which request a page came.
#[derive(Clone, Copy)]
pub struct For<'a> {
    /// Clock and chance.
    pub env: &'a Env,
    /// The settings.
    pub config: &'a Value,
    /// The slice.
    pub slice: &'a Slice,
    /// The token of the page, as templates see it.
    pub token: &'a Value,
}

impl Selector {
    /// Reads the selector of a retriever and the transformations of its stream.
    ///
    /// # Errors
    /// `invalid` when they cannot be read.
    pub fn compile(
        retriever: &Component,
        stream: &Component,
        scope: &Scope<'_>,
        client_side: bool,
        schema: &Value,
    ) -> Result<Self> {
        let selector = retriever.need_component("record_selector")?;
        let extractor = selector.need_component("extractor")?;
        if extractor.kind() != "DpathExtractor" {
            let message = format!("`{}` is not supported", extractor.kind());
            return Err(extractor.wrong("type", &message));
        }
        if extractor.node("record_expander").is_some() {
            return Err(extractor.wrong("record_expander", "is not supported"));
        }
        let steps = extractor.node("field_path").and_then(Node::as_list).unwrap_or_default();
        let filter = match selector.component("record_filter")? {
            Some(filter) if filter.kind() == "RecordFilter" => condition(&filter, "condition")?,
            Some(other) => {
                let message = format!("`{}` is not supported", other.kind());
                return Err(other.wrong("type", &message));
            }
            None => None,
        };
        let transformations = stream.components("transformations")?;
        let transforms_first = match selector.node("transform_before_filtering") {
            Some(Node::Bool(first)) => *first,
            _ => client_side,
        };
        let casts = selector.text("schema_normalization").is_some_and(|how| *how == *"Default");
        Ok(Self {
            path: strings(&extractor, "field_path", steps, scope)?,
            filter,
            transformations: transformations
                .iter()
                .map(|one| Transformation::compile(one, scope))
                .collect::<Result<_>>()?,
            transforms_first,
            schema: casts.then(|| schema.clone()),
        })
    }

    /// The first step on the way to the records; `None` when they are at the root.
    pub fn first_step(&self) -> Option<&str> {
        self.path.first().map(String::as_str)
    }

    /// Takes the records out of a page. `is_new` leaves out those that came before, by place.
    ///
    /// # Errors
    /// `provider_unavailable` when the page cannot be read, `invalid` when a text cannot be filled
    /// in.
    pub fn select(
        &self,
        response: &GuardedResponse,
        keep: Keep,
        of: For<'_>,
        is_new: Option<&mut IsNew<'_>>,
    ) -> Result<Selected> {
        let Found { records, response: around } = find(&response.body, &self.path, keep)?;
        let mut batch = match records {
            Records::Spans(spans) => Batch::Raw { body: response.body.clone(), spans },
            Records::Values(values) => Batch::Built(values),
        };
        let found = batch.len();
        if self.transforms_first {
            batch = self.transform(batch, of)?;
        }
        if let Some(is_new) = is_new {
            batch.retain(is_new)?;
        }
        if let Some(filter) = &self.filter {
            batch = filtered(batch, filter, of)?;
        }
        if !self.transforms_first {
            batch = self.transform(batch, of)?;
        }
        if let Some(schema) = &self.schema {
            let mut records = batch.into_built()?;
            records.iter_mut().for_each(|record| normalise(record, schema));
            batch = Batch::Built(records);
        }
        Ok(Selected { batch, found, response: around })
    }

    fn transform(&self, batch: Batch, of: For<'_>) -> Result<Batch> {
        if self.transformations.is_empty() {
            return Ok(batch);
        }
        let mut records = batch.into_built()?;
        for record in &mut records {
            for transformation in &self.transformations {
                transformation.apply(record, of.env, of.config, of.slice)?;
            }
        }
        Ok(Batch::Built(records))
    }
}

fn filtered(mut batch: Batch, filter: &Condition, of: For<'_>) -> Result<Batch> {
    let scope = Scope::new(of.env, of.config)
        .with_slice(of.slice.view())
        .with(Variable::NextPageToken, of.token);
    // Records that stay are handed on as the provider wrote them.
    batch.retain(|batch, index| {
        let record = batch.record(index)?;
        filter.holds(&scope.clone().with_map(Variable::Record, &record))
    })?;
    Ok(batch)
}
