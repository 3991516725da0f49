//! What a template may read: values that are lent, never copied.

use std::sync::Arc;

use connectus_core::Env;
use serde_json::{Map, Value};

/// The `$parameters` of a component, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Arc<Value>);

impl Parameters {
    /// Those of a component.
    pub fn new(values: Map<String, Value>) -> Self {
        Self(Arc::new(Value::Object(values)))
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them, as one value.
    pub(super) fn value(&self) -> &Value {
        &self.0
    }
}

macro_rules! variables {
    ($($name:ident = $text:literal,)*) => {
        /// The names a manifest's texts may mention, given by whoever evaluates them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Variable { $(
            #[doc = concat!("`", $text, "`")]
            $name,
        )* }

        impl Variable {
            const COUNT: usize = [$(Self::$name),*].len();

            /// As it is written in a manifest.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The variable of this name.
            pub fn of(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

variables! {
    Config = "config",
    Parameters = "parameters",
    Record = "record",
    StreamSlice = "stream_slice",
    StreamInterval = "stream_interval",
    StreamPartition = "stream_partition",
    NextPageToken = "next_page_token",
    Response = "response",
    Headers = "headers",
    LastRecord = "last_record",
    LastPageSize = "last_page_size",
    PageSize = "page_size",
    Value = "value",
    Path = "path",
    Property = "property",
    SessionToken = "session_token",
    CreationResponse = "creation_response",
    PollingResponse = "polling_response",
    DownloadTarget = "download_target",
    RequestUrl = "request_url",
    RawSchema = "raw_schema",
    ComponentsValues = "components_values",
    StreamTemplateConfig = "stream_template_config",
    JsonLoads = "json_loads",
}

/// A stream slice: its partition, its interval, and what its parents passed along.
#[derive(Clone, Copy, Debug)]
pub struct SliceView<'a> {
    /// The keys of the partition.
    pub partition: &'a Map<String, Value>,
    /// The keys of the interval.
    pub cursor: &'a Map<String, Value>,
    /// Fields passed along; each is a variable of its own, too.
    pub extra: &'a Map<String, Value>,
}

impl<'a> SliceView<'a> {
    /// A key of the slice; the interval's win, as in `dict(partition) | dict(cursor)`.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.cursor.get(key).or_else(|| self.partition.get(key))
    }
}

/// What a variable stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'a> {
    Json(&'a Value),
    Map(&'a Map<String, Value>),
    /// The slice of the scope.
    Slice,
    Headers(&'a Map<String, Value>),
    Int(i64),
    JsonLoads,
}

/// The values of one evaluation.
#[derive(Clone)]
pub struct Scope<'a> {
    given: [Option<Given<'a>>; Variable::COUNT],
    slice: Option<SliceView<'a>>,
    env: &'a Env,
}

impl<'a> Scope<'a> {
    /// With the connector's configuration; the clock and chance of macros come from `env`.
    pub fn new(env: &'a Env, config: &'a Value) -> Self {
        let scope = Self { given: [None; Variable::COUNT], slice: None, env };
        scope.with(Variable::Config, config)
    }

    /// With a value. `null` is there, too: a name that was not given at all is an error.
    #[must_use]
    pub fn with(mut self, variable: Variable, value: &'a Value) -> Self {
        self.set(variable, Given::Json(value));
        self
    }

    /// With a JSON object.
    #[must_use]
    pub fn with_map(mut self, variable: Variable, value: &'a Map<String, Value>) -> Self {
        self.set(variable, Given::Map(value));
        self
    }

    /// With a whole number, such as `last_page_size`.
    #[must_use]
    pub fn with_int(mut self, variable: Variable, value: i64) -> Self {
        self.set(variable, Given::Int(value));
        self
    }

    /// With a slice, under its three names; the fields passed along become variables.
    #[must_use]
    pub fn with_slice(mut self, slice: SliceView<'a>) -> Self {
        self.set(Variable::StreamSlice, Given::Slice);
        for variable in
            [Variable::CreationResponse, Variable::PollingResponse, Variable::DownloadTarget]
        {
            if let Some(value) = slice.extra.get(variable.name()) {
                self.set(variable, Given::Json(value));
            }
        }
        self.slice = Some(slice);
        self
    }

    /// With the headers of a response, found whatever the case of their names.
    #[must_use]
    pub fn with_headers(mut self, headers: &'a Map<String, Value>) -> Self {
        self.set(Variable::Headers, Given::Headers(headers));
        self
    }

    /// With `json_loads`, which texts of the JWT authenticator may call.
    #[must_use]
    pub fn with_json_loads(mut self) -> Self {
        self.set(Variable::JsonLoads, Given::JsonLoads);
        self
    }

    fn set(&mut self, variable: Variable, given: Given<'a>) {
        use Variable::{StreamInterval, StreamPartition, StreamSlice};
        // The three names of a slice are one.
        if variable == StreamSlice {
            self.given[StreamInterval as usize] = Some(given);
            self.given[StreamPartition as usize] = Some(given);
        }
        self.given[variable as usize] = Some(given);
    }

    pub(super) fn get(&self, variable: Variable) -> Option<Given<'a>> {
        self.given[variable as usize]
    }

    /// A name that is no [`Variable`]: a field passed along.
    pub(super) fn extra(&self, name: &str) -> Option<&'a Value> {
        self.slice?.extra.get(name)
    }

    /// The slice, for [`Given::Slice`].
    pub(super) fn slice(&self) -> Option<SliceView<'a>> {
        self.slice
    }

    pub(super) fn env(&self) -> &'a Env {
        self.env
    }
}
