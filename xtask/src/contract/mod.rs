//! `cargo xtask contract`: holds the sandbox to the providers' published specifications.
//!
//! Our own tests cannot tell whether the fakes resemble the real services: the same people wrote
//! both. Prism did not. It stands in front of the fakes as a proxy, compares every request and
//! answer with the specification, and this task fails on any difference that is not explained.

mod exchange;
mod hubspot;
mod judge;
mod slack;
mod specs;

use std::path::{Path, PathBuf};

use crate::{
    command::{Outcome, cache},
    node,
    programs::{self, Profile},
    sandbox::SandboxProcess,
};
use exchange::{Exchange, Report};
use judge::Judge;

/// Builds the sandbox and runs every exchange.
pub fn run() -> Outcome {
    run_with(|| programs::build("connectus-sandbox", Profile::Debug))
}

/// Runs every exchange with the program that `sandbox` gives. Where the specifications are absent
/// it says so loudly and succeeds.
pub fn run_with(sandbox: impl FnOnce() -> Outcome<PathBuf>) -> Outcome {
    let Some(specs) = specs::find()? else {
        println!("{}", specs::SKIPPED);
        return Ok(());
    };
    let node = node::find_or_install()?;
    judge::install(&node)?;
    let sandbox = SandboxProcess::start(&sandbox()?, &["--auto-approve"])?;
    let prepared = specs::prepare(&specs, &cache().join("contract"))?;

    let slack_api = format!("{}/api", sandbox.slack);
    let judges = [
        Judge::start(&node, &prepared.hubspot, &sandbox.hubspot)?,
        Judge::start(&node, &prepared.slack_success, &slack_api)?,
        Judge::start(&node, &prepared.slack_refusal, &slack_api)?,
    ];
    judges.iter().try_for_each(Judge::wait)?;
    let [hubspot, slack_success, slack_refusal] = &judges;

    let mut report = Report::default();
    let hubspot_cases = hubspot::exchanges(&sandbox)?;
    judge_all(hubspot, &sandbox, hubspot_cases, &mut report)?;
    judge_all(slack_success, &sandbox, slack::successes(&sandbox)?, &mut report)?;
    judge_all(slack_refusal, &sandbox, slack::refusals(), &mut report)?;
    report.finish(hubspot::UNJUDGED.iter().chain(slack::UNJUDGED))
}

fn judge_all(
    judge: &Judge,
    sandbox: &SandboxProcess,
    exchanges: Vec<Exchange>,
    report: &mut Report,
) -> Outcome {
    for exchange in exchanges {
        if let Some(fault) = &exchange.fault {
            sandbox.script(fault)?;
        }
        let answer = judge.send(&exchange.request)?;
        report.add(&exchange, &answer)?;
    }
    Ok(())
}

/// A path for messages.
fn short(path: &Path) -> String {
    path.display().to_string()
}
