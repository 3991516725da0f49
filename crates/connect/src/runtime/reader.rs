//! Pages of one stream: a full read first, then changes, resumable after every page.

use std::sync::Arc;

use connectus_core::{Code, Error, Result, Timestamp};
use serde_json::{Value, json};

use super::{
    Connection, CursorState,
    cursor::{self, Delta, Mark, Position, Ties},
    paging::{LoopGuard, PageFacts, inject, text_of},
};
use crate::{
    path::scalar_text,
    plan::{CursorPlan, Draft, Paging, PartPlan, StreamPlan, duration_micros},
};

const SECS_PER_DAY: i64 = 86_400;
/// Most pages of one read.
pub const MAX_PAGES: u64 = 1_000_000;

/// One page of records.
#[derive(Debug)]
pub struct RecordPage {
    /// The records, as the provider writes them. Empty when only the cursor moved.
    pub records: Vec<Value>,
    /// Store it together with the records; `None` when the stream keeps no state.
    pub cursor: Option<CursorState>,
    /// Calls made for this page.
    pub calls: u32,
}

/// Reads one stream, page by page, to its end.
pub struct StreamReader {
    pub(super) connection: Connection,
    pub(super) plan: Arc<StreamPlan>,
    pub(super) position: Position,
    /// State of the query under way; a cursor does not need it.
    query: Query,
    guard: LoopGuard,
    pages: u64,
    finished: bool,
    /// The integration's settings as the requests see them, where they are not as they are.
    pub(super) config: Option<Value>,
    /// Whether the job that gathers the records is done.
    pub(super) job_ready: bool,
    /// Whether this reader began it.
    pub(super) job_begun: bool,
}

/// The query under way.
#[derive(Debug, Default)]
struct Query {
    page: Option<String>,
    /// Where its time range starts, once asked; the page token belongs to this range.
    from: Option<Timestamp>,
    /// Where it ends: when it was first asked.
    to: Option<Timestamp>,
    rows: u64,
    /// Records of its largest page: what the next may hold.
    largest: u64,
}

/// What came with one page.
struct Fetched {
    records: Vec<Value>,
    next: Option<String>,
}

pub(super) fn open(
    connection: Connection,
    plan: Arc<StreamPlan>,
    state: Option<&CursorState>,
) -> Result<StreamReader> {
    let position = match state {
        Some(state) => cursor::load(state, &plan.name)?,
        None => first_position(&connection, &plan)?,
    };
    let page = match &position {
        Position::Full { page, .. } => page.clone(),
        Position::Delta(delta) => delta.page.clone(),
    };
    let query = Query { page, ..Query::default() };
    Ok(StreamReader {
        connection,
        plan,
        position,
        query,
        guard: LoopGuard::default(),
        pages: 0,
        finished: false,
        config: None,
        job_ready: false,
        job_begun: false,
    })
}

/// A stream in one part reads changes from its start; one in two parts reads everything first.
fn first_position(connection: &Connection, plan: &StreamPlan) -> Result<Position> {
    let now = connection.0.env.now();
    let (None, Some(cursor)) = (&plan.delta, &plan.full.cursor) else {
        return Ok(Position::Full { since: now, page: None });
    };
    Ok(Position::Delta(Delta::since(start_of(cursor, connection)?)))
}

fn start_of(cursor: &CursorPlan, connection: &Connection) -> Result<Timestamp> {
    let text = text_of(&cursor.start, &connection.0.site.config)?.unwrap_or_default();
    if let Some(back) = text.strip_prefix('-').and_then(duration_micros) {
        // To the day, so that the range of a read does not move while it goes on.
        let day = connection.0.env.now().secs().div_euclid(SECS_PER_DAY) * SECS_PER_DAY;
        return Ok(Timestamp(Timestamp::from_secs(day).0.saturating_sub(back)));
    }
    cursor
        .format
        .read(&Value::from(text.as_str()))
        .ok_or_else(|| Error::invalid("start_datetime", format!("`{text}` is not a date and time")))
}

impl StreamReader {
    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// Transient errors (`Error::is_transient`) leave the reader where it was: calling again
    /// repeats the same request.
    pub async fn next_page(&mut self) -> Result<Option<RecordPage>> {
        let mut calls = 0;
        while !self.finished {
            if self.pages >= MAX_PAGES {
                let detail = format!("The stream has more than {MAX_PAGES} pages.");
                return Err(Error::new(Code::ProviderRefused, detail));
            }
            let before = self.position.clone();
            calls += 1;
            let records = match self.position {
                Position::Full { .. } => self.full_page().await?,
                Position::Delta(_) => self.delta_page().await?,
            };
            self.pages += 1;
            if !records.is_empty() || self.position != before {
                let cursor = Some(cursor::save(&self.position, &self.plan.name)?);
                return Ok(Some(RecordPage { records, cursor, calls }));
            }
        }
        Ok(None)
    }

