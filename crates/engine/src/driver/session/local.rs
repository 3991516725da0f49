//! Steps that need not be begun in one commit and ended in the next: those that read at most.
//! Nobody can tell how often they were done, so a chain of them costs no commit but that of what
//! comes after.
//!
//! A step that writes is not among them, not even into this database: if the process died before
//! the commit, the steps before it would see what it wrote, and a run told to stop meanwhile would
//! not know that there is something to undo.

use tokio_util::sync::CancellationToken;

use super::{Session, batch::Batch};
use crate::{
    actions,
    driver::step::{self, Attempt},
};

/// Steps done before what they made is committed: a process that dies repeats at most so many.
const MAX_UNCOMMITTED: usize = 64;

impl Session {
    /// Plans the attempts that are due. Those that can be done at once are, and so is what follows
    /// from them.
    pub(super) async fn plan(&mut self, batch: &mut Batch, draining: &CancellationToken) {
        while !draining.is_cancelled() {
            self.plan_steps(batch);
            if !may_be_done_at_once(batch) {
                return;
            }
            for begin in std::mem::take(&mut batch.begins) {
                let Some(attempt) = self.attempt(&begin.step.step_id, begin.kind) else { continue };
                let landed = step::attempt(attempt).await;
                self.land(batch, landed, Some(begin.step));
            }
            self.follow(batch);
        }
    }

    /// An attempt of an open step, which is under way from now on.
    pub(super) fn attempt(&mut self, id: &str, kind: &'static str) -> Option<Attempt> {
        let open = self.steps.get_mut(id)?;
        open.flying = true;
        if open.stopping {
            open.stop.cancel();
        }
        Some(Attempt { job: self.job.clone(), id: id.to_owned(), open: open.clone(), kind })
    }
}

/// Whether all that is planned can be done before it is committed that it was to be.
fn may_be_done_at_once(batch: &Batch) -> bool {
    let done = &batch.ends;
    let tried = |id: &str| done.iter().any(|ended| ended.end.step_id == id);
    // A generation that is over takes its steps with it; the next one's come after the commit.
    batch.continued.is_none()
        && done.len() < MAX_UNCOMMITTED
        && !batch.begins.is_empty()
        && batch
            .begins
            .iter()
            .all(|begin| actions::only_reads(&begin.step.action) && !tried(&begin.step.step_id))
}
