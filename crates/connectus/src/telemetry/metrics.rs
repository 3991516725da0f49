//! Figures for Prometheus. Every metric of the product is named here; labels take few values and
//! never name a tenant, a person or an object.

use std::{
    sync::{OnceLock, PoisonError, RwLock},
    time::Duration,
};

use connectus_core::{Code, Error, Result};
use connectus_store::{event_cursors::HandlerLag, figures::Figures};
use metrics::{Counter, Histogram, Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Answers by operation and status.
pub const HTTP_REQUESTS: &str = "connectus_http_requests_total";
/// Time to answer, by operation.
pub const HTTP_SECONDS: &str = "connectus_http_request_seconds";
/// Event streams open now.
pub const STREAMS: &str = "connectus_event_streams";
/// Events that each handler has not taken in yet, by `handler`.
pub const HANDLER_LAG: &str = "connectus_event_handler_lag";
/// Tenants at whose events a handler fails, by `handler`.
pub const HANDLER_FAILING: &str = "connectus_event_handler_failing";
/// Times that handlers failed, by `handler`. Counted in the engine.
pub const HANDLER_FAILURES: &str = "connectus_event_handler_failures_total";
/// Events by type. Counted by a handler of the engine, as are the records of syncs.
pub const EVENTS: &str = "connectus_events_total";
/// Webhooks refused, by error code. They leave no event: what is not proven is not stored.
pub const WEBHOOKS_REFUSED: &str = "connectus_webhooks_refused_total";
/// Runs that ended, by kind and status. Counted where they end, in the engine.
pub const RUNS: &str = "connectus_runs_total";
/// Steps that ended, by status. Counted in the engine, too.
pub const STEPS: &str = "connectus_steps_total";
/// Attempts to deliver webhooks, by `outcome`.
pub const DELIVERIES: &str = "connectus_delivery_attempts_total";
/// Records that syncs went through, by outcome.
pub const RECORDS: &str = "connectus_sync_records_total";
/// Runs that have not ended, by queue and status.
pub const QUEUE_DEPTH: &str = "connectus_queue_depth";
/// Runs this process works on now.
pub const RUNS_BUSY: &str = "connectus_runs_busy";
/// Calls to providers since midnight UTC, by provider and outcome.
pub const PROVIDER_CALLS: &str = "connectus_provider_calls_today";
/// Always 1; the labels say which build runs.
pub const BUILD: &str = "connectus_build_info";
/// Memory of this process.
pub const MEMORY: &str = "process_resident_memory_bytes";

/// Upper bounds of the time to answer, in seconds.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts counting. A second call changes nothing.
///
/// # Errors
/// `internal` when another library has taken the counting.
pub fn init() -> Result<()> {
    if RECORDER.get().is_some() {
        return Ok(());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(HTTP_SECONDS.to_owned()), SECONDS)
        .map_err(Error::internal)?
        .build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_ok() {
        // Whoever sets the recorder is the only one to come here.
        let _ = RECORDER.set(handle);
        describe();
    }
    Ok(())
}

fn describe() {
    metrics::describe_counter!(HTTP_REQUESTS, "Answers by operation and status");
    metrics::describe_histogram!(HTTP_SECONDS, Unit::Seconds, "Time to answer by operation");
    metrics::describe_gauge!(STREAMS, "Event streams open now");
    metrics::describe_counter!(EVENTS, "Events by type");
    metrics::describe_gauge!(HANDLER_LAG, "Events that handlers have not taken in yet");
    metrics::describe_gauge!(HANDLER_FAILING, "Tenants at whose events a handler fails");
    metrics::describe_counter!(HANDLER_FAILURES, "Times that handlers of events failed");
    metrics::describe_counter!(WEBHOOKS_REFUSED, "Webhooks refused, by error code");
    metrics::describe_counter!(RUNS, "Runs that ended, by kind and status");
    metrics::describe_counter!(STEPS, "Workflow steps that ended, by status");
    metrics::describe_counter!(DELIVERIES, "Attempts to deliver webhooks, by outcome");
    metrics::describe_counter!(RECORDS, "Records that syncs went through, by outcome");
    metrics::describe_gauge!(QUEUE_DEPTH, "Runs that have not ended, by queue and status");
    metrics::describe_gauge!(RUNS_BUSY, "Runs this process works on now");
    metrics::describe_gauge!(PROVIDER_CALLS, "Calls since midnight UTC, by provider and outcome");
    metrics::describe_gauge!(BUILD, "Always 1; the labels say which build runs");
    metrics::describe_gauge!(MEMORY, Unit::Bytes, "Memory of this process");
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Forgets samples that are no longer needed; without it histograms grow. Call it every few
/// seconds.
pub fn upkeep() {
    if let Some(handle) = RECORDER.get() {
        handle.run_upkeep();
    }
}

/// All figures in the text format of Prometheus. `None` when nothing is counted.
pub fn render() -> Option<String> {
    RECORDER.get().map(PrometheusHandle::render)
}

/// Counts the answers of one operation. Figures are looked up when they are first wanted and kept,
/// as to look one up costs more than to count.
pub struct Answers {
    operation: &'static str,
    seconds: OnceLock<Histogram>,
    /// By status; an operation has few.
    counts: RwLock<Vec<(u16, Counter)>>,
}

impl Answers {
    /// Of an operation.
    pub fn of(operation: &'static str) -> Self {
        Self { operation, seconds: OnceLock::new(), counts: RwLock::default() }
    }

    /// Counts an answer.
    pub fn count(&self, status: u16, took: Duration) {
        let operation = self.operation;
        let seconds = || histogram!(HTTP_SECONDS, "operation" => operation);
        self.seconds.get_or_init(seconds).record(took);
        let kept = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = kept.iter().find(|(of, _)| *of == status) {
            return counter.increment(1);
        }
        drop(kept);
        let text = status.to_string();
        let counter = counter!(HTTP_REQUESTS, "operation" => operation, "status" => text);
        counter.increment(1);
        // Two that come here at once count on with the first of two that are the same.
        self.counts.write().unwrap_or_else(PoisonError::into_inner).push((status, counter));
    }
}

/// Counts a refused webhook.
pub fn refused_webhook(code: Code) {
    counter!(WEBHOOKS_REFUSED, "code" => code.name()).increment(1);
}

/// Notes how many event streams are open.
pub fn streams(open: usize) {
    gauge!(STREAMS).set(count(open as u64));
}

/// Notes figures read from the database and the process just now.
pub fn note(figures: &Figures, lags: &[HandlerLag], busy: usize) {
    for lag in lags {
        gauge!(HANDLER_LAG, "handler" => lag.handler.clone()).set(count(lag.behind));
        gauge!(HANDLER_FAILING, "handler" => lag.handler.clone()).set(count(lag.failing));
    }
    for depth in &figures.queues {
        let (queue, status) = (depth.queue.clone(), depth.status.clone());
        gauge!(QUEUE_DEPTH, "queue" => queue, "status" => status).set(count(depth.runs));
    }
    for calls in &figures.calls {
        for (outcome, number) in
            [("all", calls.calls), ("failed", calls.failures), ("throttled", calls.throttled)]
        {
            let provider = calls.provider.clone();
            gauge!(PROVIDER_CALLS, "provider" => provider, "outcome" => outcome).set(count(number));
        }
    }
    gauge!(RUNS_BUSY).set(count(busy as u64));
    if let Some(bytes) = memory() {
        gauge!(MEMORY).set(count(bytes));
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures are floats in this format")]
fn count(number: u64) -> f64 {
    number as f64
}

/// Resident memory in bytes, where the system tells.
pub fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
