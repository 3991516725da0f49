//! Two runs side by side.

use std::collections::HashMap;

use connectus_core::{
    Result, TenantCtx,
    difference::{Difference, differences},
    run::{Failure, Run},
};
use connectus_store::steps::StepRow;
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
    let mut teller = Teller { room: TOLD };
    let input = teller.between(Some(&left.input), Some(&right.input));
    let output = teller.between(left.output.as_ref(), right.output.as_ref());
    let total = lefts.len();
    let mut pairs: Vec<StepPair> = Vec::new();
    for (left, right) in matched(lefts, rights) {
        pairs.extend(teller.pair(left, right));
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
struct Teller {
    room: usize,
}

impl Teller {
    fn between(&mut self, left: Option<&Value>, right: Option<&Value>) -> Vec<Difference> {
        let (left, right) = (left.unwrap_or(&Value::Null), right.unwrap_or(&Value::Null));
        let found = differences(left, right, self.room);
        self.room -= found.len();
        found
    }

    /// A pair, unless the step is the same in both.
    fn pair(&mut self, left: Option<StepRow>, right: Option<StepRow>) -> Option<StepPair> {
        let (mut input, mut output) = (Vec::new(), Vec::new());
        let id = match (&left, &right) {
            (Some(left), Some(right)) => {
                if is_same(left, right) {
                    return None;
                }
                input = self.between(Some(&left.input), Some(&right.input));
                output = self.between(left.output.as_ref(), right.output.as_ref());
                left.step_id.clone()
            }
            (left, right) => left.as_ref().or(right.as_ref())?.step_id.clone(),
        };
        Some(StepPair { id, left, right, input, output })
    }
}

/// Whether a step was given the same and ended the same.
fn is_same(left: &StepRow, right: &StepRow) -> bool {
    let code = |error: &Option<Failure>| error.as_ref().map(|error| error.code.clone());
    left.action == right.action
        && left.status == right.status
        && left.input == right.input
        && left.output == right.output
        && code(&left.error) == code(&right.error)
}

impl Comparison {
    /// Whether both run the same definition.
    pub fn same_definition(&self) -> bool {
        let of = |run: &Run| (run.kind, run.subject_id.clone(), run.definition_hash.clone());
        of(&self.left) == of(&self.right)
    }
}
