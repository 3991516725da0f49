//! Queues: what is in them, how fast they are, and pausing them. What can be done with the runs in
//! them is done with [`runs`](super::runs), by a filter that names the queue.

use connectus_core::access::Permission::{WorkflowsRead, WorkflowsWrite};

use crate::http::{Access::Needs, Operation, operation::operations};

pub mod get;
pub mod list;
pub mod pause;
pub mod resume;
pub mod view;

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "queues.list" = list, Needs(WorkflowsRead);
        "queues.get" = get, Needs(WorkflowsRead);
        "queues.pause" = pause, Needs(WorkflowsWrite);
        "queues.resume" = resume, Needs(WorkflowsWrite);
    }
}
