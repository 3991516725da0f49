//! The things a program gets from outside: the time, entropy, and the faults of a drill. All are
//! injected.

use std::sync::Arc;

use crate::{
    Result,
    drill::{Drill, Moment, Point, Site},
    id::Id,
    time::Timestamp,
};

/// Tells the time. The system clock in production, a simulated one in tests.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// Yields random bytes. The operating system's in production, a seeded stream in tests.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The clock and the entropy source of one process, cheap to clone.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    drill: Option<Arc<dyn Drill>>,
}

impl Env {
    /// Binds a clock and an entropy source.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, drill: None }
    }

    /// The same under a drill.
    #[must_use]
    pub fn drilled(self, drill: Arc<dyn Drill>) -> Self {
        Self { drill: Some(drill), ..self }
    }

    /// Passes a point at which a drill can reach in. Outside a drill it is passed at once.
    ///
    /// # Errors
    /// What the drill says.
    pub fn pass(
        &self,
        site: Site,
        moment: Moment,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let passage = self.drill.as_ref().map(|drill| drill.at(Point { site, moment }));
        async move {
            match passage {
                Some(passage) => passage.await,
                None => Ok(()),
            }
        }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// `N` random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// A fresh identifier, sortable by creation time.
    pub fn id<I: Id>(&self) -> I {
        I::from_parts(self.now(), self.random())
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}
