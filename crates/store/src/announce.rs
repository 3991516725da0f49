//! Who hears of a commit: subscribers of its events, and the engine when there is work.

use std::sync::Arc;

use connectus_core::event::Event;
use tokio::sync::{Notify, broadcast};

/// Events a slow subscriber may lag behind before it is told to catch up from the table.
const EVENT_BUFFER: usize = 1024;

/// Tells of commits. Done by whoever commits, not by whoever asked for it and may be gone.
#[derive(Clone)]
pub(crate) struct Announcer {
    events: broadcast::Sender<Event>,
    wake: Arc<Notify>,
}

impl Default for Announcer {
    fn default() -> Self {
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        Self { events, wake: Arc::default() }
    }
}

impl Announcer {
    /// A transaction has committed: what it emitted, and whether there is work for the engine.
    pub fn committed(&self, emitted: Vec<Event>, wakes: bool) {
        for event in emitted {
            // No subscriber is not an error.
            let _ = self.events.send(event);
        }
        if wakes {
            self.wake.notify_one();
        }
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    pub fn wake(&self) {
        self.wake.notify_one();
    }

    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}
