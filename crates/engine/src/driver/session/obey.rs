//! What the interpreter commands, noted down. Nothing is done before the batch is committed.

use connectus_core::workflow::Cmd;
use serde_json::json;

use super::{
    Session,
    batch::{Batch, Child},
    open::OpenStep,
};
use crate::driver::settle::Outcome;

impl Session {
    pub(super) fn obey(&mut self, batch: &mut Batch, command: Cmd) {
        match command {
            Cmd::Step { .. } => {
                if let Some((id, step)) = OpenStep::commanded(command, self.job.parts.env().now()) {
                    self.steps.insert(id, step);
                }
            }
            Cmd::Timer { id, at } => {
                self.timers.insert(id, at);
            }
            Cmd::AwaitSignal { id, deadline, meta, name } => {
                self.timers.extend(deadline.map(|at| (id.clone(), at)));
                batch.waits.push((id, name, meta));
            }
            Cmd::Child { id, workflow, input, key_suffix, .. } => {
                batch.children.push(Child { id, workflow, input, key_suffix });
            }
            Cmd::Cancel { id } => self.stop(batch, id),
            Cmd::Progress(progress) => batch.progress = Some(progress),
            Cmd::ContinueAs(input) => batch.restart = Some(input),
            Cmd::Complete(output) => {
                // The machine reports steps that ended; a run may complete without some of them.
                let of = self.program.definition().steps.len();
                batch.progress = Some(json!({ "done": of, "of": of }));
                batch.outcome = Some(Outcome::Completed(output));
            }
            Cmd::Fail(error) if error.failure.code == "cancelled" => {
                batch.outcome = Some(Outcome::Cancelled);
            }
            Cmd::Fail(error) => {
                let detail =
                    json!({ "failed_step": error.step, "compensations": error.compensations });
                batch.outcome = Some(Outcome::Failed(error.failure, Some(detail)));
            }
        }
    }

    /// Stops a step, a timer or a child.
    fn stop(&mut self, batch: &mut Batch, id: String) {
        if self.timers.remove(&id).is_some() {
            return;
        }
        if let Some(step) = self.steps.get_mut(&id) {
            step.stopping = true;
            // What may have been done is tried once more, now, to learn what there is to undo.
            step.next_at = step.since;
            if step.flying {
                batch.stops.push(id);
            }
        } else if let Some(place) = batch.children.iter().position(|child| child.id == id) {
            batch.children.remove(place);
            batch.unborn.push(id);
        } else {
            batch.stopped_children.push(id);
        }
    }
}
