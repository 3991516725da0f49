//! Reads pages ahead while earlier ones are mapped and written.

use connectus_connect::{RecordPage, StreamReader};
use connectus_core::Result;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Pages read ahead at most: enough to hide one write, little enough to stay small in memory.
const AHEAD: usize = 8;

/// The pages of a stream, read ahead by a task that ends with this value.
pub(crate) struct Pages {
    queue: mpsc::Receiver<Result<RecordPage>>,
    _reader: AbortOnDropHandle<()>,
}

impl Pages {
    /// Starts reading.
    pub fn prefetch(mut reader: StreamReader) -> Self {
        let (pages, queue) = mpsc::channel(AHEAD);
        let task = tokio::spawn(async move {
            while let Some(page) = reader.next_page().await.transpose() {
                let failed = page.is_err();
                if pages.send(page).await.is_err() || failed {
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
    pub async fn next(&mut self) -> Result<Option<RecordPage>> {
        self.queue.recv().await.transpose()
    }
}
