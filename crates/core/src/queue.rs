//! Queues: named lanes that runs wait in, each with a concurrency and a time limit of its own.

use serde::Serialize;

use crate::{Error, Result, Timestamp};

/// What a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Runs of workflows that name it.
    Workflows,
    /// Runs of data flows.
    Syncs,
    /// Deliveries to webhook subscriptions.
    Deliveries,
}

/// A named lane of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Share of attention; higher goes first.
    pub weight: i64,
    /// Runs worked on at once.
    pub concurrency: usize,
    /// Seconds after which an attempt, of a step or of a sync, is given up.
    pub timeout_secs: u64,
}

/// The queue of workflows that name none.
pub const WORKFLOW: &str = "workflow";
/// The queue of data flows.
pub const SYNC: &str = "sync";
/// The queue of deliveries to webhook subscriptions.
pub const DELIVERY: &str = "delivery";

const fn lane(name: &'static str, weight: i64, concurrency: usize, timeout_secs: u64) -> Queue {
    Queue { name, holds: Holds::Workflows, weight, concurrency, timeout_secs }
}

/// A point of priority counts as so many microseconds of waiting.
pub const PRIORITY_POINT_MICROS: i64 = 10_000_000;
/// Priorities lie between this number and its negative.
pub const MAX_PRIORITY: i64 = 100;

/// The place of a run in the line of its tenant: the least goes first. Those that have begun go
/// before those that have not. Among them counts how long each has waited, with ten seconds more
/// for a point of priority: so a run of low priority is overtaken by what comes soon after it, and
/// not for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    is_new: bool,
    since: i64,
}

impl Place {
    /// The place of a run that became due at a time.
    pub fn of(is_new: bool, due_at: Timestamp, priority: i64) -> Self {
        let head_start = priority.saturating_mul(PRIORITY_POINT_MICROS);
        Self { is_new, since: due_at.0.saturating_sub(head_start) }
    }
}

/// How many turns a tenant gets where one of weight 1 gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Weight(u32);

/// The most that a tenant can weigh.
pub const MAX_WEIGHT: u32 = 100;

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

impl Weight {
    /// A weight that someone asks for.
    ///
    /// # Errors
    /// `invalid` when it is not between 1 and [`MAX_WEIGHT`].
    pub fn new(weight: u32) -> Result<Self> {
        match weight {
            1..=MAX_WEIGHT => Ok(Self(weight)),
            _ => Err(Error::invalid("weight", format!("must be 1 to {MAX_WEIGHT}."))),
        }
    }

    /// The nearest weight there is.
    pub fn clamped(weight: i64) -> Self {
        Self(u32::try_from(weight.clamp(1, i64::from(MAX_WEIGHT))).unwrap_or(1))
    }

    /// As a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// All queues. Weights and limits are those of the requirements (C-50, R-170, R-171).
pub const QUEUES: [Queue; 8] = [
    lane("generation", 100, 10, 3600),
    lane(WORKFLOW, 80, 64, 3600),
    Queue { holds: Holds::Deliveries, ..lane(DELIVERY, 70, 32, 15) },
    lane("quality", 60, 8, 3600),
    lane("extraction", 50, 4, 3600),
    Queue { holds: Holds::Syncs, ..lane(SYNC, 40, 8, 6 * 3600) },
    lane("export", 30, 4, 3600),
    lane("maintenance", 10, 2, 3600),
];

/// Runs that one queue may work on at once, at most.
pub const MAX_CONCURRENCY: usize = 10_000;
/// Longest time limit of an attempt: a day.
pub const MAX_TIMEOUT_SECS: u64 = 86_400;

/// The queue of a name, with its usual limits.
///
/// # Errors
/// `invalid` with the names there are.
pub fn named(name: &str) -> Result<Queue> {
    QUEUES.into_iter().find(|queue| queue.name == name).ok_or_else(|| {
        let names = QUEUES.map(|queue| queue.name).join(", ");
        Error::invalid("queue", format!("must be one of {names}"))
    })
}

/// The queues with the limits that hold in this process.
#[derive(Clone, Debug)]
pub struct Queues([Queue; 8]);

impl Default for Queues {
    fn default() -> Self {
        Self(QUEUES)
    }
}

impl Queues {
    /// Sets how many runs a queue works on at once.
    ///
    /// # Errors
    /// `invalid` for a queue there is not, for deliveries, and for a number out of range.
    pub fn set_concurrency(&mut self, name: &str, runs: usize) -> Result<()> {
        if !(1..=MAX_CONCURRENCY).contains(&runs) {
            let message = format!("must be from 1 to {MAX_CONCURRENCY}");
            return Err(Error::invalid("concurrency", message));
        }
        self.of_runs_mut(name)?.concurrency = runs;
        Ok(())
    }

    /// Sets after how many seconds an attempt is given up.
    ///
    /// # Errors
    /// As [`Queues::set_concurrency`].
    pub fn set_timeout(&mut self, name: &str, secs: u64) -> Result<()> {
        if !(1..=MAX_TIMEOUT_SECS).contains(&secs) {
            let message = format!("must be from 1 to {MAX_TIMEOUT_SECS} seconds");
            return Err(Error::invalid("timeout", message));
        }
        self.of_runs_mut(name)?.timeout_secs = secs;
        Ok(())
    }

    fn of_runs_mut(&mut self, name: &str) -> Result<&mut Queue> {
        named(name)?;
        let mut of_runs = self.0.iter_mut().filter(|queue| queue.holds != Holds::Deliveries);
        of_runs.find(|queue| queue.name == name).ok_or_else(|| {
            Error::invalid("queue", "cannot be `delivery`: its limits are those of subscriptions")
        })
    }

    /// All queues, those with more weight first.
    pub fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.0.iter()
    }

    /// Those that runs wait in.
    pub fn of_runs(&self) -> impl Iterator<Item = Queue> + use<> {
        self.0.into_iter().filter(|queue| queue.holds != Holds::Deliveries)
    }

    /// The queue of a name.
    pub fn get(&self, name: &str) -> Option<&Queue> {
        self.0.iter().find(|queue| queue.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_is_a_head_start_and_begun_runs_go_first() {
        let place =
            |is_new, secs, priority| Place::of(is_new, Timestamp::from_secs(secs), priority);
        assert!(place(true, 100, 5) < place(true, 60, 0), "forty seconds later, fifty ahead");
        assert!(place(true, 100, 5) > place(true, 40, 0), "and not for ever");
        assert!(place(true, 100, -1) > place(true, 105, 0));
        assert!(place(false, 900, -100) < place(true, 0, 100));
    }

    #[test]
    fn limits_are_set_within_reason() {
        let mut queues = Queues::default();
        queues.set_concurrency("generation", 3).unwrap();
        queues.set_timeout("generation", 60).unwrap();
        let generation = queues.get("generation").unwrap();
        assert_eq!((generation.concurrency, generation.timeout_secs), (3, 60));
        assert_eq!(queues.get("export").unwrap().concurrency, 4, "others stay");
        for refused in [
            queues.set_concurrency("generation", 0),
            queues.set_concurrency("delivery", 3),
            queues.set_concurrency("slow", 3),
            queues.set_timeout("sync", MAX_TIMEOUT_SECS + 1),
        ] {
            assert!(refused.is_err());
        }
        let heavier = |pair: &[Queue]| pair[0].weight > pair[1].weight;
        assert!(QUEUES.windows(2).all(heavier), "they are looked at in this order");
    }
}
