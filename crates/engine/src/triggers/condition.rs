//! Looks at records, and starts a run for each that has come to meet a condition.

use std::time::Duration;

use connectus_core::{
    Code, Error, IntegrationId, Page, Result, TenantCtx, Timestamp, canonical,
    collection::CollectionName,
    drill::Site,
    workflow::trigger::{Condition, Holding, Source, Watch},
};
use connectus_store::{
    integrations::IntegrationFilter, runs::NewRun, workflow_watches::Watched,
    workflows::WorkflowRow,
};
use futures::StreamExt;
use serde_json::{Value, json};

use super::{give_up, run_of, time_zone, trigger_of};
use crate::parts::Parts;

/// Conditions looked at by one round.
const BATCH: u32 = 50;
/// Of these so many at once.
const AT_ONCE: usize = 4;
/// Records read from a collection at once.
const PAGE: u32 = 1_000;
/// Most records one look reads.
pub const MAX_RECORDS: usize = 100_000;
/// Most records an expression on all of them is given.
pub const MAX_TOGETHER: usize = 10_000;
/// Longest a look takes.
const LONGEST_LOOK: Duration = Duration::from_secs(300);
/// The mark of a condition on all records.
const ALL: &str = "all";

/// Looks at every condition that is due. Whether any was.
///
/// # Errors
/// What the database says.
pub async fn look(parts: &Parts) -> Result<bool> {
    let now = parts.env().now();
    let due = parts.store.read().await?.due_workflows("condition", now, BATCH).await?;
    let any = !due.is_empty();
    let looks = due.into_iter().map(|workflow| async move {
        let looked = look_at(parts, &workflow, now);
        match tokio::time::timeout(LONGEST_LOOK, looked).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(Code::Timeout, "looking at the records took too long")),
        }
    });
    let mut results = futures::stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some(result) = results.next().await {
        if let Err(error) = result {
            tracing::warn!(
                action = "trigger.condition",
                service = "engine",
                status = "failure",
                error = %error,
                cause = error.cause.as_deref(),
                "a condition cannot be looked at; trying again when it is due"
            );
        }
    }
    Ok(any)
}

/// Takes the slot that is due and looks. A look that fails is made again at the next slot; what
/// was seen before stays until then.
async fn look_at(parts: &Parts, workflow: &WorkflowRow, now: Timestamp) -> Result<()> {
    let ctx = TenantCtx::system(workflow.tenant.clone());
    let Some(slot) = workflow.next_due_at else { return Ok(()) };
    let zone = time_zone(parts, &ctx).await?;
    let watch = trigger_of(workflow).map(|trigger| trigger.watch(&zone, workflow.id.as_str()));
    let condition = match watch {
        Some(Ok(Watch::Condition(condition))) => condition,
        Some(Err(error)) => return give_up(parts, &ctx, workflow, error.detail).await,
        _ => return Ok(()),
    };
    let next = condition.schedule.next_after(now);
    let (owner, id) = (ctx.clone(), workflow.id.clone());
    let taken = parts.store.write(move |tx| {
        Box::pin(async move { Ok(tx.move_workflow_due(&owner, &id, slot, next).await?) })
    });
    if !taken.await? {
        return Ok(());
    }
    let before = parts.store.read().await?.watch(&ctx, &workflow.id).await?;
    let Some(before) = before else { return Ok(()) };
    match find(parts, &ctx, workflow, &condition, &before).await {
        Ok(found) => write_down(parts, &ctx, workflow, before, found).await,
        Err(error) => {
            let (owner, id, problem) = (ctx, workflow.id.clone(), error.detail.clone());
            let noted = parts.store.write(move |tx| {
                Box::pin(async move {
                    let state = before.state.clone();
                    tx.looked(&owner, &id, &before, state.as_deref(), Some(&problem)).await?;
                    Ok(())
                })
            });
            noted.await?;
            Err(error)
        }
    }
}

/// What was seen at the last look.
pub(super) fn holding(watched: &Watched) -> Option<Holding> {
    serde_json::from_str(watched.state.as_deref()?).ok()
}

/// What a look found.
struct Found {
    holding: Holding,
    runs: Vec<NewRun>,
    problem: Option<String>,
}

/// A look under way.
struct Look<'a> {
    workflow: &'a WorkflowRow,
    condition: &'a Condition,
    before: Option<Holding>,
    number: i64,
    now: Timestamp,
    read: usize,
    together: Vec<Value>,
    found: Found,
}

async fn find(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    condition: &Condition,
    before: &Watched,
) -> Result<Found> {
    let mut look = Look {
        workflow,
        condition,
        before: holding(before),
        number: before.looks,
        now: parts.env().now(),
        read: 0,
        together: Vec::new(),
        found: Found { holding: Holding::default(), runs: Vec::new(), problem: None },
    };
    match &condition.source {
        Source::Collection(name) => look.read_collection(parts, ctx, name).await?,
        Source::Stream { integration, stream } => {
            let id = integration_of(parts, ctx, workflow, integration.as_deref()).await?;
            look.read_stream(parts, ctx, &id, stream).await?;
        }
    }
    look.end()
}

