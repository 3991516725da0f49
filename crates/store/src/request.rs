//! The request a write belongs to. It travels beside the call, not through every signature, so that
//! no handler can forget to put its request into the audit log or its effect under its key.

use connectus_core::{RequestId, TenantId};

tokio::task_local! {
    static CURRENT: Request;
}

/// The HTTP request under way.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its identifier, which audit rows carry.
    pub id: RequestId,
    /// The claim on its idempotency key, where it came with one.
    pub claim: Option<Claim>,
}

/// The right to have an effect under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose key.
    pub tenant: TenantId,
    /// Who sent it, [`Actor::label`](connectus_core::Actor::label).
    pub principal: String,
    /// The operation it was sent to.
    pub route: String,
    /// The key.
    pub key: String,
    /// Tells this claim from an earlier one on the same key, whose holder may still be running.
    pub fence: String,
}

/// Runs `work` as part of a request. Tasks spawned by it are not part of it.
pub async fn scope<F: Future>(request: Request, work: F) -> F::Output {
    CURRENT.scope(request, work).await
}

/// The request the current task works for.
pub fn current() -> Option<Request> {
    CURRENT.try_with(Clone::clone).ok()
}
