//! Reads and maps pages ahead while earlier ones are written.

use std::sync::Arc;

use connectus_connect::Pages as Reader;
use connectus_core::{Env, Result};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{
    intake::{Item, read},
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
}

/// The pages of a stream, read ahead by a task that ends with this value.
pub(crate) struct Pages {
    queue: mpsc::Receiver<Result<MappedPage>>,
    _reader: AbortOnDropHandle<()>,
}

impl Pages {
    /// Starts reading.
    pub fn prefetch(mut reader: Box<dyn Reader>, plan: Arc<Plan>, env: Env) -> Self {
        let (pages, queue) = mpsc::channel(AHEAD);
        let task = tokio::spawn(async move {
            while let Some(page) = reader.next_page().await.transpose() {
                let failed = page.is_err();
                // Mapped where it was parsed, so that its memory is given back where it was taken.
                let mapped = page.map(|page| MappedPage {
                    items: page.records.into_iter().map(|one| read(&plan, &env, one)).collect(),
                    cursor: page.cursor.map(|cursor| cursor.0),
                    calls: page.calls,
                });
                if pages.send(mapped).await.is_err() || failed {
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
