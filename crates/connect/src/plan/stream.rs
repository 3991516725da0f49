//! A stream, compiled: its request, where the records stand, how pages and changes follow.

use std::time::Duration;

use connectus_core::{
    Error, Result, Timestamp,
    provider::{
        Datetimes, DeclarativeStream, Extractor, Incremental, Inject, Job, MinMaxDatetime,
        PageToken, Paginator, RecordSelector, Requester, Retriever, Sorted, Strategy, Stream,
    },
};
use serde_json::Value;

use super::{CallPlan, WritePlan, times::TimeFormat};
use crate::{path::JsonPath, template::Node};

/// A stream, compiled.
#[derive(Debug)]
pub struct StreamPlan {
    /// Its name.
    pub name: Box<str>,
    /// What identifies a record.
    pub key: Vec<JsonPath>,
    /// Reads everything.
    pub full: PartPlan,
    /// Reads what changed; `None` when the stream cannot, or when `full` does it too.
    pub delta: Option<PartPlan>,
    /// How it is written; `None` when it cannot.
    pub write: Option<WritePlan>,
    /// The setting that lists the fields to ask for, separated by commas.
    pub fields: Option<Box<str>>,
}

/// One way of reading a stream.
#[derive(Debug)]
pub struct PartPlan {
    /// The request.
    pub request: CallPlan,
    /// Where the records stand.
    pub records: JsonPath,
    /// How pages follow each other.
    pub paging: Paging,
    /// How changes are asked for.
    pub cursor: Option<CursorPlan>,
    /// The job that gathers the records first.
    pub job: Option<JobPlan>,
    /// The members of an answer that leaves its empty list out.
    pub empty_members: Vec<String>,
}

/// A job that gathers the records before they can be read.
#[derive(Debug)]
pub struct JobPlan {
    /// Starts it.
    pub create: CallPlan,
    /// Its id in the answer.
    pub id: JsonPath,
    /// Asks how it stands.
    pub poll: CallPlan,
    /// The word that says so.
    pub state: JsonPath,
    /// The words that mean it is done.
    pub done: Vec<String>,
    /// The words that mean it will never be.
    pub failed: Vec<String>,
    /// Between two questions.
    pub pause: Duration,
}

/// How pages follow each other.
#[derive(Debug)]
pub enum Paging {
    /// One page.
    Single,
    /// Several.
    Pages(Box<Pages>),
}

/// Several pages.
#[derive(Debug)]
pub struct Pages {
    /// Where the token goes; `None` with `follow`.
    pub token: Option<(Inject, Box<str>)>,
    /// Whether the token is the next URL itself.
    pub follow: bool,
    /// Where the page size goes.
    pub size: Option<(Inject, Box<str>, u32)>,
    /// How the next token is found.
    pub next: Next,
}

/// How the next token is found.
#[derive(Debug)]
pub enum Next {
    /// In the answer.
    Cursor {
        /// The token.
        value: Node,
        /// True on the last page.
        stop: Option<Node>,
    },
    /// By counting: `step` is 1 for page numbers, the page size for offsets.
    Count {
        /// The first value.
        first: u64,
        /// What is added per page.
        step: u64,
        /// Records of a full page.
        size: u32,
        /// Whether the first request names it.
        on_first: bool,
    },
}

/// How changes are asked for.
#[derive(Debug)]
pub struct CursorPlan {
    /// The record's time of change.
    pub field: JsonPath,
    /// How requests and records write times.
    pub format: TimeFormat,
    /// The earliest time to ask for.
    pub start: Node,
    /// Where the start goes besides templates.
    pub inject: Option<(Inject, Box<str>)>,
    /// How far to look back, in microseconds.
    pub lookback: i64,
    /// Whether pages come oldest first.
    pub ascending: bool,
    /// Whether every page is a query of its own from the newest time seen.
    pub requery: bool,
    /// Whether records within the lookback are delivered again.
    pub reread: bool,
    /// The most results one query yields.
    pub cap: Option<CapPlan>,
}

/// The most results one query yields.
#[derive(Debug)]
pub struct CapPlan {
    /// Rows.
    pub rows: u64,
    /// What to ask, and the id to sort by, when more rows than that share one time.
    pub ties: Option<(Node, JsonPath)>,
}