    async fn full_page(&mut self) -> Result<Vec<Value>> {
        let plan = self.plan.clone();
        let draft = self.draft(&plan.full, None, None)?;
        let fetched = self.fetch(&plan.full, draft).await?;
        let Position::Full { since, page } = &mut self.position else { return Ok(Vec::new()) };
        page.clone_from(&fetched.next);
        if fetched.next.is_none() {
            self.finished = true;
            // What changed since the full read began is the delta's to find.
            if plan.delta().is_some() {
                self.position = Position::Delta(Delta::since(*since));
            }
        }
        self.query.page = fetched.next;
        Ok(fetched.records)
    }

    async fn delta_page(&mut self) -> Result<Vec<Value>> {
        let plan = self.plan.clone();
        let part = plan.delta().ok_or_else(|| Error::internal("a delta without a plan"))?;
        let cursor = part.cursor.as_ref().ok_or_else(|| Error::internal("no cursor plan"))?;
        let Position::Delta(delta) = &self.position else { return Ok(Vec::new()) };
        if let Some(ties) = delta.ties.clone() {
            return self.ties_page(part, cursor, ties).await;
        }
        let start = start_of(cursor, &self.connection)?;
        let looked_back = Timestamp(delta.since.0.saturating_sub(cursor.lookback)).max(start);
        let from = self.query.from.unwrap_or(looked_back);
        self.query.from = Some(from);
        self.query.to.get_or_insert(self.connection.0.env.now());
        if let Some(job) = &part.job
            && !self.job_is_done(job, cursor, from).await?
        {
            return Ok(Vec::new());
        }
        let draft = self.draft(part, Some((cursor, from)), None)?;
        let fetched = self.fetch(part, draft).await?;
        let size = fetched.records.len() as u64;
        self.query.rows += size;
        self.query.largest = self.query.largest.max(size);
        self.advance(&plan, cursor, from, fetched)
    }

    /// Moves the cursor over a page of changes and picks what is new in it.
    fn advance(
        &mut self,
        plan: &StreamPlan,
        cursor: &CursorPlan,
        from: Timestamp,
        fetched: Fetched,
    ) -> Result<Vec<Value>> {
        let Fetched { mut records, next } = fetched;
        let mark = |record: &Value| mark_of(plan, cursor, record);
        let newest = records.iter().filter_map(|record| cursor.time_of(record)).max();
        let Position::Delta(delta) = &mut self.position else { return Ok(records) };
        if !cursor.reread {
            delta.fresh(&mut records, mark);
        }
        let high = delta.high.max(newest).unwrap_or(delta.since);
        if cursor.ascending || next.is_none() {
            delta.since = delta.since.max(high);
            delta.high = None;
        } else {
            delta.high = Some(high);
        }
        let floor = Timestamp(delta.since.0.saturating_sub(cursor.lookback));
        if !cursor.reread {
            delta.remember(records.iter().filter_map(mark), floor);
        }
        let expected = self.query.rows + self.query.largest;
        let room = cursor.cap.as_ref().is_none_or(|cap| expected <= cap.rows);
        let anew = newest.map(|newest| Timestamp(newest.0.saturating_sub(cursor.lookback)));
        let anew = anew.filter(|anew| cursor.requery && cursor.moved(from, *anew));
        match next {
            Some(_) if anew.is_some() => self.query = Query { from: anew, ..Query::default() },
            Some(next) if room => {
                // A page token outlives the reader only where the cursor cannot stand in for it.
                let kept = (!cursor.ascending).then(|| next.clone());
                delta.page = kept;
                self.query.page = Some(next);
            }
            Some(_) => self.next_window(cursor, from, newest)?,
            None => {
                (delta.page, delta.job) = (None, None);
                self.finished = true;
            }
        }
        Ok(records)
    }

    /// The query yields no more although there is more: a new one goes on from the newest time.
    fn next_window(
        &mut self,
        cursor: &CursorPlan,
        from: Timestamp,
        newest: Option<Timestamp>,
    ) -> Result<()> {
        let Position::Delta(delta) = &mut self.position else { return Ok(()) };
        let newest = newest.unwrap_or(from);
        let moved = cursor.moved(from, newest);
        self.query = Query { from: Some(newest), ..Query::default() };
        if moved {
            return Ok(());
        }
        if cursor.cap.as_ref().is_none_or(|cap| cap.ties.is_none()) {
            return Err(Error::new(
                Code::ProviderRefused,
                format!("More records share the time {newest} than the provider ever yields."),
            ));
        }
        delta.ties = Some(Ties { at: newest, last_id: String::new() });
        Ok(())
    }

