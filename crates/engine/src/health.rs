//! Health: problems entered, counted and resolved; scores computed from them and stored.
//!
//! Whoever works with an integration reports how it went: [`report`] after a failure, [`succeeded`]
//! in the transaction of a success. Both recompute the score.

use connectus_core::{
    Code, Error, HealthLogId, IntegrationId, Result, RunId, TenantCtx, Timestamp,
    event::EventType,
    health::{Health, HealthLog, Level, WINDOW_DAYS, severity_of, suggestion},
    integration::IntegrationStatus,
};
use connectus_store::{Store, Tx, health_figures::HealthFigures};
use futures::FutureExt;
use serde_json::json;

use crate::versions;

/// Longest message kept in the health log, in characters.
const MAX_MESSAGE_CHARS: usize = 1000;
const SECS_PER_DAY: i64 = 24 * 60 * 60;

/// Something that went wrong while working with an integration.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The integration it concerns; `None` for a problem of Connectus itself.
    pub integration: Option<IntegrationId>,
    /// What was being done: `sync`, `test_connection`, `refresh`, `webhook`, an action's name.
    pub operation: String,
    /// What went wrong.
    pub error: Error,
    /// The run it happened in.
    pub run: Option<RunId>,
}

/// The start of the window a score looks at.
pub fn window_start(now: Timestamp) -> Timestamp {
    now.plus_secs(-i64::from(WINDOW_DAYS) * SECS_PER_DAY)
}

/// Enters a problem, in a transaction of its own. See [`report_in`].
///
/// # Errors
/// What the database says.
pub async fn report(store: &Store, ctx: &TenantCtx, problem: Problem) -> Result<()> {
    let ctx = ctx.clone();
    store
        .write(move |tx| async move { report_in(tx, &ctx, &problem).await.map(drop) }.boxed())
        .await
}

/// Enters a problem in the health log, or counts it up when it is open already. A credential the
/// provider no longer accepts stops the integration until someone connects it again.
///
/// # Errors
/// What the database says.
pub async fn report_in(tx: &mut Tx, ctx: &TenantCtx, problem: &Problem) -> Result<HealthLog> {
    let Problem { integration, operation, error, run } = problem;
    let now = tx.env().now();
    let entry = HealthLog {
        id: tx.env().id(),
        tenant: ctx.tenant().clone(),
        integration: integration.clone(),
        severity: severity_of(error.code),
        operation: operation.clone(),
        code: error.code.name().to_owned(),
        message: error.detail.chars().take(MAX_MESSAGE_CHARS).collect(),
        suggestion: suggestion(error.code, operation).to_owned(),
        run: run.clone(),
        occurrences: 1,
        created_at: now,
        last_at: now,
        resolved_at: None,
        resolved_by: None,
    };
    let entry = tx.open_health_log(&entry).await?;
    if entry.occurrences == 1 {
        let detail = json!({
            "integration": entry.integration,
            "severity": entry.severity,
            "operation": entry.operation,
            "code": entry.code,
            "message": entry.message,
        });
        tx.emit(ctx, EventType::HealthLogged, entry.id.as_str(), detail).await?;
    }
    if let Some(id) = integration {
        mark(tx, ctx, id, operation, error).await?;
        rescore(tx, ctx, id).await?;
    }
    Ok(entry)
}

/// Moves the integration to where the error leaves it.
async fn mark(
    tx: &mut Tx,
    ctx: &TenantCtx,
    id: &IntegrationId,
    operation: &str,
    error: &Error,
) -> Result<()> {
    let Some(integration) = tx.integration(ctx, id).await? else { return Ok(()) };
    let dead = error.code == Code::ReauthRequired;
    // A failed test says that the integration does not work; a failed sync may be one bad row.
    let broken = dead || (operation == "test_connection" && !error.is_transient());
    let status = match integration.status {
        // What a person stopped stays stopped, whatever was still under way.
        stopped @ (IntegrationStatus::Paused | IntegrationStatus::Disconnected) => stopped,
        _ if broken => IntegrationStatus::Error,
        status => status,
    };
    tx.set_integration_status(ctx, id, status, Some(&error.detail)).await?;
    if !dead {
        return Ok(());
    }
    let Some((generation, _)) = tx.credential_generation(ctx, id).await? else { return Ok(()) };
    if tx.retire_credential(ctx, id, generation).await? {
        let kind = EventType::CredentialRejected;
        let detail = json!({"operation": operation});
        tx.emit(ctx, kind, id.as_str(), detail.clone()).await?;
        tx.audit(ctx, kind.name(), id.as_str(), detail).await?;
    }
    Ok(())
}

