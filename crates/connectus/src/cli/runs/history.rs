//! `connectus runs journal` and `connectus runs state`.

use std::process::ExitCode;

use clap::Args;
use connectus_core::{Page, Result};
use connectus_engine::history::{self, History, Moment};
use serde_json::json;

use crate::{
    cli::{Global, find, output},
    process::{Surroundings, assemble},
};

#[derive(Debug, Args)]
pub struct Journal {
    /// The run.
    run: String,
    /// How many entries to show.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Entries to skip.
    #[arg(long, default_value_t = 0)]
    offset: u64,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct State {
    /// The run.
    run: String,
    /// How many entries of its journal it had learnt; all when left out.
    #[arg(long)]
    at: Option<usize>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn journal(command: Journal, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let store = &opened.store;
    let (ctx, run) = find::run(store, &command.run).await?;
    let app = assemble(store, &config.settings, Surroundings::default())?;
    let page = Page { limit: command.limit, offset: command.offset };
    let found = history::page(&app.engine_parts, &ctx, &run, page).await?;
    let entries: Vec<_> = found
        .items
        .iter()
        .map(|(place, entry)| json!({ "position": place, "at": entry.at, "event": entry.event }))
        .collect();
    let rows = found.items.iter().map(|(place, entry)| {
        [place.to_string(), entry.at.to_string(), history::told(&entry.event)]
    });
    let mut text = output::table(["at", "time", "what"], rows);
    let shown = command.offset.saturating_add(u64::try_from(entries.len()).unwrap_or_default());
    if shown < found.total_count {
        text.push_str(&format!("\n{} more: --offset {shown}", found.total_count - shown));
    }
    output::show(command.json, &entries, &text)?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

pub async fn state(command: State, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let store = &opened.store;
    let (ctx, run) = find::run(store, &command.run).await?;
    let app = assemble(store, &config.settings, Surroundings::default())?;
    let history = History::read(&app.engine_parts, &ctx, run).await?;
    let moment = history.at(command.at.unwrap_or(history.len()))?;
    let state = json!({
        "position": moment.position,
        "journal_length": moment.of,
        "entry": moment.entry.as_ref().map(|entry| &entry.event),
        "commands": moment.commands,
        "state": moment.interp.snapshot(),
    });
    output::show(command.json, &state, &described(&moment))?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// A moment for people.
fn described(moment: &Moment) -> String {
    let state = moment.interp.snapshot();
    let mut text = format!("position {} of {}: {}\n", moment.position, moment.of, state.phase);
    if let Some(entry) = &moment.entry {
        text.push_str(&format!("  {}  {}\n", entry.at, history::told(&entry.event)));
    }
    let ended = state.steps.iter().map(|(path, ended)| {
        let word = ended["status"].as_str().unwrap_or_default().to_owned();
        [format!("  {path}"), word, ended["output"].to_string()]
    });
    let pending = state.pending.into_iter().map(|pending| {
        let signal = pending.signal.unwrap_or_default();
        [format!("  {}", pending.step), format!("waits for {}", pending.waits_for), signal]
    });
    text.push_str(&output::table(["  step", "status", "output"], ended.chain(pending)));
    text.push_str(&format!("\n  vars    {}\n  input   {}\n", state.vars, state.input));
    if !state.undo.is_empty() {
        text.push_str(&format!("  undo    {}\n", state.undo.join(", ")));
    }
    text
}
