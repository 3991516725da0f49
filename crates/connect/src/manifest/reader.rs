//! Reads one stream: partition by partition, slice by slice, page by page.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc};

use connectus_core::{Code, Error, Result};
use serde_json::{Map, Value};

use super::{
    pages,
    paging::Runaway,
    records::Batch,
    request::Site,
    slices::{Cursor, FIRST_PAGE, Partitions, Slice},
    stream::StreamPlan,
};

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
    /// Nothing was read before, so that what parents hold of their children is enough.
    lazy: bool,
    ended: bool,
}

/// The slice being read.
pub(super) struct Now {
    pub(super) slice: Slice,
    /// With what its pages are asked for.
    pub(super) asked: Slice,
    /// Other places its pages come from.
    targets: VecDeque<Slice>,
    /// What is to be cleared afterwards.
    job: Option<Slice>,
    /// Its first page, where its parent brought it.
    pub(super) given: Option<Value>,
    pub(super) token: Option<Value>,
    pub(super) runaway: Runaway,
    pub(super) restarts: u32,
    pub(super) ended: bool,
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
        let state = state.map_or_else(Map::new, |state| plan.migrated(state));
        let lazy = state.is_empty();
        let single = plan.router.is_single();
        let (env, config) = (&site.wire.env, &*site.config);
        let cursor = Cursor::begin(plan, single, &state, env, config)?;
        let partitions = Partitions::begin(&plan.router, site, &cursor.parent_states())?;
        Ok(Self {
            plan: plan.clone(),
            site: site.clone(),
            cursor,
            partitions: Box::new(partitions),
            pending: VecDeque::new(),
            now: None,
            lazy,
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
                    let batch = pages::turn(&self.plan, &self.site, &mut self.cursor, now).await?;
                    if !batch.is_empty() {
                        let slice = now.slice.clone();
                        return Ok(Some(Event::Page { slice, batch }));
                    }
                    continue;
                }
                if let Some(target) = now.targets.pop_front() {
                    (now.asked, now.token) = (target, self.plan.paginator.first());
                    (now.runaway, now.ended) = (Runaway::default(), false);
                    continue;
                }
                let (slice, job) = (now.slice.clone(), now.job.take());
                self.now = None;
                if let (Some(plan), Some(job)) = (&self.plan.job, job) {
                    plan.clear(&self.site, &job).await;
                }
                if let Some(state) = self.cursor.close(&slice, &self.site.wire.env)? {
                    return Ok(Some(Event::State(state)));
                }
            } else if let Some(slice) = self.pending.pop_front() {
                self.now = Some(Now::begin(&self.plan, &self.site, slice, self.lazy).await?);
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

impl Now {
    async fn begin(plan: &StreamPlan, site: &Site, slice: Slice, lazy: bool) -> Result<Self> {
        let mut now = Self {
            asked: slice.clone(),
            targets: VecDeque::new(),
            job: None,
            given: slice.extra().get(FIRST_PAGE).filter(|_| lazy).cloned(),
            token: plan.paginator.first(),
            runaway: Runaway::default(),
            restarts: 0,
            ended: false,
            slice,
        };
        if let Some(job) = &plan.job {
            let done = job.run(site, &now.slice).await?;
            (now.targets, now.job) = (done.targets.into(), Some(done.job));
            match now.targets.pop_front() {
                Some(target) => now.asked = target,
                None => now.ended = true,
            }
        }
        Ok(now)
    }
}

/// All records of a stream that is small, such as a list of names.
///
/// # Errors
/// Whatever reading ends with; `provider_refused` when there are more than `most`.
pub async fn all_records(
    plan: &Arc<StreamPlan>,
    site: &Arc<Site>,
    most: usize,
) -> Result<Vec<Map<String, Value>>> {
    let mut records = Vec::new();
    let mut reader = StreamReader::begin(plan, site, None)?;
    while let Some(event) = reader.read().await? {
        if let Event::Page { batch, .. } = event {
            records.extend(batch.into_built()?);
        }
        if records.len() > most {
            let detail = format!("A list the manifest asks for has more than {most} records.");
            return Err(Error::new(Code::ProviderRefused, detail));
        }
    }
    Ok(records)
}
