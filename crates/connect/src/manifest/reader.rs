//! Reads one stream: partition by partition, slice by slice, page by page.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc};

use connectus_core::{Code, Error, Result};
use serde_json::{Map, Value};

use super::{
    paging::{Page, Runaway},
    records::{Batch, For, IsNew},
    request::{Answer, Ask, Outcome, Site, token_value},
    slices::{Cursor, Partitions, Slice},
    stream::StreamPlan,
};

/// How often the pages of one slice may begin anew.
const MAX_RESTARTS: u32 = 100;

/// What reading brings.
#[derive(Debug)]
pub enum Event {
    /// Records of a page, none of them twice.
    Page {
        /// The slice they belong to.
        slice: Slice,
        /// The records.
        batch: Batch,
    },
    /// All before it is read; reading can go on from here.
    State(Map<String, Value>),
}

/// Reads one stream.
pub struct StreamReader {
    plan: Arc<StreamPlan>,
    site: Arc<Site>,
    cursor: Cursor,
    partitions: Box<Partitions>,
    pending: VecDeque<Slice>,
    now: Option<Now>,
    ended: bool,
}

/// The slice being read.
struct Now {
    slice: Slice,
    token: Option<Value>,
    runaway: Runaway,
    restarts: u32,
    ended: bool,
}

impl StreamReader {
    /// Goes on from a state; from the beginning without one. Nothing is sent yet.
    ///
    /// # Errors
    /// `invalid` when state or settings cannot be read.
    pub fn begin(
        plan: &Arc<StreamPlan>,
        site: &Arc<Site>,
        state: Option<&Map<String, Value>>,
    ) -> Result<Self> {
        let empty = Map::new();
        let state = state.unwrap_or(&empty);
        let single = plan.router.is_single();
        let (env, config) = (&site.wire.env, &*site.config);
        let cursor = Cursor::begin(plan.range.as_ref(), single, state, env, config)?;
        let partitions = Partitions::begin(&plan.router, site, &cursor.parent_states())?;
        Ok(Self {
            plan: plan.clone(),
            site: site.clone(),
            cursor,
            partitions: Box::new(partitions),
            pending: VecDeque::new(),
            now: None,
            ended: false,
        })
    }

    /// The state reached.
    pub fn state(&self) -> Map<String, Value> {
        self.cursor.state()
    }

    /// What comes next; `None` at the end, after the last state.
    ///
    /// # Errors
    /// Whatever a request ends with; `invalid` when a text cannot be filled in.
    pub fn read(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Event>>> + Send + '_>> {
        Box::pin(self.advance())
    }

    async fn advance(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(now) = &mut self.now {
                if !now.ended {
                    let batch = page(&self.plan, &self.site, &mut self.cursor, now).await?;
                    if !batch.is_empty() {
                        let slice = now.slice.clone();
                        return Ok(Some(Event::Page { slice, batch }));
                    }
                    continue;
                }
                let slice = now.slice.clone();
                self.now = None;
                if let Some(state) = self.cursor.close(&slice, &self.site.wire.env)? {
                    return Ok(Some(Event::State(state)));
                }
            } else if let Some(slice) = self.pending.pop_front() {
                let token = self.plan.paginator.first();
                let runaway = Runaway::default();
                self.now = Some(Now { slice, token, runaway, restarts: 0, ended: false });
            } else if let Some(partition) = self.partitions.next().await? {
                let (env, config) = (&self.site.wire.env, &*self.site.config);
                let parents = self.partitions.state();
                self.pending = self.cursor.slices(partition, parents, env, config)?.into();
            } else if self.ended {
                return Ok(None);
            } else {
                self.ended = true;
                self.cursor.finish(self.partitions.state(), &self.site.wire.env);
                return Ok(Some(Event::State(self.cursor.state())));
            }
        }
    }
}

/// Asks for a page and turns to the next.
async fn page(plan: &StreamPlan, site: &Site, cursor: &mut Cursor, now: &mut Now) -> Result<Batch> {
    let token = token_value(now.token.as_ref());
    let path = plan.paginator.path(now.token.as_ref());
    let ask = Ask { slice: &now.slice, token: &token, path };
    let extra = plan.options(&now.slice, now.token.as_ref())?;
    match plan.requester.send(site, ask, extra).await? {
        Outcome::Page(answer) => records_of(plan, site, cursor, now, &answer, &token),
        Outcome::Nothing => {
            now.ended = true;
            Ok(Batch::empty())
        }
        Outcome::Restart => {
            now.restarts += 1;
            if now.restarts > MAX_RESTARTS {
                let detail = format!("The pages of a slice began anew {MAX_RESTARTS} times.");
                return Err(Error::new(Code::ProviderRefused, detail));
            }
            (now.token, now.runaway) = (plan.paginator.first(), Runaway::default());
            Ok(Batch::empty())
        }
    }
}

fn records_of(
    plan: &StreamPlan,
    site: &Site,
    cursor: &mut Cursor,
    now: &mut Now,
    answer: &Answer,
    token: &Value,
) -> Result<Batch> {
    let (env, config) = (&site.wire.env, &*site.config);
    let of = For { env, config, slice: &now.slice, token };
    let feed = plan.range.as_ref().is_some_and(|range| range.data_feed);
    let by_client = plan.range.as_ref().is_some_and(|range| range.client_side && !feed);
    let keep = plan.paginator.keep(plan.selector.first_step());
    let is_new = |batch: &Batch, index: usize| cursor.is_new(&now.slice, batch, index, env, config);
    let mut own = is_new;
    let own: Option<&mut IsNew<'_>> = if by_client { Some(&mut own) } else { None };
    let selected = plan.selector.select(&answer.response, keep, of, own)?;
    let mut batch = selected.batch;
    let last = batch.len().checked_sub(1);
    let last_record = match last.filter(|_| plan.paginator.needs_last_record()) {
        Some(index) => batch.read(index)?.map(Value::Object),
        None => None,
    };
    let reached_old = match last.filter(|_| feed) {
        Some(index) => !is_new(&batch, index)?,
        None => false,
    };
    let page = Page {
        answer,
        response: selected.response,
        last_record,
        size: batch.len(),
        found: selected.found,
        slice: &now.slice,
    };
    let next =
        if reached_old { None } else { plan.paginator.next(site, &page, now.token.as_ref())? };
    if let Some(next) = &next {
        now.runaway.check(&page, next)?;
    }
    if feed {
        batch.retain(is_new)?;
    }
    now.ended = next.is_none();
    now.token = next;
    cursor.observe(&now.slice, &batch);
    Ok(batch)
}
