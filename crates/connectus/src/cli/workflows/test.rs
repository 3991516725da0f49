//! `connectus workflows test`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use connectus_connect::yaml;
use connectus_core::{Error, Page, Result, TenantCtx};
use connectus_engine::{
    Parts,
    workflows::{
        self,
        saved_tests::{self, Verdict},
        trials::{self, Which as Definition},
    },
};
use connectus_store::{workflow_tests::WorkflowTest, workflows::WorkflowRow};
use serde_json::{Map, Value, json};

use super::{Of, Which, print, print_json, text_of};
use crate::api::{
    workflow_tests::{TestView, run_all::VerdictsView},
    workflows::trial::{ReportView, Trial},
};

/// Longest value in the text; JSON has all of it.
const SHOWN_CHARS: usize = 100;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try a workflow without leaving a run: nothing is written unless it is told to.
    Try(Box<Try>),
    /// Run the tests of a workflow, or those that are named.
    Run {
        #[command(flatten)]
        which: Which,
        /// The tests, by identifier or name; all without any.
        tests: Vec<String>,
        /// The version to run them against; the live one without it.
        #[arg(long, value_name = "NUMBER")]
        number: Option<u64>,
        /// A file to run them against: YAML or JSON.
        #[arg(long, conflicts_with = "number")]
        file: Option<PathBuf>,
        /// Let what is found be what the named tests expect from now on.
        #[arg(long, requires = "tests")]
        accept: bool,
    },
    /// Make a test of a run that was recorded.
    Save {
        #[command(flatten)]
        which: Which,
        /// The run.
        run: String,
        /// What to call it.
        #[arg(long)]
        name: String,
    },
    /// List the tests of a workflow.
    List(Which),
    /// Show what a test does and expects.
    Show {
        #[command(flatten)]
        which: Which,
        /// The test, by identifier or name.
        test: String,
    },
    /// Delete a test.
    Delete {
        #[command(flatten)]
        which: Which,
        /// The test, by identifier or name.
        test: String,
    },
}

#[derive(Debug, Args)]
pub struct Try {
    #[command(flatten)]
    which: Which,
    /// What expressions see as `trigger`: JSON, or @FILE.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    input: String,
    /// One step alone; --pin says what the steps before it made.
    #[arg(long, conflicts_with = "until")]
    step: Option<String>,
    /// The step up to which to go.
    #[arg(long, value_name = "STEP")]
    until: Option<String>,
    /// The output of a step, which then does nothing: STEP=JSON. Repeatable.
    #[arg(long, value_name = "STEP=JSON", value_parser = pair)]
    pin: Vec<(String, Value)>,
    /// The error of a step, which then does nothing: STEP=CODE. Repeatable.
    #[arg(long, value_name = "STEP=CODE", value_parser = word_pair)]
    fail: Vec<(String, String)>,
    /// A signal that comes: NAME=JSON. Repeatable.
    #[arg(long, value_name = "NAME=JSON", value_parser = pair)]
    signal: Vec<(String, Value)>,
    /// An approval that is given. Repeatable.
    #[arg(long, value_name = "STEP")]
    approve: Vec<String>,
    /// An approval that is refused. Repeatable.
    #[arg(long, value_name = "STEP")]
    reject: Vec<String>,
    /// The version; the live one without it.
    #[arg(long, value_name = "NUMBER")]
    number: Option<u64>,
    /// A file instead of what is saved: YAML or JSON.
    #[arg(long, conflicts_with = "number")]
    file: Option<PathBuf>,
    /// Really perform what writes.
    #[arg(long)]
    perform: bool,
}

fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = word_pair(text)?;
    let value = serde_json::from_str(&value).map_err(|error| format!("is no JSON: {error}"))?;
    Ok((name, value))
}

fn word_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Command {
    pub fn of(&self) -> &Of {
        match self {
            Self::Try(all) => &all.which.of,
            Self::List(which)
            | Self::Run { which, .. }
            | Self::Save { which, .. }
            | Self::Show { which, .. }
            | Self::Delete { which, .. } => &which.of,
        }
    }

    fn workflow(&self) -> &str {
        match self {
            Self::Try(all) => &all.which.workflow,
            Self::List(which)
            | Self::Run { which, .. }
            | Self::Save { which, .. }
            | Self::Show { which, .. }
            | Self::Delete { which, .. } => &which.workflow,
        }
    }
}

