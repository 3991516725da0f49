//! What a test should find, and how what it found differs from that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{How, Report};
use crate::difference::{Difference, differences};

/// Differences that are told at most.
const TOLD: usize = 200;

/// What a test should find: the end, the path, and what each step hands to the outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// How it ends.
    pub status: String,
    /// What it gives back.
    #[serde(default)]
    pub output: Value,
    /// The code of the error with which it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The step that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_step: Option<String>,
    /// Its steps by path.
    pub steps: BTreeMap<String, ExpectedStep>,
}

/// What a step should do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedStep {
    /// What becomes of it.
    pub status: Value,
    /// Which way it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<String>,
    /// What it calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<String>,
    /// What it gives to that.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// Set when nothing says how the call ends: it is new since the test was saved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_performed: bool,
}

impl Expected {
    /// What a report found.
    pub fn of(report: &Report) -> Self {
        let step = |step: &super::StepReport| ExpectedStep {
            status: serde_json::to_value(step.status).unwrap_or_default(),
            took: step.took.clone(),
            calls: step.calls.clone(),
            input: step.input.clone().unwrap_or_default(),
            not_performed: step.how == How::NotPerformed && step.output.is_some(),
        };
        Self {
            status: report.status.name().to_owned(),
            output: report.output.clone().unwrap_or_default(),
            error: report.error.as_ref().map(|error| error.failure.code.clone()),
            failed_step: report.error.as_ref().and_then(|error| error.step.clone()),
            steps: report.steps.iter().map(|one| (one.path.clone(), step(one))).collect(),
        }
    }

    /// Where what was found differs: `left` is expected, `right` was found.
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let json = |side: &Self| serde_json::to_value(side).unwrap_or_default();
        differences(&json(self), &json(found), TOLD)
    }
}