/// Records that an operation worked: its open problems are resolved, and an integration that was
/// waiting for a first success or stopped by an error is connected.
///
/// # Errors
/// What the database says.
pub async fn succeeded(
    tx: &mut Tx,
    ctx: &TenantCtx,
    id: &IntegrationId,
    operation: &str,
) -> Result<()> {
    let Some(integration) = tx.integration(ctx, id).await? else { return Ok(()) };
    resolve_all(tx, ctx, id, Some(operation)).await?;
    let status = match integration.status {
        status if status.is_usable() => status,
        stopped @ (IntegrationStatus::Paused | IntegrationStatus::Disconnected) => stopped,
        _ => IntegrationStatus::Connected,
    };
    let moved = tx.set_integration_status(ctx, id, status, None).await?;
    versions::watch(tx, ctx, &integration).await?;
    if moved && status != integration.status {
        let kind = EventType::IntegrationConnected;
        let detail = json!({"operation": operation});
        tx.emit(ctx, kind, id.as_str(), detail.clone()).await?;
        tx.audit(ctx, kind.name(), id.as_str(), detail).await?;
    }
    rescore(tx, ctx, id).await
}

/// Resolves the open problems of an integration, of one operation or of all.
///
/// # Errors
/// What the database says.
pub async fn resolve_all(
    tx: &mut Tx,
    ctx: &TenantCtx,
    id: &IntegrationId,
    operation: Option<&str>,
) -> Result<()> {
    for entry in tx.resolve_health_logs(ctx, id, operation).await? {
        tell_resolved(tx, ctx, &entry).await?;
    }
    Ok(())
}

/// Resolves one problem by hand. Resolving a resolved one changes nothing.
///
/// # Errors
/// `not_found`.
pub async fn resolve(store: &Store, ctx: &TenantCtx, id: &HealthLogId) -> Result<HealthLog> {
    let (ctx, id) = (ctx.clone(), id.clone());
    store
        .write(move |tx| {
            async move {
                let Some(entry) = tx.resolve_health_log(&ctx, &id).await? else {
                    let known = tx.health_log(&ctx, &id).await?;
                    return known.ok_or_else(|| Error::not_found("health log entry"));
                };
                tell_resolved(tx, &ctx, &entry).await?;
                let detail = json!({"integration": entry.integration, "code": entry.code});
                tx.audit(&ctx, EventType::HealthResolved.name(), id.as_str(), detail).await?;
                if let Some(integration) = &entry.integration {
                    rescore(tx, &ctx, integration).await?;
                }
                Ok(entry)
            }
            .boxed()
        })
        .await
}

async fn tell_resolved(tx: &mut Tx, ctx: &TenantCtx, entry: &HealthLog) -> Result<()> {
    let detail = json!({
        "integration": entry.integration,
        "operation": entry.operation,
        "code": entry.code,
        "resolved_by": entry.resolved_by,
    });
    tx.emit(ctx, EventType::HealthResolved, entry.id.as_str(), detail).await
}

/// An integration with its score.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The integration and what was counted about it.
    pub figures: HealthFigures,
    /// Its score, with what it follows from.
    pub health: Health,
}

/// The scores of all integrations of the tenant, worst first.
///
/// # Errors
/// What the database says.
pub async fn scores(store: &Store, ctx: &TenantCtx) -> Result<Vec<Scored>> {
    let now = store.env().now();
    let figures = store.read().await?.health_figures(ctx, None, window_start(now), now).await?;
    let scored = |figures: HealthFigures| Scored { health: Health::of(figures.inputs), figures };
    let mut all: Vec<_> = figures.into_iter().map(scored).collect();
    all.sort_by(|a, b| {
        let key = |one: &Scored| (one.health.score, u64::MAX - one.figures.open_problems);
        key(a).cmp(&key(b)).then_with(|| a.figures.name.cmp(&b.figures.name))
    });
    Ok(all)
}

/// Computes an integration's score from what is stored, stores it and tells when it moved.
///
/// # Errors
/// What the database says.
pub async fn rescore(tx: &mut Tx, ctx: &TenantCtx, id: &IntegrationId) -> Result<()> {
    let now = tx.env().now();
    let figures = tx.health_figures(ctx, Some(id), window_start(now), now).await?;
    let Some(figures) = figures.into_iter().next() else { return Ok(()) };
    let before = tx.integration(ctx, id).await?.map_or(100, |known| known.health_score);
    let health = Health::of(figures.inputs);
    if tx.set_health_score(ctx, id, health.score).await? {
        let detail = json!({
            "score": health.score,
            "level": health.level,
            "previous_score": before,
            "previous_level": Level::of(before),
            "confidence": health.confidence,
        });
        tx.emit(ctx, EventType::HealthChanged, id.as_str(), detail).await?;
    }
    Ok(())
}