pub async fn perform(parts: &Parts, ctx: &TenantCtx, command: &Command) -> Result<ExitCode> {
    let row = workflows::named(parts, ctx, command.workflow()).await?;
    let json = command.of().json;
    match command {
        Command::Try(all) => return attempt(parts, ctx, &row, all).await,
        Command::Run { tests, number, file, accept, .. } => {
            let which = definition(*number, file.as_ref())?;
            return run(parts, ctx, &row, (tests, *accept), &which, json).await;
        }
        Command::Save { run, name, .. } => {
            let source = saved_tests::source(parts, ctx, run).await?;
            let saved = saved_tests::save(parts, ctx, &row, name, source).await?;
            listed(vec![saved], json)?;
        }
        Command::List(_) => {
            let page = Page { limit: saved_tests::MAX_TESTS, offset: 0 };
            listed(saved_tests::list(parts, ctx, &row, page).await?.items, json)?;
        }
        Command::Show { test, .. } => {
            let test = named(parts, ctx, &row, test).await?;
            print_json(&view(&TestView::of(test, true))?)?;
        }
        Command::Delete { test, .. } => {
            let test = named(parts, ctx, &row, test).await?;
            saved_tests::delete(parts, ctx, &row, &test.id).await?;
            listed(vec![test], json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn view(of: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(of).map_err(Error::internal)
}

fn definition(number: Option<u64>, file: Option<&PathBuf>) -> Result<Definition> {
    Ok(match (number, file) {
        (_, Some(file)) => Definition::Given(yaml::read(&text_of(file)?)?),
        (Some(number), None) => Definition::Version(number),
        (None, None) => Definition::Live,
    })
}

/// The test of an identifier or a name.
async fn named(
    parts: &Parts,
    ctx: &TenantCtx,
    row: &WorkflowRow,
    name: &str,
) -> Result<WorkflowTest> {
    let page = Page { limit: saved_tests::MAX_TESTS, offset: 0 };
    let all = saved_tests::list(parts, ctx, row, page).await?.items;
    let mut all = all.into_iter();
    let found = all.find(|test| test.id.as_str() == name || test.name == name);
    found.ok_or_else(|| Error::not_found(&format!("test `{name}`")))
}

fn listed(tests: Vec<WorkflowTest>, json: bool) -> Result<()> {
    if json {
        let views: Vec<TestView> =
            tests.into_iter().map(|test| TestView::of(test, false)).collect();
        return print_json(&view(&views)?);
    }
    for test in tests {
        let run = test.run.map_or_else(|| "-".to_owned(), |run| run.to_string());
        print(&format!("{}  {run}  {}\n", test.id, test.name))?;
    }
    Ok(())
}

async fn attempt(
    parts: &Parts,
    ctx: &TenantCtx,
    row: &WorkflowRow,
    wanted: &Try,
) -> Result<ExitCode> {
    let trial: Trial = serde_json::from_value(wanted.body()?).map_err(Error::internal)?;
    let (_, plan, reality) = trial.read()?;
    let which = definition(wanted.number, wanted.file.as_ref())?;
    let program = which.read(parts, ctx, row).await?;
    let report = trials::test(parts, ctx, Some(&row.id), program, plan, reality).await?;
    let failed = report.error.is_some();
    let view = view(&ReportView::of(report))?;
    if wanted.which.of.json {
        print_json(&view)?;
    } else {
        print(&told(&view))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Try {
    /// The same as the API takes it.
    fn body(&self) -> Result<Value> {
        let input = match self.input.strip_prefix('@') {
            Some(file) => text_of(&PathBuf::from(file))?,
            None => self.input.clone(),
        };
        let input: Value = serde_json::from_str(&input)
            .map_err(|error| Error::invalid("input", format!("is no JSON: {error}")))?;
        let outputs = self.pin.iter().map(|(step, output)| (step, json!({"output": output})));
        let errors = self.fail.iter().map(|(step, code)| (step, json!({"error": {"code": code}})));
        let pinned: Map<String, Value> =
            outputs.chain(errors).map(|(step, pin)| (step.clone(), pin)).collect();
        let answers = [(&self.approve, true), (&self.reject, false)];
        let approvals: Map<String, Value> = answers
            .into_iter()
            .flat_map(|(steps, yes)| steps.iter().map(move |step| (step, yes)))
            .map(|(step, yes)| (step.clone(), json!({ "approved": yes })))
            .collect();
        let mut signals = Map::new();
        for (name, value) in &self.signal {
            let values = signals.entry(name.clone()).or_insert_with(|| json!([]));
            if let Value::Array(values) = values {
                values.push(value.clone());
            }
        }
        Ok(json!({
            "input": input, "step": self.step, "until": self.until, "pinned": pinned,
            "signals": signals, "approvals": approvals, "perform": self.perform,
        }))
    }
}

/// A report for people.
fn told(report: &Value) -> String {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    for step in report["steps"].as_array().into_iter().flatten() {
        let took = step["took"].as_str().map(|took| format!(" -> {took}")).unwrap_or_default();
        let calls = step["calls"].as_str().map(|calls| format!("  {calls}")).unwrap_or_default();
        let (path, status, how) = (text(step, "path"), text(step, "status"), text(step, "how"));
        lines.push(format!("{status:<9} {how:<13} {path}{took}{calls}"));
        for (mark, member) in [("<", "input"), (">", "output")] {
            if !step[member].is_null() {
                lines.push(format!("            {mark} {}", short(&step[member])));
            }
        }
        if let Some(message) = step["error"]["message"].as_str() {
            let at = text(step, "error_at");
            lines.push(format!("            ! {message} {at}"));
        }
        if let Some(hint) = step["hint"].as_str() {
            lines.push(format!("            {hint}"));
        }
    }
    let unreached: Vec<&str> =
        report["not_reached"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !unreached.is_empty() {
        lines.push(format!("not reached: {}", unreached.join(", ")));
    }
    lines.push(match report["error"]["message"].as_str() {
        Some(message) => format!("failed at {}: {message}", text(report, "failed_step")),
        None => format!("{}: {}", text(report, "status"), short(&report["output"])),
    });
    lines.join("\n") + "\n"
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Runs tests; fails when one does.
async fn run(
    parts: &Parts,
    ctx: &TenantCtx,
    row: &WorkflowRow,
    (tests, accept): (&[String], bool),
    which: &Definition,
    json: bool,
) -> Result<ExitCode> {
    let mut verdicts = Vec::new();
    for name in tests {
        let test = named(parts, ctx, row, name).await?;
        let verdict = saved_tests::run(parts, ctx, row, test, which).await?;
        if accept {
            saved_tests::accept(parts, ctx, row, &verdict).await?;
        }
        verdicts.push(verdict);
    }
    if tests.is_empty() {
        verdicts = saved_tests::run_all(parts, ctx, row, which).await?;
    }
    let good = accept || verdicts.iter().all(Verdict::passed);
    let views = view(&VerdictsView::of(verdicts))?;
    if json {
        print_json(&views)?;
    } else {
        print(&judged(&views))?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Verdicts for people.
fn judged(views: &Value) -> String {
    let mut lines = Vec::new();
    for verdict in views["tests"].as_array().into_iter().flatten() {
        let word = if verdict["passed"] == true { "passed" } else { "FAILED" };
        lines.push(format!("{word}  {}", verdict["test"]["name"].as_str().unwrap_or_default()));
        for one in verdict["differences"].as_array().into_iter().flatten() {
            let side = |name: &str| one.get(name).map_or_else(|| "nothing".to_owned(), short);
            let path = one["path"].as_str().unwrap_or_default();
            lines.push(format!("  {path}: {} | {}", side("left"), side("right")));
        }
    }
    lines.push(format!("{} passed, {} failed", views["passed"], views["failed"]));
    lines.join("\n") + "\n"
}
