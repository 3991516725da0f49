//! The points at which a drill can make a program fail: wherever something becomes durable, leaves
//! or is acknowledged.
//!
//! A program outside a drill passes them without noticing: one comparison each.

use std::{fmt, future::Future, pin::Pin};

use crate::{Result, named::named};

named! {
    /// Where something becomes durable, leaves or is acknowledged. The one list of them.
    pub enum Site as "site" {
        /// A commit that no other site names: what people change through the API.
        Commit = "commit",
        /// The engine picks up what another one left.
        Recover = "recover",
        /// The engine takes runs that are due.
        Claim = "claim",
        /// A value that is too large for a row is written beside the database.
        Blob = "blob",
        /// A run's session writes what it learnt and what is next.
        Turn = "turn",
        /// The same, with the answer of an effect.
        Answer = "answer",
        /// The same, and a child run is started.
        Child = "child",
        /// The same, and the run is put to rest.
        Rest = "rest",
        /// The same, and the run ends.
        End = "end",
        /// A signal is left for a run.
        Signal = "signal",
        /// A run is asked to stop.
        Cancel = "cancel",
        /// A slot of a schedule starts its run.
        Slot = "slot",
        /// Events start the runs of workflows that wait for them.
        Trigger = "trigger",
        /// Handlers take events in.
        Handler = "handler",
        /// A webhook is taken, and starts its runs. Behind it, the sender is told so.
        Intake = "intake",
        /// A sync writes a batch and moves its cursor.
        Checkpoint = "checkpoint",
        /// Events become deliveries to subscribers.
        Outbox = "outbox",
        /// A delivery is taken for an attempt.
        Lease = "lease",
        /// A delivery is sent.
        Delivery = "delivery",
        /// What became of an attempt to deliver is written down.
        Delivered = "delivered",
        /// A provider is called.
        Call = "call",
        /// An attempt of a step is made, whatever its action.
        Step = "step",
    }
}

/// On which side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Nothing has happened.
    Before,
    /// It has happened, and whoever did it does not know yet.
    After,
}

/// A side of a site: `claim.before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Where.
    pub site: Site,
    /// On which side.
    pub moment: Moment,
}

impl Point {
    /// All points there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let sides = |site: &Site| {
            [Moment::Before, Moment::After].map(|moment| Self { site: *site, moment })
        };
        Site::ALL.iter().flat_map(sides)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        write!(f, "{}.{moment}", self.site)
    }
}

/// What a point does to whoever passes it: ends when they may go on, fails when they are to fail,
/// never ends when they are to be gone.
pub type Passage = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Decides what happens at each point.
pub trait Drill: Send + Sync {
    /// What happens to whoever passes now.
    fn at(&self, point: Point) -> Passage;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_told_apart_by_their_names() {
        let names: std::collections::BTreeSet<_> =
            Point::all().map(|point| point.to_string()).collect();
        assert_eq!(names.len(), Site::ALL.len() * 2);
        assert!(names.contains("claim.before") && names.contains("call.after"));
    }
}
