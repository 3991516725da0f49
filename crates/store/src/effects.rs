//! The effect ledger: what was sent to the outside world, under which key, and what came back.

use connectus_core::{Payload, TenantCtx};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    blobs::Part,
    conn::{Conn, Tx},
    error::StoreResult,
    rows::{Cell, json},
    runs::OfRun,
    sql::{on, rows, sql},
};

sql! {
    GET = "SELECT key, step_id, action, kind, state, attempts, answer FROM effects \
           WHERE tenant_id = $1 AND key = $2";
}

rows! {
    SEND = "INSERT INTO effects (tenant_id, key, run_id, step_id, action, kind, state, created_at, \
            updated_at) ", "tttttttii",
           " ON CONFLICT (tenant_id, key) DO UPDATE SET \
            state = 'sent', attempts = effects.attempts + 1, updated_at = excluded.updated_at";
    ANSWER = "UPDATE effects SET state = v.column3, answer = v.column4, updated_at = v.column5 \
              FROM (", "tttti", ") AS v WHERE tenant_id = v.column1 AND key = v.column2";
}

/// What is known of an effect.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The idempotency key: tenant, run and step.
    pub key: String,
    /// The step.
    pub step_id: String,
    /// The action.
    pub action: String,
    /// `idempotent`, `keyed`, `verify_then_retry` or `at_most_once`.
    pub kind: String,
    /// `sent` while a call is under way, then `done`, `refused` or `unknown`.
    pub state: String,
    /// How often it was sent.
    pub attempts: u32,
    /// What came back.
    pub answer: Option<Payload>,
}

/// What came back from a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It was done; this is what the provider said.
    Done(Value),
    /// It was not done.
    Refused,
    /// Nobody knows whether it was done.
    Unknown,
}

impl Answer {
    const fn state(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// An effect about to be sent.
#[derive(Clone, Debug)]
pub struct NewEffect {
    /// The idempotency key.
    pub key: String,
    /// The step.
    pub step_id: String,
    /// The action.
    pub action: String,
    /// The action's kind.
    pub kind: &'static str,
}

#[derive(FromRow)]
struct Row {
    key: String,
    step_id: String,
    action: String,
    kind: String,
    state: String,
    attempts: i64,
    answer: Option<String>,
}

impl Tx {
    /// Records that effects are about to be sent, once more or for the first time.
    ///
    /// # Errors
    /// What the database says.
    pub async fn send_effects(&mut self, effects: &[OfRun<'_, &NewEffect>]) -> StoreResult<()> {
        let now = self.env.now().0;
        let cells: Vec<Cell<'_>> = effects
            .iter()
            .flat_map(|OfRun { tenant, run, what: effect }| {
                [
                    Cell::Text(tenant.as_str()),
                    Cell::Text(&effect.key),
                    Cell::Text(run.as_str()),
                    Cell::Text(&effect.step_id),
                    Cell::Text(&effect.action),
                    Cell::Text(effect.kind),
                    Cell::Text("sent"),
                    Cell::Int(now),
                    Cell::Int(now),
                ]
            })
            .collect();
        self.with_rows(&SEND, &cells).await
    }

    /// Records what came back, by key.
    ///
    /// # Errors
    /// What the database says.
    pub async fn answer_effects(
        &mut self,
        answers: &[OfRun<'_, (&str, &Answer)>],
    ) -> StoreResult<()> {
        let (now, mut cells) = (self.env.now().0, Vec::with_capacity(answers.len() * 5));
        for OfRun { tenant, run, what: (key, answer) } in answers {
            let said = match answer {
                Answer::Done(said) => {
                    let said = json(said);
                    Some(self.fitting(tenant, run, Part::Generation, said).await?)
                }
                Answer::Refused | Answer::Unknown => None,
            };
            cells.extend([
                Cell::Text(tenant.as_str()),
                Cell::Text(key),
                Cell::Text(answer.state()),
                Cell::MaybeText(said),
                Cell::Int(now),
            ]);
        }
        self.with_rows(&ANSWER, &cells).await
    }
}

impl Conn {
    /// What is known of an effect.
    ///
    /// # Errors
    /// What the database says.
    pub async fn effect(&mut self, ctx: &TenantCtx, key: &str) -> StoreResult<Option<Effect>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(key).fetch_optional(c).await?);
        row.map(|row| {
            Ok(Effect {
                key: row.key,
                step_id: row.step_id,
                action: row.action,
                kind: row.kind,
                state: row.state,
                attempts: u32::try_from(row.attempts).unwrap_or_default(),
                answer: row.answer.as_deref().map(Payload::read).transpose()?,
            })
        })
        .transpose()
    }
}
