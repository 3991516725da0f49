//! The partitions of a stream, one after another. Parents are read on the way, never ahead of it
//! by more than a page.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use connectus_core::{Error, Result};
use serde_json::{Map, Value};

use super::{Parent, Router, Slice};
use crate::manifest::{
    reader::{Event, StreamReader},
    records::Batch,
    request::Site,
};

/// Most partitions of one router in a product of several.
const MAX_PRODUCT: usize = 100_000;

/// Most partitions that are told apart while they are grouped.
const MAX_DISTINCT: usize = 1_000_000;

/// Partitions on their way.
pub struct Partitions {
    site: Arc<Site>,
    running: Running,
    parent_states: Map<String, Value>,
    keeps_state: bool,
}

enum Running {
    List(std::vec::IntoIter<Slice>),
    Parents { rest: std::vec::IntoIter<Arc<Parent>>, now: Option<Box<Reading>>, states: States },
    Groups { inner: Box<Partitions>, size: usize, met: Option<HashSet<String>> },
    Product { routers: Vec<Arc<Router>>, ready: Option<Vec<Vec<Slice>>>, at: Vec<usize> },
}

/// States to begin parents with, by their names.
type States = HashMap<String, Map<String, Value>>;

/// A parent being read.
struct Reading {
    parent: Arc<Parent>,
    reader: StreamReader,
    page: Option<(Slice, Batch)>,
    at: usize,
    begun: bool,
}

impl Partitions {
    /// Those of a router. `states` begin parents whose changes alone are read.
    ///
    /// # Errors
    /// `invalid` when a state cannot be read.
    pub fn begin(router: &Arc<Router>, site: &Arc<Site>, states: &States) -> Result<Self> {
        let mut parent_states = Map::new();
        let running = match &**router {
            Router::Single => Running::List(vec![Slice::default()].into_iter()),
            Router::List { key, values, .. } => {
                let slice = |value: &Value| {
                    let partition = Map::from_iter([(key.clone(), value.clone())]);
                    Slice::of_partition(partition, Map::new())
                };
                Running::List(values.iter().map(slice).collect::<Vec<_>>().into_iter())
            }
            Router::Parents(parents) => {
                for parent in parents.iter().filter(|parent| parent.incremental) {
                    let name = parent.stream.name.clone();
                    let reader = StreamReader::begin(&parent.stream, site, states.get(&name))?;
                    parent_states.insert(name, reader.state().into());
                }
                let rest = parents.clone().into_iter();
                Running::Parents { rest, now: None, states: states.clone() }
            }
            Router::Groups { inner, size, distinct } => Running::Groups {
                inner: Box::new(Self::begin(inner, site, states)?),
                size: *size,
                met: distinct.then(HashSet::new),
            },
            Router::Product(routers) => {
                Running::Product { routers: routers.clone(), ready: None, at: Vec::new() }
            }
        };
        let keeps_state = matches!(&**router, Router::Parents(_) | Router::Groups { .. });
        Ok(Self { site: site.clone(), running, parent_states, keeps_state })
    }

    /// The states of the parents, to be kept in the state of the child.
    pub fn state(&self) -> Option<Map<String, Value>> {
        match &self.running {
            Running::Groups { inner, .. } => inner.state(),
            _ => self.keeps_state.then(|| self.parent_states.clone()),
        }
    }

    /// The next partition; `None` at the end.
    ///
    /// # Errors
    /// Whatever reading a parent ends with.
    pub async fn next(&mut self) -> Result<Option<Slice>> {
        let Self { site, running, parent_states, .. } = self;
        match running {
            Running::List(slices) => Ok(slices.next()),
            Running::Parents { rest, now, states } => loop {
                let Some(reading) = now else {
                    let Some(parent) = rest.next() else { return Ok(None) };
                    let state = states.get(&parent.stream.name).filter(|_| parent.incremental);
                    let reader = StreamReader::begin(&parent.stream, site, state)?;
                    let page = None;
                    *now = Some(Box::new(Reading { parent, reader, page, at: 0, begun: false }));
                    continue;
                };
                let found = reading.next().await?;
                if reading.parent.incremental {
                    let name = reading.parent.stream.name.clone();
                    parent_states.insert(name, reading.reader.state().into());
                }
                match found {
                    None => *now = None,
                    Some(None) => {}
                    Some(Some(slice)) => return Ok(Some(slice)),
                }
            },
            Running::Groups { inner, size, met } => group(inner, *size, met).await,
            Running::Product { routers, ready, at } => {
                if ready.is_none() {
                    let mut all = Vec::new();
                    for router in routers.iter() {
                        all.push(gather(router, site).await?);
                    }
                    *at = vec![0; all.len()];
                    let empty = all.iter().any(Vec::is_empty);
                    *ready = Some(if empty { Vec::new() } else { all });
                }
                Ok(ready.as_ref().and_then(|all| combine(all, at)))
            }
        }
    }
}