impl StreamPlan {
    /// Compiles a stream.
    ///
    /// # Errors
    /// `invalid`, naming the place below `at`.
    pub fn compile(stream: &Stream, at: &str) -> Result<Self> {
        let full = stream.full();
        let delta = match stream {
            Stream::StateDelegatingStream(_) => stream.delta(),
            Stream::DeclarativeStream(_) => None,
        };
        Ok(Self {
            name: stream.name().into(),
            key: full.primary_key.fields().into_iter().map(JsonPath::new).collect(),
            full: PartPlan::compile(full, at)?,
            delta: delta.map(|part| PartPlan::compile(part, at)).transpose()?,
            write: full
                .hints
                .write
                .as_ref()
                .map(|write| WritePlan::compile(write, &format!("{at}/x-connectus/write")))
                .transpose()?,
            fields: full.hints.fields.as_deref().map(Box::from),
        })
    }

    /// The dotted paths of what identifies a record and tells when it changed.
    pub fn needed(&self) -> impl Iterator<Item = String> {
        let cursors = [Some(&self.full), self.delta.as_ref()].into_iter().flatten();
        let cursors = cursors.filter_map(|part| part.cursor.as_ref()).map(|cursor| &cursor.field);
        self.key.iter().chain(cursors).map(JsonPath::dotted)
    }

    /// The part that reads changes, if any.
    pub fn delta(&self) -> Option<&PartPlan> {
        self.delta.as_ref().or_else(|| self.full.cursor.is_some().then_some(&self.full))
    }
}

impl PartPlan {
    fn compile(part: &DeclarativeStream, at: &str) -> Result<Self> {
        let Retriever::SimpleRetriever(retriever) = &part.retriever;
        let Requester::HttpRequester(request) = &retriever.requester;
        let RecordSelector::RecordSelector { extractor } = &retriever.record_selector;
        let Extractor::DpathExtractor { field_path } = extractor;
        let cursor = match &part.incremental_sync {
            Some(incremental) => Some(CursorPlan::compile(incremental, part, at)?),
            None => None,
        };
        Ok(Self {
            request: CallPlan::of_requester(request, &format!("{at}/retriever/requester"))?,
            records: JsonPath::from_segments(field_path),
            paging: Paging::compile(&retriever.paginator, at)?,
            cursor,
            empty_members: part.hints.empty_members.clone(),
            job: part.hints.job.as_ref().map(|job| JobPlan::compile(job, at)).transpose()?,
        })
    }
}

impl PartPlan {
    /// Whether an answer without its list of records is one that leaves an empty list out.
    pub fn is_empty(&self, body: &Value) -> bool {
        let known = |name: &String| self.empty_members.contains(name);
        match body {
            Value::Array(chunks) => {
                !self.empty_members.is_empty() && chunks.iter().all(|chunk| self.is_empty(chunk))
            }
            Value::Object(members) => !members.is_empty() && members.keys().all(known),
            _ => false,
        }
    }
}

impl JobPlan {
    fn compile(job: &Job, at: &str) -> Result<Self> {
        let at = format!("{at}/x-connectus/job");
        Ok(Self {
            create: CallPlan::compile(&job.create, &format!("{at}/create"))?,
            id: JsonPath::new(&job.id),
            poll: CallPlan::compile(&job.poll, &format!("{at}/poll"))?,
            state: JsonPath::new(&job.state),
            done: job.done.clone(),
            failed: job.failed.clone(),
            pause: Duration::from_secs(u64::from(job.poll_secs)),
        })
    }
}

