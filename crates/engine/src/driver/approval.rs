//! A person's answer to a run that asks.

use connectus_core::{
    Code, Error, Result, TenantCtx,
    run::Run,
    workflow::{APPROVAL_SIGNAL, Ask},
};
use serde_json::json;

use super::Engine;
use crate::history::History;

/// A yes or no.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The path of the step that asks.
    pub step: String,
    /// Whether it may go on.
    pub approved: bool,
    /// Why.
    pub comment: String,
}

impl Engine {
    /// Answers a step that waits for a person.
    ///
    /// # Errors
    /// `conflict` when the run asks nothing there, `forbidden` when it asks somebody else.
    pub async fn decide(&self, ctx: &TenantCtx, run: Run, decision: Decision) -> Result<()> {
        let id = run.id.clone();
        let history = History::read(&self.parts, ctx, run).await?;
        let now = history.at(history.len())?;
        let Some(ask) = now.interp.asks(&decision.step) else {
            return Err(not_asked(&decision.step, &now.interp.pending()));
        };
        self.admit(ctx, ask).await?;
        let value = json!({
            "approved": decision.approved,
            "comment": decision.comment,
            "by": ctx.actor().label(),
        });
        self.signal(ctx, &id, &format!("{APPROVAL_SIGNAL}{}", decision.step), value).await
    }

    async fn admit(&self, ctx: &TenantCtx, ask: &Ask) -> Result<()> {
        let person = match ctx.actor().user() {
            Some(user) => self.parts.store.read().await?.user(ctx, user).await?,
            None => None,
        };
        if ask.admits(ctx.role(), person.as_ref().map(|person| person.email.as_str())) {
            return Ok(());
        }
        let detail = format!("This question is for {}.", ask.approvers.join(", "));
        Err(Error::new(Code::Forbidden, detail).with("approvers", ask.approvers.clone()))
    }
}

fn not_asked(step: &str, pending: &[&str]) -> Error {
    let waits = match pending {
        [] => "It waits for nothing.".to_owned(),
        steps => format!("It waits at {}.", steps.join(", ")),
    };
    let detail = format!("The run does not wait for an approval at `{step}`. {waits}");
    Error::new(Code::Conflict, detail)
}