impl Look<'_> {
    async fn read_collection(
        &mut self,
        parts: &Parts,
        ctx: &TenantCtx,
        name: &CollectionName,
    ) -> Result<()> {
        let mut after = String::new();
        loop {
            let mut conn = parts.store.read().await?;
            let page = conn.records_after(ctx, name, &[], &after, PAGE).await?;
            drop(conn);
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.key);
            for record in page {
                self.take(&record.key, Value::Object(record.data))?;
            }
        }
    }

    async fn read_stream(
        &mut self,
        parts: &Parts,
        ctx: &TenantCtx,
        integration: &IntegrationId,
        stream: &str,
    ) -> Result<()> {
        let connection = parts.connections.open(ctx, integration).await?;
        let facts = connection.stream(stream).await?;
        let mut reader = connection.read(stream, None).await?;
        while let Some(page) = reader.next_page().await? {
            for record in page.records {
                let parts: Vec<String> =
                    facts.key().iter().filter_map(|path| path.text(&record)).collect();
                let key = match parts.is_empty() {
                    true => canonical::digest(&record).to_string(),
                    false => parts.join(":"),
                };
                self.take(&key, record)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, key: &str, record: Value) -> Result<()> {
        self.read += 1;
        let most = if self.condition.whole { MAX_TOGETHER } else { MAX_RECORDS };
        if self.read > most {
            let detail = format!("There are more than {most} records; look at fewer.");
            return Err(Error::new(Code::Invalid, detail));
        }
        if self.condition.whole {
            self.together.push(record);
            return Ok(());
        }
        let name = Value::from(key);
        let scope = [("record", &record), ("key", &name)];
        match self.condition.expression.test(&scope) {
            Ok(false) => Ok(()),
            Ok(true) => {
                let mark = Holding::mark(key);
                let run = format!("condition:{}:{}:{mark}", self.workflow.id, self.number);
                if self.found.holding.note(mark, self.before.as_ref())? {
                    let input = json!({ "record": record, "key": key, "fired_at": self.now });
                    self.found.runs.push(run_of(self.workflow, "condition", input, run));
                }
                Ok(())
            }
            // A record that lacks what the expression reads does not meet it.
            Err(error) => {
                self.found.problem.get_or_insert_with(|| format!("{key}: {}", error.detail));
                Ok(())
            }
        }
    }

    fn end(mut self) -> Result<Found> {
        if self.condition.whole {
            let count = Value::from(self.together.len());
            let records = Value::Array(std::mem::take(&mut self.together));
            let holds = self.condition.expression.test(&[("records", &records), ("count", &count)]);
            let run = format!("condition:{}:{}", self.workflow.id, self.number);
            if holds? && self.found.holding.note(ALL.to_owned(), self.before.as_ref())? {
                let input = json!({ "count": count, "fired_at": self.now });
                self.found.runs.push(run_of(self.workflow, "condition", input, run));
            }
        }
        Ok(self.found)
    }
}

async fn write_down(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    before: Watched,
    found: Found,
) -> Result<()> {
    let state = serde_json::to_string(&found.holding).map_err(Error::internal)?;
    let (ctx, id, hash) = (ctx.clone(), workflow.id.clone(), workflow.definition_hash.clone());
    parts
        .store
        .write_at(&[Site::Trigger], move |tx| {
            Box::pin(async move {
                let problem = found.problem.as_deref();
                if !tx.looked(&ctx, &id, &before, Some(&state), problem).await? {
                    return Ok(());
                }
                // Whoever changed it meanwhile lets it begin anew, or paused it.
                let now = tx.workflow(&ctx, &id).await?;
                let same = |row: &WorkflowRow| {
                    row.definition_hash == hash && row.status.name() == "active"
                };
                if now.as_ref().is_some_and(same) {
                    for new in found.runs {
                        tx.insert_run(&ctx, new).await?;
                    }
                }
                Ok(())
            })
        })
        .await
}

async fn integration_of(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    named: Option<&str>,
) -> Result<IntegrationId> {
    let missing = || {
        Error::new(
            Code::NotFound,
            "The condition names no integration of this tenant to read its stream from.",
        )
    };
    let Some(name) = named else { return workflow.integration_id.clone().ok_or_else(missing) };
    let mut conn = parts.store.read().await?;
    if let Some(id) = IntegrationId::parse(name)
        && conn.integration(ctx, &id).await?.is_some()
    {
        return Ok(id);
    }
    let filter = IntegrationFilter::default();
    let page = Page { limit: Page::MAX_LIMIT, offset: 0 };
    let listed = conn.integrations(ctx, &filter, page, parts.env().now()).await?.items;
    let found = listed.into_iter().map(|view| view.integration).find(|one| one.name == name);
    found.map(|one| one.id).ok_or_else(missing)
}