    /// A page of the records that share one time, in the order of ids.
    async fn ties_page(
        &mut self,
        part: &PartPlan,
        cursor: &CursorPlan,
        ties: Ties,
    ) -> Result<Vec<Value>> {
        let draft = self.draft(part, Some((cursor, ties.at)), Some(&ties.last_id))?;
        let fetched = self.fetch(part, draft).await?;
        let id = cursor.cap.as_ref().and_then(|cap| Some(&cap.ties.as_ref()?.1));
        let last_id = fetched.records.last().and_then(|record| id?.text(record));
        let Position::Delta(delta) = &mut self.position else { return Ok(fetched.records) };
        match (last_id, fetched.next) {
            (Some(last_id), Some(_)) if last_id != ties.last_id => {
                // Every page is a query of its own, so the cap is never met.
                delta.ties = Some(Ties { at: ties.at, last_id });
                self.query = Query::default();
            }
            (_, Some(_)) => {
                let detail = "The provider does not go on from one id to the next.";
                return Err(Error::new(Code::ProviderRefused, detail));
            }
            (_, None) => {
                let after = Timestamp(ties.at.0.saturating_add(cursor.format.step()));
                delta.ties = None;
                delta.since = delta.since.max(ties.at);
                self.query = Query { from: Some(after), ..Query::default() };
            }
        }
        Ok(fetched.records)
    }

    fn draft(
        &self,
        part: &PartPlan,
        range: Option<(&CursorPlan, Timestamp)>,
        last_id: Option<&str>,
    ) -> Result<Draft> {
        let config = self.config.as_ref().unwrap_or(&self.connection.0.site.config);
        let interval =
            range.map_or_else(|| json!({}), |(cursor, from)| self.interval(cursor, from));
        let job = self.job_scope();
        let last_id = Value::from(last_id.filter(|id| !id.is_empty()).unwrap_or("0"));
        let scope = [
            ("config", config),
            ("stream_interval", &interval),
            ("stream_slice", &interval),
            ("stream_partition", &interval),
            ("last_id", &last_id),
            ("job", &job),
        ];
        let ties = range.filter(|_| self.in_ties()).and_then(|(cursor, _)| cursor.cap.as_ref());
        let ties = ties.and_then(|cap| cap.ties.as_ref());
        let mut draft = match ties {
            Some((body, _)) => part.request.render_with(&scope, Some(body))?,
            None => part.request.render(&scope)?,
        };
        if let Some((cursor, from)) = range
            && let Some((into, name)) = &cursor.inject
        {
            inject(&mut draft, *into, name, cursor.format.write(from).into());
        }
        if let Paging::Pages(pages) = &part.paging {
            pages.apply(&mut draft, self.query.page.as_deref());
        }
        Ok(draft)
    }

    /// The time range of the query, as requests write it.
    pub(super) fn interval(&self, cursor: &CursorPlan, from: Timestamp) -> Value {
        let to = self.query.to.unwrap_or_else(|| self.connection.0.env.now());
        json!({"start_time": cursor.format.write(from), "end_time": cursor.format.write(to)})
    }

    fn in_ties(&self) -> bool {
        matches!(&self.position, Position::Delta(Delta { ties: Some(_), .. }))
    }

    async fn fetch(&mut self, part: &PartPlan, draft: Draft) -> Result<Fetched> {
        let connection = self.connection.clone();
        let answer = connection.exchange(&self.plan.name, &draft, &[]).await?;
        let mut body = answer.body;
        let listed = part.records.get(&body).and_then(Value::as_array);
        let size = listed.map_or(0, Vec::len);
        let next = match &part.paging {
            Paging::Single => None,
            Paging::Pages(pages) => {
                let last_record = listed.and_then(|list| list.last()).unwrap_or(&Value::Null);
                let config = &connection.0.site.config;
                let headers = &answer.headers;
                let facts = PageFacts { body: &body, headers, last_record, size, config };
                pages.next(self.query.page.as_deref(), &facts)?
            }
        };
        // Tokens start anew in every query of a window, so a circle is one within a query.
        if self.query.page.is_none() {
            self.guard = LoopGuard::default();
        }
        if let Some(token) = &next {
            self.guard.check(token)?;
        }
        let records = match part.records.take(&mut body) {
            // Behind a `*` nothing found may mean that nothing is where it should be.
            Some(Value::Array(records)) if records.is_empty() && part.records.is_many() => {
                if !part.is_empty(&body) {
                    return Err(self.no_records());
                }
                records
            }
            Some(Value::Array(records)) => records,
            None if part.is_empty(&body) => Vec::new(),
            Some(Value::Null) | None if body.is_null() => Vec::new(),
            Some(single @ Value::Object(_)) => vec![single],
            _ => return Err(self.no_records()),
        };
        Ok(Fetched { records, next })
    }

    /// An answer without its list of records must not pass for an empty page: the sync would end
    /// as if all were read.
    fn no_records(&self) -> Error {
        let detail = format!(
            "The provider's answer for `{}` holds no list of records where the pack expects it.",
            self.plan.name
        );
        Error::new(Code::ProviderUnavailable, detail)
    }
}

fn mark_of(plan: &StreamPlan, cursor: &CursorPlan, record: &Value) -> Option<Mark> {
    let at = cursor.time_of(record)?;
    let mut id = String::new();
    for path in &plan.key {
        id.push_str(&scalar_text(path.get(record)?)?);
        id.push('\u{1f}');
    }
    (!id.is_empty()).then_some((at, id))
}
