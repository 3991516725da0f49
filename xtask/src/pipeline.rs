//! `cargo xtask test`: everything CI runs, in the order in which it is cheapest to learn that
//! something is wrong.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    chaos,
    command::{self, Outcome},
    contract, generate, node,
    postgres::{self, Cluster},
    programs::{self, Programs},
    summary::{self, Summary},
    tidy,
};

/// What earlier steps found out for later ones. Dropping it stops the servers.
#[derive(Default)]
struct Context {
    node: Option<PathBuf>,
    cluster: Option<Cluster>,
    tests: Summary,
}

type Step = fn(&mut Context) -> Outcome;

const STEPS: &[(&str, Step)] = &[
    ("format", format),
    ("tidy", |_| tidy::run()),
    ("setup", find_tools),
    ("lint", lint),
    ("build", build),
    ("generated files", |_| generate::check_with(&programs::built("connectus")?)),
    ("tests", tests),
    ("documentation tests", documentation_tests),
    ("contract", |_| contract::run_with(|| programs::built("connectus-sandbox"))),
    ("kill drill", kill_drill),
];

/// Runs all steps and stops at the first that fails.
pub fn run() -> Outcome {
    let begun = Instant::now();
    let mut context = Context::default();
    let mut timings = Vec::new();
    let mut outcome = Ok(());
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let started = Instant::now();
        let done = step(&mut context);
        timings.push((*name, started.elapsed(), done.is_ok()));
        if let Err(reason) = done {
            outcome = Err(format!("{name}: {reason}"));
            break;
        }
    }
    context.cluster = None;
    report(&timings, begun.elapsed(), context.tests);
    outcome
}

fn report(timings: &[(&str, Duration, bool)], total: Duration, tests: Summary) {
    println!("\n=== summary");
    for (name, took, is_ok) in timings {
        let verdict = if *is_ok { "ok" } else { "FAILED" };
        println!("{name:<20} {:>8.1} s  {verdict}", took.as_secs_f64());
    }
    println!("{:<20} {:>8.1} s", "total", total.as_secs_f64());
    println!("{tests}");
}

fn format(_: &mut Context) -> Outcome {
    if !command::has_cargo("fmt") {
        return skip("rustfmt is not installed (`rustup component add rustfmt`)");
    }
    command::run(command::cargo().args(["fmt", "--all", "--check"]))
        .map_err(|reason| format!("{reason}; run `cargo fmt --all`"))
}

fn find_tools(context: &mut Context) -> Outcome {
    postgres::find_or_install()?;
    context.node = Some(node::find_or_install()?);
    Ok(())
}

fn lint(_: &mut Context) -> Outcome {
    if !command::has_cargo("clippy") {
        return skip("clippy is not installed (`rustup component add clippy`)");
    }
    let mut clippy = command::cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    command::run(&mut clippy)
}

/// Builds once, for all later steps: they share profile, features and artefacts.
fn build(context: &mut Context) -> Outcome {
    command::run(test_runner(context).arg("--no-run"))
}

fn tests(context: &mut Context) -> Outcome {
    let cluster = Cluster::start()?;
    let mut runner = test_runner(context);
    runner.env(postgres::URL_VARIABLE, cluster.url());
    context.cluster = Some(cluster);
    summary::run(&mut runner, &mut context.tests)
}

/// `cargo nextest` where it is installed, because it isolates and times every test.
fn test_runner(context: &Context) -> Command {
    let mut runner = command::cargo();
    if command::has_cargo("nextest") {
        runner.args(["nextest", "run", "--workspace", "--locked"]);
    } else {
        runner.args(["test", "--workspace", "--lib", "--bins", "--tests", "--locked"]);
    }
    if let Some(node) = &context.node {
        node::lend(node, &mut runner);
    }
    runner
}

fn documentation_tests(context: &mut Context) -> Outcome {
    let mut runner = command::cargo();
    runner.args(["test", "--workspace", "--doc", "--locked", "--quiet"]);
    summary::run(&mut runner, &mut context.tests)
}

fn kill_drill(_: &mut Context) -> Outcome {
    chaos::run_with(&chaos::Kill::default(), &Programs::built()?)
}

/// A skipped step must be impossible to overlook.
fn skip(reason: &str) -> Outcome {
    println!("SKIPPED: {reason}");
    Ok(())
}
