//! Reads and maps pages ahead while earlier ones are written.

use std::sync::Arc;

use connectus_connect::{Pages as Reader, RecordPage};
use connectus_core::{
    Env, Result,
    flow::{
        SchemaChanges,
        shape::{Noticed, Watch},
    },
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{
    intake::{Item, read_pruned},
    plan::Plan,
};

/// Pages read ahead at most: enough to hide one write, little enough to stay small in memory.
const AHEAD: usize = 8;

/// A page, mapped. The records themselves are gone already: they are by far the largest part.
pub(crate) struct MappedPage {
    /// Its records in the order in which they came.
    pub items: Vec<Item>,
    /// Where to go on after them.
    pub cursor: Option<Value>,
    /// Calls made for it.
    pub calls: u32,
    /// How the source was seen to have changed.
    pub noticed: Option<Noticed>,
    /// Whether the flow stops before this page because of that.
    pub halt: bool,
}

/// The pages of a stream, read ahead by a task that ends with this value.
pub(crate) struct Pages {
    queue: mpsc::Receiver<Result<MappedPage>>,
    _reader: AbortOnDropHandle<()>,
}

impl Pages {
    /// Starts reading. A `watch` tells how the source changes.
    pub fn prefetch(
        mut reader: Box<dyn Reader>,
        plan: Arc<Plan>,
        env: Env,
        mut watch: Option<Watch>,
    ) -> Self {
        let (pages, queue) = mpsc::channel(AHEAD);
        let task = tokio::spawn(async move {
            while let Some(page) = reader.next_page().await.transpose() {
                // Mapped where it was parsed, so that its memory is given back where it was taken.
                let mapped = page.map(|page| mapped(page, &plan, &env, watch.as_mut()));
                let last = mapped.as_ref().map_or(true, |page| page.halt);
                if pages.send(mapped).await.is_err() || last {
                    break;
                }
            }
        });
        Self { queue, _reader: AbortOnDropHandle::new(task) }
    }

    /// The next page; `None` at the end of the stream.
    ///
    /// # Errors
    /// What the reader says; it reads no further.
    pub async fn next(&mut self) -> Result<Option<MappedPage>> {
        self.queue.recv().await.transpose()
    }
}

fn mapped(page: RecordPage, plan: &Plan, env: &Env, watch: Option<&mut Watch>) -> MappedPage {
    let mut records = page.records;
    if let Some(selection) = &plan.selection {
        records.iter_mut().for_each(|record| selection.prune(record));
    }
    let noticed = watch.and_then(|watch| watch.page(&records));
    let halt = noticed.as_ref().is_some_and(|noticed| match plan.flow.options.schema_changes {
        SchemaChanges::Ignore => false,
        SchemaChanges::Add => !noticed.drift.added.is_empty(),
        SchemaChanges::Pause => !noticed.drift.is_empty(),
    });
    let calls = page.calls;
    if halt {
        return MappedPage { items: Vec::new(), cursor: None, calls, noticed, halt };
    }
    let items = records.into_iter().map(|record| read_pruned(plan, env, record)).collect();
    let cursor = page.cursor.map(|cursor| cursor.0);
    MappedPage { items, cursor, calls, noticed, halt }
}
