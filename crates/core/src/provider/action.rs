//! What a provider can be told to do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An HTTP method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    #[default]
    Get,
    /// Create or ask.
    Post,
    /// Replace.
    Put,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// The method as it travels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// How a body travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// JSON.
    #[default]
    Json,
    /// A form; values that are not text travel as JSON text.
    Form,
}

/// A templated request without a name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The method.
    #[serde(default)]
    pub method: Method,
    /// The path under the base URL. Values put into it are percent-encoded.
    pub path: String,
    /// The query; a value whose template finds nothing is left out.
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; a member whose template finds nothing is left out.
    #[serde(default)]
    pub body: Option<Value>,
    /// How the body travels.
    #[serde(default)]
    pub encoding: Encoding,
}

/// Something a provider can be told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The stable name, unique within its pack.
    pub name: String,
    /// What it does, in one sentence.
    pub description: String,
    /// The JSON Schema of its input.
    pub input: Value,
    /// The request. Templates see `input`, `config` and, in a batch, `items`.
    pub request: Call,
    /// Values made from the input, which templates see as `derived.<name>`; in a batch from each
    /// thing, where they see `item`.
    #[serde(default)]
    pub derived: BTreeMap<String, Derived>,
    /// Which credential methods it works with; empty means all but secret URLs.
    #[serde(default)]
    pub auth: Vec<String>,
    /// How many things one call may carry.
    #[serde(default)]
    pub batch: Option<Batch>,
    /// Whether doing it twice does harm.
    pub idempotency: Idempotency,
    /// Where the result stands in the answer.
    #[serde(default)]
    pub result: ResultShape,
}

/// A value made from another: an e-mail address as its hash. Absent where there is nothing to
/// make it from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// The template of the text it is made from.
    pub of: String,
    /// What is done with the text, in order.
    pub steps: Vec<Step>,
}

/// Something done with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Without blanks at both ends.
    Trim,
    /// In small letters.
    Lower,
    /// Its decimal digits alone.
    Digits,
    /// Its MD5, in hex: as a name, never as protection.
    Md5,
    /// Its SHA-256, in hex.
    Sha256,
}

/// Several things in one call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The most things in one call. Longer inputs are cut into several calls.
    pub max: u32,
    /// The input field that holds the list.
    pub field: String,
    /// The template of one thing; it sees `item` and `index` (its place in the whole list).
    pub item: Value,
    /// In an answer's error: the path of the value that names the thing it is about.
    #[serde(default)]
    pub error_ref: Option<String>,
    /// What that value is.
    #[serde(default)]
    pub error_names: ErrorNames,
    /// With `error_names: item`: the path of the same value in a rendered thing.
    #[serde(default)]
    pub item_ref: Option<String>,
}

/// What an error of a batch names its thing by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorNames {
    /// Its place in the whole list, which the thing carried.
    #[default]
    Index,
    /// Its place in the call.
    Place,
    /// A value of its own.
    Item,
}

/// Whether doing it twice does harm, and what prevents it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Idempotency {
    /// The same call twice leaves the same state.
    Idempotent,
    /// The provider drops a second call with the same key.
    Keyed {
        /// The body field that carries the key.
        field: String,
        /// The form the provider wants.
        #[serde(default)]
        format: KeyFormat,
    },
    /// After an unknown outcome, look first, then decide.
    VerifyThenRetry {
        /// The action to look with; it gets the same input.
        lookup: String,
    },
    /// Never repeated without a person when the outcome is unknown.
    AtMostOnce,
}

impl Idempotency {
    /// The word shown in capabilities.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idempotent => "idempotent",
            Self::Keyed { .. } => "keyed",
            Self::VerifyThenRetry { .. } => "verify_then_retry",
            Self::AtMostOnce => "at_most_once",
        }
    }
}

/// The form of an idempotency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyFormat {
    /// As it is.
    #[default]
    Plain,
    /// A UUID made from the key's SHA-256.
    Uuid,
}

/// Where the result stands in an answer, as dotted paths.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResultShape {
    /// The list or lists of things made or changed; none: the answer itself is the one thing. The
    /// empty path is the answer itself as a list.
    pub records: Option<super::Paths>,
    /// The id within a thing.
    pub id: Option<String>,
    /// In a thing: the path of the value that says which of the things sent it is, as
    /// `batch.error_names` reads it. None: only `ok` says so, where there is one.
    pub place: Option<String>,
    /// The list of errors of a partly successful batch.
    pub errors: Option<String>,
    /// A boolean within a thing; where it is false the thing was refused. The list then has one
    /// entry for each thing sent, in the same order.
    pub ok: Option<String>,
    /// The sentence within an error or a refused thing; none: `message` or `error`.
    pub error: Option<String>,
}
