//! The history of a run: what its journal says, read and replayed without doing anything.
//!
//! A position counts what the run had learnt: 0 is before it began, 1 after the first entry.

mod replica;
mod told;

use std::sync::Arc;

use connectus_core::{
    Code, Error, Page, Result, TenantCtx,
    page::Listing,
    run::{Run, RunKind},
    workflow::{Cmd, Entry, Event, INTERP_VERSION, Interp, Program},
};
use serde_json::Value;

pub(crate) use self::replica::{Open, Replica};
pub use self::told::{about, told};
use crate::{driver::Continued, parts::Parts};

/// A run with its journal.
pub struct History {
    /// The run.
    pub run: Run,
    program: Arc<Program>,
    /// What the present generation was given.
    input: Value,
    /// What it began with, as stored, when it is not the first one.
    pub(crate) continued: Option<Value>,
    entries: Vec<Entry>,
}

/// A run at one position.
pub struct Moment {
    /// Entries learnt.
    pub position: usize,
    /// Entries there are.
    pub of: usize,
    /// The last one learnt.
    pub entry: Option<Entry>,
    /// What the run commanded when it learnt that.
    pub commands: Vec<Cmd>,
    /// The machine as it was then.
    pub interp: Interp,
}

/// Part of the journal of a run: entries with their positions. A payload that is parked is shown as
/// its name and size.
///
/// # Errors
/// `conflict` for a run without a journal.
pub async fn page(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    page: Page,
) -> Result<Listing<(u64, Entry)>> {
    has_journal(run)?;
    let found = parts.store.read().await?.journal_page(ctx, &run.id, page).await?;
    let entry = |(place, line): (u64, String)| Ok((place, Entry::shown(&line)?));
    let items = found.items.into_iter().map(entry).collect::<Result<_>>()?;
    Ok(Listing { items, total_count: found.total_count })
}

fn has_journal(run: &Run) -> Result<()> {
    if run.kind == RunKind::Workflow {
        return Ok(());
    }
    let detail = "Only runs of workflows have a journal; a sync keeps its cursor and counters.";
    Err(Error::new(Code::Conflict, detail))
}

impl History {
    /// Reads the journal of a run; of one that started over, that of its present generation.
    ///
    /// # Errors
    /// `conflict` for a run without a journal, for one of another interpreter version, and for one
    /// that starts over at this very moment.
    pub async fn read(parts: &Parts, ctx: &TenantCtx, run: Run) -> Result<Self> {
        has_journal(&run)?;
        if !Interp::speaks(run.interp_version) {
            let detail = format!(
                "The run was started by interpreter version {}; this program replays up to \
                 {INTERP_VERSION}.",
                run.interp_version
            );
            return Err(Error::new(Code::Conflict, detail));
        }
        let program = parts.programs.get(parts, ctx, &run.definition_hash).await?;
        let mut conn = parts.store.read().await?;
        let continued = conn.continued(ctx, &run.id).await?;
        let lines = conn.journal(ctx, &run.id).await?;
        drop(conn);
        let blobs = parts.store.blobs();
        let run = blobs.whole(run).await?;
        let mut entries: Vec<Entry> = Vec::with_capacity(lines.len());
        for line in &lines {
            entries.push(Entry::from_json(&blobs.line(ctx.tenant(), line).await?)?);
        }
        let continued = match continued {
            Some(continued) => Some(blobs.value(ctx.tenant(), continued).await?),
            None => None,
        };
        let (generation, input) = match continued.clone().map(Continued::read).transpose()? {
            Some(Continued { generation, input, .. }) => (generation, input),
            None => (0, run.input.here()?.clone()),
        };
        let began = entries.first().map(|entry| &entry.event);
        if !matches!(began, None | Some(Event::Started { .. }))
            || matches!(began, Some(Event::Started { generation: own, .. }) if *own != generation)
        {
            let detail = "The run is starting over right now. Try again.";
            return Err(Error::new(Code::Conflict, detail).retry_after(1));
        }
        Ok(Self { run, program, input, continued, entries })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the run has not begun.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the run runs.
    pub(crate) fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// What the present generation was given, and what it learnt.
    pub(crate) fn told(&self) -> (&Value, &[Entry]) {
        (&self.input, &self.entries)
    }

    /// A machine that has learnt nothing yet.
    fn machine(&self) -> Interp {
        let version = self.run.interp_version;
        Interp::of_version(version, self.program.clone(), self.input.clone())
    }

    /// The run as it was at a position.
    ///
    /// # Errors
    /// `invalid` for a position behind the end.
    pub fn at(&self, position: usize) -> Result<Moment> {
        let Some(learnt) = self.entries.get(..position) else {
            let message = format!("must be from 0 to {}, the length of the journal", self.len());
            return Err(Error::invalid("at", message));
        };
        let (mut interp, mut commands) = (self.machine(), Vec::new());
        for entry in learnt {
            commands = interp.replay(entry.clone());
        }
        let entry = learnt.last().cloned();
        Ok(Moment { position, of: self.len(), entry, commands, interp })
    }
}
