//! One field of a mapping: found in the record, taken through its steps.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::{source::SourcePath, step::Step};

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
    /// The value for the row; none when the field is left out.
    pub(super) fn map(&self, record: &Value) -> Result<Option<Value>, String> {
        let found = self.source.find(record);
        let mut value = Cow::Borrowed(found.unwrap_or(&Value::Null));
        for step in &self.steps {
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
        for step in &self.steps {
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
