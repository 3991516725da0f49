//! A run that this process works on.

use std::sync::Arc;

use connectus_core::{Code, Error, TenantCtx, run::Run};
use connectus_store::runs::RunClaim;

use super::commit::Committer;
use crate::parts::Parts;

/// A claimed run with everything that work on it needs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Job {
    pub parts: Parts,
    pub ctx: TenantCtx,
    /// The run as it was when it was claimed.
    pub run: Arc<Run>,
    pub claim: RunClaim,
    /// What its turns are committed by.
    pub committer: Committer,
}

impl Job {
    pub fn new(parts: &Parts, committer: &Committer, run: Arc<Run>, claim: RunClaim) -> Self {
        let ctx = TenantCtx::system(run.tenant.clone());
        let (parts, committer) = (parts.clone(), committer.clone());
        Self { parts, ctx, run, claim, committer }
    }
}

/// What a write under a claim that is void any more fails with: another engine has the run.
pub(super) fn lost() -> Error {
    Error::new(Code::Conflict, "Another engine has taken over this run.")
}
