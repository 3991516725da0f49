//! Follows a run to its end: a moving line at a terminal, one line per change elsewhere.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use connectus_core::{
    Error, Result, RunId, TenantCtx,
    run::{Run, RunKind, RunStatus},
};
use connectus_store::Store;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::output::say;

/// How often the run is looked at. Another process may be working on it, so nothing tells.
pub const LOOK: Duration = Duration::from_millis(200);
/// Counters worth showing, in this order.
const SHOWN: [&str; 11] = [
    "read",
    "created",
    "updated",
    "unchanged",
    "kept",
    "rejected",
    "pages",
    "sent_created",
    "sent_updated",
    "deleted",
    "sent_deleted",
];

/// Follows a run until it ends or is set apart, or until `ctrl-c`, which leaves the run alone.
pub async fn to_end(store: &Store, ctx: &TenantCtx, id: &RunId) -> Result<Run> {
    let bar = std::io::stderr().is_terminal().then(spinner);
    let mut last = String::new();
    loop {
        let run = store.read().await?.run(ctx, id).await?;
        let run = run.ok_or_else(|| Error::not_found("run"))?;
        let line = describe(&run);
        if run.status.is_final() || run.status == RunStatus::Quarantined {
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
            say(&line)?;
            return Ok(run);
        }
        match &bar {
            Some(bar) => bar.set_message(line),
            None if line != last => {
                say(&line)?;
                last = line;
            }
            None => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
    // The template is a constant; a bad one would only look plainer.
    let bar = ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A run in one line.
pub fn describe(run: &Run) -> String {
    let mut line = format!("{} {} {}", run.id, run.kind.name(), run.status.name());
    if run.kind == RunKind::Sync {
        let made = run.output.as_ref().and_then(|output| output.here().ok());
        let counts = made.or(run.progress.as_ref());
        line.push_str(&numbers(counts.unwrap_or(&Value::Null)));
    }
    if run.status == RunStatus::Waiting {
        line.push_str(&format!("  until {}", run.due_at));
    }
    if let Some(error) = &run.error {
        line.push_str(&format!("  {}: {}", error.code, error.message));
    }
    line
}

fn numbers(counts: &Value) -> String {
    let shown = SHOWN.iter().filter_map(|name| {
        let number = counts.get(name).and_then(Value::as_u64)?;
        // Most flows send and delete nothing.
        let rare = name.starts_with("sent_") || name.ends_with("deleted");
        let number = (number > 0 || !rare).then_some(number)?;
        Some(format!("  {name} {number}"))
    });
    shown.collect()
}

/// Whether scripts should go on.
pub fn exit_code(run: &Run) -> ExitCode {
    match run.status {
        RunStatus::Completed => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use connectus_engine::sync::Counts;

    use super::*;

    #[test]
    fn whatever_became_of_a_record_is_shown() {
        let counts = Counts {
            read: 15,
            created: 1,
            updated: 2,
            unchanged: 3,
            kept: 4,
            rejected: 5,
            pages: 6,
            calls: 7,
            checkpoints: 8,
            ..Counts::default()
        };
        let shown = numbers(&serde_json::to_value(&counts).unwrap());
        let expected = "  read 15  created 1  updated 2  unchanged 3  kept 4  rejected 5  pages 6";
        assert_eq!(shown, expected);
        let sends = Counts { sent_created: 9, sent_updated: 10, ..Counts::default() };
        let shown = numbers(&serde_json::to_value(&sends).unwrap());
        assert!(shown.ends_with("  sent_created 9  sent_updated 10"), "{shown}");
    }
}
