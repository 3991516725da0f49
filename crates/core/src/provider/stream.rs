//! What can be read, in the declarative dialect of Airbyte manifests (the part this build runs).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Method, Paginator};

/// A stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Stream {
    /// One way of reading for every run.
    DeclarativeStream(Box<DeclarativeStream>),
    /// One way for the first, full read and another for what changed since.
    StateDelegatingStream(Box<DelegatingStream>),
}

impl Stream {
    /// The stream's name, unique within its pack.
    pub fn name(&self) -> &str {
        match self {
            Self::DeclarativeStream(stream) => &stream.name,
            Self::StateDelegatingStream(stream) => &stream.name,
        }
    }

    /// The part that reads everything.
    pub fn full(&self) -> &DeclarativeStream {
        match self {
            Self::DeclarativeStream(stream) => stream,
            Self::StateDelegatingStream(stream) => stream.full_refresh_stream.declarative(),
        }
    }

    /// The part that reads what changed, where the stream can.
    pub fn delta(&self) -> Option<&DeclarativeStream> {
        let part = match self {
            Self::DeclarativeStream(stream) => stream,
            Self::StateDelegatingStream(stream) => stream.incremental_stream.declarative(),
        };
        part.incremental_sync.is_some().then_some(part)
    }
}

/// A stream in two parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegatingStream {
    /// The stream's name.
    pub name: String,
    /// Reads everything, when no state is known.
    pub full_refresh_stream: Part,
    /// Reads what changed since the state.
    pub incremental_stream: Part,
}

/// A part of a [`DelegatingStream`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Part {
    /// The only kind the dialect knows.
    DeclarativeStream(Box<DeclarativeStream>),
}

impl Part {
    fn declarative(&self) -> &DeclarativeStream {
        match self {
            Self::DeclarativeStream(stream) => stream,
        }
    }
}

/// One way of reading a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclarativeStream {
    /// The stream's name.
    pub name: String,
    /// What identifies a record.
    #[serde(default)]
    pub primary_key: PrimaryKey,
    /// How records are fetched.
    pub retriever: Retriever,
    /// How changes since the last run are asked for.
    #[serde(default)]
    pub incremental_sync: Option<Incremental>,
    /// What a record looks like.
    #[serde(default)]
    pub schema_loader: Option<SchemaLoader>,
    /// What the dialect cannot say.
    #[serde(default, rename = "x-connectus")]
    pub hints: StreamHints,
}

/// The field or fields that identify a record, as dotted paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PrimaryKey {
    /// None: records are told apart by their whole content.
    #[default]
    None,
    /// One field.
    One(String),
    /// Several fields together.
    Many(Vec<String>),
}

impl PrimaryKey {
    /// The fields, in order.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::None => Vec::new(),
            Self::One(field) => vec![field],
            Self::Many(fields) => fields.iter().map(String::as_str).collect(),
        }
    }
}

/// Fetches records.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Retriever {
    /// One request per page.
    SimpleRetriever(SimpleRetriever),
}

/// One request per page.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimpleRetriever {
    /// The request.
    pub requester: Requester,
    /// Where the records stand in an answer.
    pub record_selector: RecordSelector,
    /// How pages follow each other.
    #[serde(default)]
    pub paginator: Paginator,
}

/// Makes a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Requester {
    /// Over HTTP, with the integration's credential.
    HttpRequester(HttpRequester),
}

/// A templated HTTP request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRequester {
    /// The path under the integration's base URL.
    pub path: String,
    /// The method.
    #[serde(default)]
    pub http_method: Method,
    /// The query.
    #[serde(default)]
    pub request_parameters: BTreeMap<String, Value>,
    /// Further headers.
    #[serde(default)]
    pub request_headers: BTreeMap<String, String>,
    /// A JSON body.
    #[serde(default)]
    pub request_body_json: Option<Value>,
}

/// Finds the records of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum RecordSelector {
    /// By path.
    RecordSelector {
        /// The path.
        extractor: Extractor,
    },
}

/// Where records stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Extractor {
    /// Under these keys; empty means the answer itself. `*` stands for every item.
    DpathExtractor {
        /// Keys from the outside in.
        field_path: Vec<String>,
    },
}

/// How changes are asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Incremental {
    /// By a time of change in each record.
    DatetimeBasedCursor(DatetimeCursor),
}

/// A cursor over a time of change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatetimeCursor {
    /// The record's field, as a dotted path.
    pub cursor_field: String,
    /// How a request writes times: a strftime pattern, `%s`, `%ms` or RFC 3339 (`%+`).
    pub datetime_format: String,
    /// How records write times; empty means RFC 3339 or `datetime_format`.
    #[serde(default)]
    pub cursor_datetime_formats: Vec<String>,
    /// The earliest time to ask for; `-P90D` is so long before now.
    pub start_datetime: Datetimes,
    /// Where the start goes in a request; none: the templates use `stream_interval`.
    #[serde(default)]
    pub start_time_option: Option<super::PageToken>,
    /// An ISO 8601 duration to look back, for services that index late.
    #[serde(default)]
    pub lookback_window: Option<String>,
}

