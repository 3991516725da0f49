//! Two runs side by side.

use std::collections::HashMap;

use connectus_core::{
    Payload, Result, TenantCtx, TenantId,
    difference::{Difference, differences},
    run::{Failure, Run},
};
use connectus_store::{Blobs, steps::StepRow};
use serde_json::Value;

use crate::parts::Parts;

/// Differences between values that one comparison tells of at most.
const TOLD: usize = 1_000;
/// Steps that one comparison tells of at most.
const TOLD_STEPS: usize = 1_000;

/// How two runs differ.
pub struct Comparison {
    /// The one.
    pub left: Run,
    /// The other.
    pub right: Run,
    /// Between what they were given.
    pub input: Vec<Difference>,
    /// Between what they made.
    pub output: Vec<Difference>,
    /// Steps that are not the same: those of the one in its order, then those only the other has.
    pub steps: Vec<StepPair>,
    /// How many steps are the same.
    pub same_steps: usize,
    /// Whether all differences are told; there may be more of them than anyone reads.
    pub is_whole: bool,
}

/// A step that is not the same in both runs.
pub struct StepPair {
    /// Its path.
    pub id: String,
    /// In the one.
    pub left: Option<StepRow>,
    /// In the other.
    pub right: Option<StepRow>,
    /// Between what it was given; empty when only one run has it.
    pub input: Vec<Difference>,
    /// Between what it made; empty when only one run has it.
    pub output: Vec<Difference>,
}

/// Compares two runs of a tenant. How long something took, and how often it was tried, is no
/// difference.
///
/// # Errors
/// What the database says.
pub async fn compare(parts: &Parts, ctx: &TenantCtx, left: Run, right: Run) -> Result<Comparison> {
    let mut conn = parts.store.read().await?;
    let lefts = conn.steps(ctx, &left.id).await?;
    let rights = conn.steps(ctx, &right.id).await?;
    drop(conn);
    let blobs = parts.store.blobs();
    let mut teller = Teller { blobs, tenant: ctx.tenant(), room: TOLD };
    let input = teller.between(Some(&left.input), Some(&right.input)).await?;
    let output = teller.between(left.output.as_ref(), right.output.as_ref()).await?;
    let total = lefts.len();
    let mut pairs: Vec<StepPair> = Vec::new();
    for (left, right) in matched(lefts, rights) {
        pairs.extend(teller.pair(left, right).await?);
    }
    let differing = pairs.iter().filter(|pair| pair.left.is_some()).count();
    let is_whole = teller.room > 0 && pairs.len() <= TOLD_STEPS;
    pairs.truncate(TOLD_STEPS);
    Ok(Comparison {
        left,
        right,
        input,
        output,
        steps: pairs,
        same_steps: total.saturating_sub(differing),
        is_whole,
    })
}

/// Steps of two runs by their path: those of the one in its order, then those only the other has.
fn matched(
    lefts: Vec<StepRow>,
    rights: Vec<StepRow>,
) -> impl Iterator<Item = (Option<StepRow>, Option<StepRow>)> {
    let places: HashMap<String, usize> =
        lefts.iter().enumerate().map(|(place, step)| (step.step_id.clone(), place)).collect();
    let mut partners: Vec<Option<StepRow>> = lefts.iter().map(|_| None).collect();
    let mut alone = Vec::new();
    for step in rights {
        match places.get(&step.step_id).and_then(|place| partners.get_mut(*place)) {
            Some(partner) => *partner = Some(step),
            None => alone.push((None, Some(step))),
        }
    }
    lefts.into_iter().map(Some).zip(partners).chain(alone)
}

/// Tells differences as long as there are not too many.
struct Teller<'p> {
    blobs: &'p Blobs,
    tenant: &'p TenantId,
    room: usize,
}

impl Teller<'_> {
    /// Whether two payloads are the same. What is parked is the same where its hash is.
    async fn is_same(&self, left: Option<&Payload>, right: Option<&Payload>) -> Result<bool> {
        Ok(match (left, right) {
            (Some(Payload::Parked(left)), Some(Payload::Parked(right))) => left.is_same_as(right),
            // One of them was written under another threshold.
            (Some(Payload::Parked(_)), Some(_)) | (Some(_), Some(Payload::Parked(_))) => {
                self.value(left).await? == self.value(right).await?
            }
            (left, right) => left == right,
        })
    }

    async fn value(&self, payload: Option<&Payload>) -> Result<Value> {
        match payload {
            None => Ok(Value::Null),
            Some(payload) => self.blobs.value(self.tenant, payload.clone()).await,
        }
    }

    async fn between(
        &mut self,
        left: Option<&Payload>,
        right: Option<&Payload>,
    ) -> Result<Vec<Difference>> {
        // What is large is read only where it makes a difference.
        if self.is_same(left, right).await? {
            return Ok(Vec::new());
        }
        let (left, right) = (self.value(left).await?, self.value(right).await?);
        let found = differences(&left, &right, self.room);
        self.room -= found.len();
        Ok(found)
    }

    /// A pair, unless the step is the same in both.
    async fn pair(
        &mut self,
        left: Option<StepRow>,
        right: Option<StepRow>,
    ) -> Result<Option<StepPair>> {
        let (mut input, mut output) = (Vec::new(), Vec::new());
        if let (Some(left), Some(right)) = (&left, &right) {
            if is_alike(left, right)
                && self.is_same(Some(&left.input), Some(&right.input)).await?
                && self.is_same(left.output.as_ref(), right.output.as_ref()).await?
            {
                return Ok(None);
            }
            input = self.between(Some(&left.input), Some(&right.input)).await?;
            output = self.between(left.output.as_ref(), right.output.as_ref()).await?;
        }
        let one = left.as_ref().or(right.as_ref());
        let id = one.map(|step| step.step_id.clone()).unwrap_or_default();
        Ok(Some(StepPair { id, left, right, input, output }))
    }
}

/// Whether two steps did the same and ended the same way, whatever they were given and made.
fn is_alike(left: &StepRow, right: &StepRow) -> bool {
    let code = |error: &Option<Failure>| error.as_ref().map(|error| error.code.clone());
    left.action == right.action
        && left.status == right.status
        && code(&left.error) == code(&right.error)
}

impl Comparison {
    /// Whether both run the same definition.
    pub fn same_definition(&self) -> bool {
        let of = |run: &Run| (run.kind, run.subject_id.clone(), run.definition_hash.clone());
        of(&self.left) == of(&self.right)
    }
}
