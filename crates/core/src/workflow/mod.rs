//! Workflows: the definition people write, its compiled form, and the machine that runs it.
//!
//! [`Definition`] is data: versioned JSON, read with every fault named by JSON pointer.
//! [`Program`] is a definition with all its expressions compiled and all its references checked;
//! it can be shared by any number of runs. [`Interp`] is one run: a pure state machine fed with
//! [`Event`]s that answers with [`Cmd`]s. It does nothing itself, so the same events give the
//! same commands wherever and however often they are replayed.

mod call;
mod check;
mod compile;
pub mod completion;
mod concurrency;
mod definition;
mod diff;
mod kinds;
pub mod legacy;
mod machine;
mod nearest;
mod program;
mod read;
mod retry;
pub mod schema;
mod span;
pub mod trial;
pub mod trigger;
pub mod typed;

pub use self::{
    call::Call,
    concurrency::Concurrency,
    definition::{DEFINITION_VERSION, Definition, Step, Trigger, TriggerType},
    diff::{Change, ChangeKind, diff},
    kinds::{
        Approval, Branch, Case, Escalate, Fail, ForEach, Kind, OnDeadline, OnReject, Parallel,
        Restart, Set, Stop, SubWorkflow, Switch, Wait, WaitFor,
    },
    machine::{
        APPROVAL_SIGNAL, Ask, ChildOutcome, Cmd, Compensation, Entry, Event, Fate, INTERP_VERSION,
        Interp, Iteration, JOURNAL_VERSION, PARKED_VERSION, Pending, Pin, PinnedError, Policy,
        RunError, Snapshot, without_attempts,
    },
    nearest::no_such_action,
    program::Program,
    retry::RetryPolicy,
    span::Span,
};

/// Most steps of a definition, those inside branches and loops counted.
pub const MAX_STEPS: usize = 100;
/// Deepest nesting of steps; the top level is 1.
pub const MAX_DEPTH: usize = 10;
/// Most branches of a `parallel`, and most items of a `for_each` worked on at once.
pub const MAX_FAN_OUT: usize = 1_000;
/// Most items of a `for_each`.
pub const MAX_LOOP_ITEMS: usize = 10_000;
/// Most steps one run may start, loops unrolled.
pub const MAX_EXECUTED_STEPS: usize = 10_000;
/// Most bytes of JSON the results of one run may have together.
pub const MAX_RESULT_BYTES: usize = 32 * 1024 * 1024;
/// Most signals of one run that wait for a step to ask for them; later ones are dropped.
pub const MAX_EARLY_SIGNALS: usize = 1_000;
/// Most times a run may start over with `restart`.
pub const MAX_GENERATIONS: u32 = 10_000;
/// Longest pause, timeout or deadline.
pub const MAX_SPAN: Span = Span::from_millis(366 * 24 * 3_600 * 1_000);

#[cfg(test)]
mod tests;
