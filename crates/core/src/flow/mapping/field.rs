//! One field of a mapping: found in the record, taken through its steps.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::{redact::Redact, source::SourcePath, step::Step};

#[derive(Clone, Debug)]
pub(super) struct FieldMap {
    pub(super) source: SourcePath,
    pub(super) target: String,
    pub(super) steps: Vec<Step>,
}

/// What became of one field of one record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldResult {
    /// The source field.
    pub source: String,
    /// The target field.
    pub target: String,
    /// What the record holds; none when it holds nothing there.
    pub input: Option<Value>,
    /// What the row gets; none when the field is left out or failed.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<String>,
    /// The value after each step, up to the one that failed.
    pub steps: Vec<StepResult>,
}

/// What became of a value in one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepResult {
    /// The step's member name, `trim`.
    pub step: &'static str,
    /// The value after it; none when the step failed.
    pub output: Option<Value>,
}

impl FieldMap {
    /// The step that redacts the value, and where it stands.
    pub(super) fn redaction(&self) -> Option<(usize, &Redact)> {
        let mut steps = self.steps.iter().enumerate();
        steps.find_map(|(at, step)| match step {
            Step::Redact(redact) => Some((at, redact)),
            _ => None,
        })
    }

    pub(super) fn redaction_mut(&mut self) -> Option<&mut Redact> {
        self.steps.iter_mut().find_map(|step| match step {
            Step::Redact(redact) => Some(redact),
            _ => None,
        })
    }

    /// The value after the step at `at`; none where there is none. An error is the name of the
    /// step that failed: its message may hold the value.
    pub(super) fn until(&self, at: usize, record: &Value) -> Result<Option<Value>, &'static str> {
        let found = self.source.find(record);
        let mut value = Cow::Borrowed(found.unwrap_or(&Value::Null));
        for step in self.steps.iter().take(at + 1) {
            value = step.run(value, record).map_err(|_| step.name())?;
        }
        Ok((found.is_some() || !value.is_null()).then(|| value.into_owned()))
    }

    /// What is done with a record from which redacted values are gone.
    pub(super) fn rest(&self) -> &[Step] {
        let done = self.redaction().map_or(0, |(at, _)| at + 1);
        self.steps.get(done..).unwrap_or_default()
    }

    /// The value for the row; none when the field is left out. Redacted values are gone from the
    /// record.
    pub(super) fn map(&self, record: &Value) -> Result<Option<Value>, String> {
        let found = self.source.find(record);
        let mut value = Cow::Borrowed(found.unwrap_or(&Value::Null));
        for step in self.rest() {
            value = step.run(value, record)?;
        }
        Ok((found.is_some() || !value.is_null()).then(|| value.into_owned()))
    }

    /// The same, with everything that happened on the way.
    pub(super) fn explain(&self, record: &Value) -> FieldResult {
        let found = self.source.find(record);
        let mut value = Cow::Borrowed(found.unwrap_or(&Value::Null));
        let mut result = FieldResult {
            source: self.source.name().to_owned(),
            target: self.target.clone(),
            input: found.cloned(),
            output: None,
            error: None,
            steps: Vec::with_capacity(self.steps.len()),
        };
        for step in self.rest() {
            match step.run(value, record) {
                Ok(next) => {
                    let output = Some(next.clone().into_owned());
                    result.steps.push(StepResult { step: step.name(), output });
                    value = next;
                }
                Err(message) => {
                    result.steps.push(StepResult { step: step.name(), output: None });
                    result.error = Some(message);
                    return result;
                }
            }
        }
        result.output = (found.is_some() || !value.is_null()).then(|| value.into_owned());
        result
    }
}