/// The next partitions of another router, as one.
async fn group(
    inner: &mut Partitions,
    size: usize,
    met: &mut Option<HashSet<String>>,
) -> Result<Option<Slice>> {
    let mut batch: Vec<Slice> = Vec::new();
    while batch.len() < size {
        let Some(slice) = Box::pin(inner.next()).await? else { break };
        let mut keys = slice.partition().iter().filter(|(name, _)| *name != "parent_slice");
        let (Some((_, value)), None) = (keys.next(), keys.next()) else {
            let message = "must have one key to be grouped";
            return Err(Error::invalid("underlying_partition_router", message));
        };
        if let Some(met) = met {
            if met.len() > MAX_DISTINCT {
                let message = format!("has more than {MAX_DISTINCT} partitions to be told apart");
                return Err(Error::invalid("partition_router", message));
            }
            if !met.insert(value.to_string()) {
                continue;
            }
        }
        batch.push(slice);
    }
    let Some(first) = batch.first() else { return Ok(None) };
    let all = |of: fn(&Slice) -> &Map<String, Value>| {
        let names = of(first).keys();
        names
            .map(|name| {
                let values = batch.iter().map(|one| of(one).get(name).cloned().unwrap_or_default());
                (name.clone(), values.collect())
            })
            .collect()
    };
    Ok(Some(Slice::of_partition(all(Slice::partition), all(Slice::extra))))
}

async fn gather(router: &Arc<Router>, site: &Arc<Site>) -> Result<Vec<Slice>> {
    let mut partitions = Partitions::begin(router, site, &States::new())?;
    let mut slices = Vec::new();
    while let Some(slice) = Box::pin(partitions.next()).await? {
        slices.push(slice);
        if slices.len() > MAX_PRODUCT {
            let message = format!("has more than {MAX_PRODUCT} partitions to be combined");
            return Err(Error::invalid("partition_router", message));
        }
    }
    Ok(slices)
}

/// The next combination: the last router turns fastest, of equal keys the first one counts.
fn combine(all: &[Vec<Slice>], at: &mut Vec<usize>) -> Option<Slice> {
    if all.is_empty() || at.is_empty() {
        return None;
    }
    let (mut partition, mut extra) = (Map::new(), Map::new());
    for (slices, index) in all.iter().zip(at.iter()) {
        let slice = slices.get(*index)?;
        for (name, value) in slice.partition() {
            partition.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for (name, value) in slice.extra() {
            extra.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    let turned = all.iter().zip(at.iter_mut()).rev().any(|(slices, index)| {
        *index += 1;
        let turns = *index < slices.len();
        if !turns {
            *index = 0;
        }
        turns
    });
    if !turned {
        at.clear();
    }
    Some(Slice::of_partition(partition, extra))
}

impl Reading {
    /// The partition of the next record: `None` at the end, `Some(None)` when it makes none.
    async fn next(&mut self) -> Result<Option<Option<Slice>>> {
        if !self.begun {
            self.begun = true;
            self.turn().await?;
        }
        let Some((slice, batch)) = &self.page else { return Ok(None) };
        let record = batch.read(self.at)?;
        let found = record.and_then(|record| self.parent.partition(&record, slice));
        self.at += 1;
        // The parent's slice is closed before the last partition in it is handed out, so that the
        // state kept with that partition says so.
        if self.at >= batch.len() {
            self.turn().await?;
        }
        Ok(Some(found))
    }

    /// Goes on to the next page that holds a record.
    async fn turn(&mut self) -> Result<()> {
        (self.page, self.at) = (None, 0);
        while let Some(event) = self.reader.read().await? {
            if let Event::Page { slice, batch } = event
                && !batch.is_empty()
            {
                self.page = Some((slice, batch));
                break;
            }
        }
        Ok(())
    }
}
