//! What was asked of the server, and what it acknowledged.

/// Everything asked.
#[derive(Debug, Default)]
pub struct Book {
    /// Runs that answered a wish to sync. Several wishes may have been answered with one run.
    pub syncs: Vec<String>,
    /// Executions wished by hand.
    pub executions: Vec<Execution>,
    /// Webhooks delivered.
    pub deliveries: Vec<Delivery>,
}

/// An execution wished by hand, under an idempotency key. Until it is acknowledged it is asked for
/// again, as a caller does who got no answer.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The idempotency key.
    pub key: String,
    /// What it is about, unlike any other.
    pub email: String,
    /// The run, once it is acknowledged.
    pub run: Option<String>,
}

/// A webhook. Until it is acknowledged it is delivered again, as HubSpot does.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// HubSpot's number of the event.
    pub event: u64,
    /// The new contact.
    pub contact: u64,
    /// Its address, unlike any other.
    pub email: String,
    /// Whether it is acknowledged.
    pub acknowledged: bool,
}

impl Book {
    /// Adds executions until so many wait to be acknowledged.
    pub fn wish_executions(&mut self, waiting: usize) {
        let open = self.executions.iter().filter(|one| one.run.is_none()).count();
        for _ in open..waiting {
            let number = self.executions.len();
            self.executions.push(Execution {
                key: format!("drill-{number}"),
                email: format!("by-hand-{number}@example.com"),
                run: None,
            });
        }
    }

    /// Everything the server said it has taken.
    pub fn acknowledged(&self) -> usize {
        self.syncs.len()
            + self.executions.iter().filter(|one| one.run.is_some()).count()
            + self.deliveries.iter().filter(|one| one.acknowledged).count()
    }
}
