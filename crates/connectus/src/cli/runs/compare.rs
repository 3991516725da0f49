//! `connectus runs compare`.

use std::process::ExitCode;

use clap::Args;
use connectus_core::{Error, Result, RunId, difference::Difference};
use connectus_engine::compare::{Comparison, StepPair, compare};
use connectus_store::steps::StepRow;
use serde_json::Value;

use crate::{
    api::runs::compare::ComparisonView,
    cli::{Global, find, follow, output},
    process::{Surroundings, assemble},
};

/// Longest value in the text; JSON has all of it.
const SHOWN_CHARS: usize = 60;

#[derive(Debug, Args)]
pub struct Compare {
    /// The one run.
    run: String,
    /// The other, of the same tenant.
    other: String,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(command: Compare, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let store = &opened.store;
    let (ctx, left) = find::run(store, &command.run).await?;
    let unknown = || Error::not_found("run of this tenant");
    let other = RunId::parse(&command.other).ok_or_else(unknown)?;
    let right = store.read().await?.run(&ctx, &other).await?.ok_or_else(unknown)?;
    let app = assemble(store, &config.settings, Surroundings::default())?;
    let found = compare(&app.engine_parts, &ctx, left, right).await?;
    let text = described(&found);
    output::show(command.json, &ComparisonView::of(found), &text)?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// A comparison for people.
fn described(found: &Comparison) -> String {
    let mut text =
        format!("< {}\n> {}\n", follow::describe(&found.left), follow::describe(&found.right));
    if !found.same_definition() {
        text.push_str("They do not run the same definition.\n");
    }
    text.push_str(&differences("input", &found.input));
    text.push_str(&differences("output", &found.output));
    for StepPair { id, left, right, input, output } in &found.steps {
        let word = |step: &Option<StepRow>| {
            step.as_ref().map_or("not begun", |step| step.status.as_str()).to_owned()
        };
        text.push_str(&format!("step {id}: {} | {}\n", word(left), word(right)));
        text.push_str(&differences("  input", input));
        text.push_str(&differences("  output", output));
    }
    text.push_str(&format!("{} steps are the same", found.same_steps));
    if !found.is_whole {
        text.push_str("; there are more differences than these");
    }
    text
}

fn differences(of: &str, found: &[Difference]) -> String {
    let value = |value: &Option<Value>| {
        let text = value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        match text.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
            None => text,
        }
    };
    let line = |one: &Difference| {
        format!("{of}{}: {} | {}\n", one.path, value(&one.left), value(&one.right))
    };
    found.iter().map(line).collect()
}