/// A time, fixed or templated.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Datetimes {
    /// As text.
    Text(String),
    /// As a component.
    Component(MinMaxDatetime),
}

/// A time as a component of the dialect.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum MinMaxDatetime {
    /// A time; bounds are not run.
    MinMaxDatetime {
        /// The time.
        datetime: String,
        /// How it is written; empty means RFC 3339.
        #[serde(default)]
        datetime_format: Option<String>,
    },
}

/// What a record looks like.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum SchemaLoader {
    /// As a JSON Schema written here.
    InlineSchemaLoader {
        /// The schema.
        schema: Value,
    },
}

/// What the dialect cannot say about a stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamHints {
    /// The order of records by the cursor field.
    pub sorted: Sorted,
    /// The most results one query ever yields.
    pub result_cap: Option<ResultCap>,
    /// How flows write to the provider what this stream reads; none: they cannot.
    pub write: Option<StreamWrite>,
    /// Whether every page is asked for anew from the newest time seen, instead of by an offset: a
    /// record that changes meanwhile moves to the end, and an offset would skip its neighbour.
    /// While the time does not move, the offset goes on. Needs `sorted: ascending`.
    pub requery: bool,
    /// Whether records within `lookback_window` are delivered again: they change without their
    /// time changing, as the figures of a past day do.
    pub reread: bool,
    /// A job that gathers the records before they can be read.
    pub job: Option<Job>,
    /// Members of an answer that leaves an empty list out: where the list is absent and there is
    /// no other member but these, there are no records. None: a list that is absent is an error.
    pub empty_members: Vec<String>,
    /// The setting that lists the fields to ask for, separated by commas: a flow that reads only
    /// some asks for no others.
    pub fields: Option<String>,
}

/// How flows write to the provider what a stream reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamWrite {
    /// The field whose value identifies a thing, where a flow names no other. None: it must.
    #[serde(default)]
    pub match_field: Option<String>,
    /// Makes a thing, or changes the one whose `match_field` has the value.
    pub upsert: WriteCall,
    /// Changes things whose id is known; none: these are upserted, too.
    #[serde(default)]
    pub update: Option<WriteCall>,
    /// Removes things whose id is known; none: they cannot be removed.
    #[serde(default)]
    pub delete: Option<WriteCall>,
    /// What empties a field, where null does not.
    #[serde(default)]
    pub clear: Option<Value>,
}

impl StreamWrite {
    /// All its calls, each with its name.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, &WriteCall)> {
        let all = [
            ("upsert", Some(&self.upsert)),
            ("update", self.update.as_ref()),
            ("delete", self.delete.as_ref()),
        ];
        all.into_iter().filter_map(|(name, call)| Some((name, call?)))
    }
}

/// An action that a flow calls to write. It must be harmless to repeat: a process that dies does
/// not know what it has sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteCall {
    /// The action.
    pub action: String,
    /// Its input besides the things. Templates see `match_field` and `config`.
    #[serde(default)]
    pub input: BTreeMap<String, Value>,
    /// One thing, as the action wants it. Templates see `id` (the provider's), `match` (the value
    /// of `match_field`) and `row`.
    pub item: Value,
}

/// A job that gathers the records before they can be read. The requests of the stream see its id
/// as `job.id`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Starts it.
    pub create: super::Call,
    /// The path of its id in the answer.
    pub id: String,
    /// Asks how it stands.
    pub poll: super::Call,
    /// The path of the word that says so.
    pub state: String,
    /// The words that mean it is done.
    pub done: Vec<String>,
    /// The words that mean it will never be.
    pub failed: Vec<String>,
    /// Seconds between two questions.
    #[serde(default = "five")]
    pub poll_secs: u32,
}

const fn five() -> u32 {
    5
}

/// The order of records by the cursor field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sorted {
    /// Not known: the cursor moves only when all pages are read.
    #[default]
    No,
    /// Oldest first: the cursor moves with every page.
    Ascending,
}

/// A service that stops after so many results of one query, whatever the pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultCap {
    /// The cap. Reading goes on with a new query from the last time seen.
    pub rows: u32,
    /// The body to ask with when more rows than the cap share one time: it may use
    /// `stream_interval.start_time` (that time) and `last_id`, and sorts by id.
    #[serde(default)]
    pub ties_body_json: Option<Value>,
    /// The dotted path of the id the ties are sorted by.
    #[serde(default)]
    pub ties_id: Option<String>,
}