impl Paging {
    fn compile(paginator: &Paginator, at: &str) -> Result<Self> {
        let Paginator::DefaultPaginator {
            page_token_option,
            page_size_option,
            pagination_strategy,
        } = paginator
        else {
            return Ok(Self::Single);
        };
        let at = format!("{at}/retriever/paginator");
        let (next, page_size) = match pagination_strategy {
            Strategy::CursorPagination { cursor_value, stop_condition, page_size } => {
                let text = |text: &String, name: &str| {
                    Node::compile(&Value::from(text.as_str()), &format!("{at}/{name}"))
                };
                let value = text(cursor_value, "cursor_value")?;
                let stop = stop_condition.as_ref().map(|stop| text(stop, "stop_condition"));
                (Next::Cursor { value, stop: stop.transpose()? }, *page_size)
            }
            Strategy::PageIncrement { page_size, start_from_page, inject_on_first_request } => {
                let (first, on_first) = (*start_from_page, *inject_on_first_request);
                (Next::Count { first, step: 1, size: *page_size, on_first }, Some(*page_size))
            }
            Strategy::OffsetIncrement { page_size, inject_on_first_request } => {
                let (step, on_first) = (u64::from(*page_size), *inject_on_first_request);
                (Next::Count { first: 0, step, size: *page_size, on_first }, Some(*page_size))
            }
        };
        if page_size == Some(0) {
            return Err(Error::invalid(at, "page_size must be above 0"));
        }
        let (token, follow) = match page_token_option {
            Some(PageToken::RequestOption(option)) => {
                (Some((option.inject_into, option.field_name.as_str().into())), false)
            }
            Some(PageToken::RequestPath) => (None, true),
            None => return Err(Error::invalid(at, "needs a page_token_option")),
        };
        let size = page_size_option
            .as_ref()
            .zip(page_size)
            .map(|(option, size)| (option.inject_into, option.field_name.as_str().into(), size));
        Ok(Self::Pages(Box::new(Pages { token, follow, size, next })))
    }
}

impl CursorPlan {
    fn compile(incremental: &Incremental, part: &DeclarativeStream, at: &str) -> Result<Self> {
        let Incremental::DatetimeBasedCursor(cursor) = incremental;
        let at = format!("{at}/incremental_sync");
        let start = match &cursor.start_datetime {
            Datetimes::Text(text) => text,
            Datetimes::Component(MinMaxDatetime::MinMaxDatetime { datetime, .. }) => datetime,
        };
        let inject = match &cursor.start_time_option {
            None => None,
            Some(PageToken::RequestOption(option)) => {
                Some((option.inject_into, option.field_name.as_str().into()))
            }
            Some(PageToken::RequestPath) => {
                return Err(Error::invalid(at, "start_time_option must be a RequestOption"));
            }
        };
        let cap = match &part.hints.result_cap {
            None => None,
            Some(cap) => {
                let body = cap.ties_body_json.as_ref();
                let body =
                    body.map(|body| Node::compile(body, &format!("{at}/ties"))).transpose()?;
                let id = cap.ties_id.as_deref().map(JsonPath::new);
                Some(CapPlan { rows: u64::from(cap.rows), ties: body.zip(id) })
            }
        };
        let ascending = part.hints.sorted == Sorted::Ascending;
        if cap.is_some() && !ascending {
            return Err(Error::invalid(at, "a result_cap needs `sorted: ascending`"));
        }
        Ok(Self {
            field: JsonPath::new(&cursor.cursor_field),
            format: TimeFormat::new(&cursor.datetime_format),
            start: Node::compile(&Value::from(start.as_str()), &format!("{at}/start_datetime"))?,
            inject,
            lookback: lookback(cursor.lookback_window.as_deref(), &at)?,
            ascending,
            requery: part.hints.requery,
            reread: part.hints.reread,
            cap,
        })
    }

    /// Whether a request tells `to` and `from` apart, and `to` is the later one: requests tell
    /// times apart by the format's step only.
    pub fn moved(&self, from: Timestamp, to: Timestamp) -> bool {
        let step = self.format.step();
        to.0.div_euclid(step) > from.0.div_euclid(step)
    }

    /// The time of change of a record.
    pub fn time_of(&self, record: &Value) -> Option<Timestamp> {
        self.format.read(self.field.get(record)?)
    }
}

fn lookback(text: Option<&str>, at: &str) -> Result<i64> {
    let Some(text) = text else { return Ok(0) };
    super::times::duration_micros(text).ok_or_else(|| {
        Error::invalid(at, format!("lookback_window: `{text}` is not a duration such as PT2M"))
    })
}
