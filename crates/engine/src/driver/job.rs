//! A run that this process works on.

use std::{ops::Deref, sync::Arc};

use connectus_core::{Code, Error, Result, TenantCtx, run::Run};
use connectus_store::runs::RunClaim;

use super::commit::Committer;
use crate::parts::Parts;

/// A claimed run with everything that work on it needs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Job(Arc<Inner>);

/// What a [`Job`] holds.
pub(super) struct Inner {
    pub parts: Arc<Parts>,
    pub ctx: TenantCtx,
    /// The run as it was when it was claimed.
    pub run: Arc<Run>,
    pub claim: RunClaim,
}

impl Job {
    pub fn new(parts: &Arc<Parts>, run: Arc<Run>, claim: RunClaim) -> Self {
        let ctx = TenantCtx::system(run.tenant.clone());
        Self(Arc::new(Inner { parts: parts.clone(), ctx, run, claim }))
    }

    /// What its turns are committed by.
    pub fn committer(&self) -> &Committer {
        self.parts.door.committer()
    }
}

impl Deref for Job {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The same job with the run's input read, where it is parked; `None` where it is there.
pub(super) async fn with_input(job: &Job) -> Result<Option<Job>> {
    if job.run.input.parked().is_none() {
        return Ok(None);
    }
    let run = job.parts.store.blobs().whole((*job.run).clone()).await?;
    Ok(Some(Job::new(&job.parts, run.into(), job.claim.clone())))
}

/// What a write under a claim that is void any more fails with: another engine has the run.
pub(super) fn lost() -> Error {
    Error::new(Code::Conflict, "Another engine has taken over this run.")
}
