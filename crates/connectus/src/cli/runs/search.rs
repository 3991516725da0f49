//! Which runs are meant, as options.

use clap::Args;
use connectus_core::Result;
use connectus_store::runs::RunFilter;

use crate::api::runs::filter;

#[derive(Debug, Args)]
pub struct Search {
    /// Only this status, or several with commas between.
    #[arg(long)]
    status: Option<String>,
    /// Only `workflow` or `sync`.
    #[arg(long)]
    kind: Option<String>,
    /// Only runs of this workflow or data flow, by identifier.
    #[arg(long)]
    of: Option<String>,
    /// Only runs that this started: `manual`, `schedule`, `webhook`, `retry`, ...
    #[arg(long)]
    trigger: Option<String>,
    /// Accepted from this time on (RFC 3339, or a day).
    #[arg(long)]
    from: Option<String>,
    /// Accepted before this time (RFC 3339, or a day).
    #[arg(long)]
    until: Option<String>,
    /// Only runs whose input, output or error holds this text.
    #[arg(long)]
    text: Option<String>,
    /// Only runs of this queue: `workflow`, `sync`, `generation`, ...
    #[arg(long)]
    queue: Option<String>,
    /// Only runs that failed for good and that nothing has made up for.
    #[arg(long)]
    dead_letters: bool,
}

impl Search {
    /// The filter they mean.
    pub fn read(&self) -> Result<RunFilter> {
        let Self { status, kind, of, trigger, from, until, text, queue, dead_letters } = self;
        let search = filter::Search {
            kind: kind.clone(),
            status: status.clone(),
            subject_id: of.clone(),
            trigger: trigger.clone(),
            from: from.clone(),
            until: until.clone(),
            text: text.clone(),
            queue: queue.clone(),
            dead_letters: dead_letters.then_some(true),
        };
        search.read()
    }
}
