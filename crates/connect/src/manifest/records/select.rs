//! From a page to the records of a stream: found, filtered, changed, cast.

use bytes::Bytes;
use connectus_core::{Env, Result};
use serde_json::{Map, Value};

use super::{
    batch::Batch,
    find::{Found, Keep, Records, find},
    normalise::normalise,
    partial::{Gains, Members},
    transform::Transformation,
};
use crate::{
    http::GuardedResponse,
    manifest::{
        decode::{Csv, Decoder, inflated},
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
    decoder: Decoder,
    path: Vec<String>,
    /// Whether each answer is a table in a file.
    table: Option<Csv>,
    filter: Option<Condition>,
    /// Members the filter looks at, if they are known.
    looks_at: Option<Members>,
    transformations: Vec<Transformation>,
    /// What they add, if they do nothing else.
    gains: Option<Gains>,
    transforms_first: bool,
    casts: bool,
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
    /// The schema records are cast to, if they are.
    pub schema: Option<&'a Value>,
}

impl Selector {
    /// Reads the selector of a retriever and the transformations of its stream.
    ///
    /// # Errors
    /// `invalid` when they cannot be read.
    pub fn compile(
        retriever: &Component,
        stream: Option<&Component>,
        scope: &Scope<'_>,
        client_side: bool,
    ) -> Result<Self> {
        let selector = retriever.need_component("record_selector")?;
        // The pages of jobs have an extractor and a decoder of their own.
        let by_job = retriever.kind() == "AsyncRetriever";
        let extractor = match by_job {
            true => retriever.component("download_extractor")?,
            false => Some(selector.need_component("extractor")?),
        };
        let (path, table) = match &extractor {
            Some(extractor) => path_of(extractor, scope)?,
            None => (Vec::new(), None),
        };
        let filtering = selector.component("record_filter")?;
        let condition_text = filtering.as_ref().and_then(|filter| filter.text("condition"));
        let filter = match filtering {
            Some(filter) if filter.kind() == "RecordFilter" => condition(&filter, "condition")?,
            Some(other) => {
                let message = format!("`{}` is not supported", other.kind());
                return Err(other.wrong("type", &message));
            }
            None => None,
        };
        let transformations = stream.map(|stream| stream.components("transformations"));
        let transformations = transformations.transpose()?.unwrap_or_default();
        let transformations: Vec<_> = transformations
            .iter()
            .map(|one| Transformation::compile(one, scope))
            .collect::<Result<_>>()?;
        let transforms_first = match selector.node("transform_before_filtering") {
            Some(Node::Bool(first)) => *first,
            _ => client_side,
        };
        let casts = selector.text("schema_normalization").is_some_and(|how| *how == *"Default");
        Ok(Self {
            decoder: Decoder::compile(
                retriever,
                if by_job { "download_decoder" } else { "decoder" },
            )?,
            table,
            path,
            filter,
            looks_at: condition_text.and_then(|text| Members::of(&text)),
            gains: Gains::of(&transformations),
            transformations,
            transforms_first,
            casts,
        })
    }

    /// Whether records are cast to their schema.
    pub fn casts(&self) -> bool {
        self.casts
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
        let (body, hidden) = match &self.table {
            Some(table) => (file_of(table, &response.body)?, true),
            None => (self.decoder.decode(&response.body)?, self.decoder.hides_response()),
        };
        let keep = if hidden { Keep::Records } else { keep };
        let Found { records, response: around } = find(&body, &self.path, keep)?;
        let around = if hidden { Some(Value::Object(Map::new())) } else { around };
        let mut batch = match records {
            Records::Spans(spans) => Batch::Raw { body, spans },
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
            batch = filtered(batch, filter, self.looks_at.as_ref(), of)?;
        }
        if !self.transforms_first {
            batch = self.transform(batch, of)?;
        }
        if let Some(schema) = of.schema.filter(|_| self.casts) {
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
        if let Some(gains) = &self.gains
            && let Some(batch) = gains.apply(&batch, of)?
        {
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

/// The path of an extractor, or the table it reads.
fn path_of(extractor: &Component, scope: &Scope<'_>) -> Result<(Vec<String>, Option<Csv>)> {
    match extractor.kind() {
        "DpathExtractor" if extractor.node("record_expander").is_some() => {
            Err(extractor.wrong("record_expander", "is not supported"))
        }
        "DpathExtractor" => {
            let steps = extractor.node("field_path").and_then(Node::as_list).unwrap_or_default();
            Ok((strings(extractor, "field_path", steps, scope)?, None))
        }
        "ResponseToFileExtractor" => {
            Ok((Vec::new(), Some(Csv::of_files(extractor.flag("preserve_na_values")))))
        }
        other => Err(extractor.wrong("type", &format!("`{other}` is not supported"))),
    }
}

fn file_of(table: &Csv, body: &Bytes) -> Result<Bytes> {
    let text = inflated(body)?;
    // Zero bytes are what some services pad with.
    let text: Bytes = match text.contains(&0) {
        true => text.iter().copied().filter(|byte| *byte != 0).collect(),
        false => text,
    };
    table.json(&text)
}

fn filtered(
    mut batch: Batch,
    filter: &Condition,
    looks_at: Option<&Members>,
    of: For<'_>,
) -> Result<Batch> {
    let scope = Scope::new(of.env, of.config)
        .with_slice(of.slice.view())
        .with(Variable::NextPageToken, of.token);
    // Records that stay are handed on as the provider wrote them.
    batch.retain(|batch, index| {
        let record = match looks_at {
            Some(members) => batch.some(index, members)?,
            None => batch.record(index)?,
        };
        filter.holds(&scope.clone().with_map(Variable::Record, &record))
    })?;
    Ok(batch)
}
