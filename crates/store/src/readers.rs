//! The SQLite readers: connections that are opened when first wanted and handed around.

use std::{sync::Arc, time::Duration};

use connectus_core::{Code, Error, Result};
use connectus_sqlite::{Connection, Options};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::error::StoreError;

/// Connections that read at once. Readers never block each other or the writer.
const READERS: usize = 8;
/// How long a caller waits for a free one.
const PATIENCE: Duration = Duration::from_secs(5);

type Slot = Arc<Mutex<Option<Connection>>>;

/// All readers of a database.
#[derive(Clone)]
pub(crate) struct Readers {
    options: Options,
    slots: Arc<[Slot]>,
    places: Arc<Semaphore>,
}

/// A reader on loan. It goes back when dropped, before the place it took.
pub struct Reader {
    pub(crate) conn: OwnedMappedMutexGuard<Option<Connection>, Connection>,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    pub(crate) fn new(options: Options) -> Self {
        let slots = (0..READERS).map(|_| Slot::default()).collect();
        Self { options, slots, places: Arc::new(Semaphore::new(READERS)) }
    }

    /// A reader.
    ///
    /// # Errors
    /// `unavailable` when none is free in time or the store is closed; what SQLite says.
    pub(crate) async fn take(&self) -> Result<Reader> {
        let place = match self.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let place = tokio::time::timeout(PATIENCE, self.places.clone().acquire_owned());
                Box::pin(place).await.map_err(|_| busy())?.map_err(|_| closed())?
            }
        };
        // The first free one, so that no more are opened than are wanted at once.
        let free = self.slots.iter().find_map(|slot| slot.clone().try_lock_owned().ok());
        let mut slot = free.ok_or_else(busy)?;
        if slot.is_none() {
            *slot = Some(self.options.open().map_err(StoreError::from)?);
        }
        let conn = OwnedMutexGuard::try_map(slot, Option::as_mut).map_err(|_| busy())?;
        Ok(Reader { conn, _place: place })
    }

    /// Waits until all readers are back and closes them.
    pub(crate) async fn close(&self) {
        let everyone = self.places.acquire_many(u32::try_from(READERS).unwrap_or(u32::MAX)).await;
        self.places.close();
        for slot in self.slots.iter() {
            *slot.lock().await = None;
        }
        drop(everyone);
    }
}

fn busy() -> Error {
    let detail = "All database connections are busy; try again shortly.";
    Error::new(Code::Unavailable, detail).retry_after(2)
}

/// What whoever comes too late is told.
pub(crate) fn closed() -> Error {
    Error::new(Code::Unavailable, "The database is closing; try again when it is up.")
}
