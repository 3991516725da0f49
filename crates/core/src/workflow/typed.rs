//! Typed inputs and outputs: what a workflow takes and gives, so that a mistake is named where it
//! comes in and not three steps later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::check;
use crate::{Error, Result, error::FieldError, named::named};

/// Most inputs, and most outputs, of a workflow.
pub const MAX_FIELDS: usize = 100;

named! {
    /// What a value is.
    pub enum FieldType as "type" {
        /// Any value.
        Any = "any",
        /// A text.
        String = "string",
        /// A number.
        Number = "number",
        /// A whole number.
        Integer = "integer",
        /// True or false.
        Boolean = "boolean",
        /// A list.
        Array = "array",
        /// An object.
        Object = "object",
    }
}

impl FieldType {
    fn admits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// One input or output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// What it is.
    #[serde(rename = "type", default = "any", skip_serializing_if = "is_any")]
    pub kind: FieldType,
    /// Whether it must be there and not be null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// What it is when it is not given; of inputs only.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub default: Value,
    /// The values it may have; any when empty.
    #[serde(rename = "enum", default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Inputs or outputs by name.
pub type Fields = BTreeMap<String, Field>;

fn any() -> FieldType {
    FieldType::Any
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_any(kind: &FieldType) -> bool {
    *kind == FieldType::Any
}

impl Field {
    /// What is wrong with a value.
    fn fault(&self, value: Option<&Value>) -> Option<String> {
        match value.filter(|value| !value.is_null()) {
            None => self.required.then(|| format!("is missing; it is a {}", self.kind)),
            Some(value) if !self.kind.admits(value) => Some(format!("must be a {}", self.kind)),
            Some(value) if !self.values.is_empty() && !self.values.contains(value) => {
                let values: Vec<String> = self.values.iter().map(Value::to_string).collect();
                Some(format!("must be one of {}", values.join(", ")))
            }
            Some(_) => None,
        }
    }
}

/// What is wrong with the fields themselves, by JSON pointer below `at`.
pub(super) fn declaration_faults(at: &str, fields: &Fields) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut fault = |field: String, message: String| faults.push(FieldError { field, message });
    if fields.len() > MAX_FIELDS {
        fault(at.to_owned(), format!("there are more than {MAX_FIELDS}"));
    }
    for (name, field) in fields {
        let at = format!("{at}/{name}");
        if !check::is_identifier(name) {
            fault(at.clone(), "cannot be a name; use letters, digits and `_`".to_owned());
        }
        let default = Some(&field.default).filter(|value| !value.is_null());
        if let Some(message) = default.and_then(|value| field.fault(Some(value))) {
            fault(format!("{at}/default"), message);
        }
        for value in field.values.iter().filter(|value| !field.kind.admits(value)) {
            fault(format!("{at}/enum"), format!("{value} is not a {}", field.kind));
        }
    }
    faults
}

/// An input with what it lacks filled in.
///
/// # Errors
/// `invalid` naming every field that does not fit, below `/input`.
pub fn accept(fields: &Fields, input: &Value) -> Result<Value> {
    if fields.is_empty() {
        return Ok(input.clone());
    }
    let empty = Map::new();
    let given = match input {
        Value::Object(members) => members,
        Value::Null => &empty,
        _ => return Err(Error::invalid("/input", "must be an object")),
    };
    let mut whole = given.clone();
    for (name, field) in fields {
        let missing = whole.get(name).is_none_or(Value::is_null);
        if missing {
            whole.insert(name.clone(), field.default.clone());
        }
    }
    let whole = Value::Object(whole);
    check_all("/input", fields, &whole)?;
    Ok(whole)
}

/// Checks what a run gives back.
///
/// # Errors
/// `invalid` naming every field that does not fit, below `/output`.
pub fn check_output(fields: &Fields, output: &Value) -> Result<()> {
    check_all("/output", fields, output)
}

fn check_all(at: &str, fields: &Fields, value: &Value) -> Result<()> {
    let faults: Vec<FieldError> = fields
        .iter()
        .filter_map(|(name, field)| {
            let message = field.fault(value.get(name))?;
            Some(FieldError { field: format!("{at}/{name}"), message })
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::invalid_fields(faults)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_input_is_filled_in_and_checked() {
        let fields = fields(json!({
            "email": { "type": "string", "required": true },
            "size": { "type": "string", "enum": ["small", "big"], "default": "small" },
            "count": { "type": "integer" },
            "anything": {},
        }));
        let given = accept(&fields, &json!({ "email": "a@b.c", "more": 1 })).unwrap();
        assert_eq!(
            given,
            json!({
                "email": "a@b.c", "size": "small", "count": null, "anything": null, "more": 1,
            })
        );
        let error = accept(&fields, &json!({ "size": "huge", "count": 1.5 })).unwrap_err();
        let named: Vec<&str> = error.fields.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(named, ["/input/count", "/input/email", "/input/size"]);
        assert_eq!(accept(&fields, &json!([1])).unwrap_err().fields[0].field, "/input");
        assert!(accept(&Fields::new(), &json!([1])).is_ok(), "nothing is asked for");
    }

    #[test]
    fn an_output_is_checked() {
        let fields = fields(json!({ "kept": { "type": "boolean", "required": true } }));
        assert!(check_output(&fields, &json!({ "kept": true, "more": 1 })).is_ok());
        for output in [json!({}), json!({ "kept": "yes" }), json!(null), json!(7)] {
            let error = check_output(&fields, &output).unwrap_err();
            assert_eq!(error.fields[0].field, "/output/kept", "{output}");
        }
    }

    #[test]
    fn a_declaration_that_makes_no_sense_is_named() {
        let fields = fields(json!({
            "bad name": {},
            "count": { "type": "integer", "default": "seven" },
            "size": { "type": "string", "enum": ["a", 1] },
        }));
        let faults = declaration_faults("/inputs", &fields);
        let named: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(named, ["/inputs/bad name", "/inputs/count/default", "/inputs/size/enum"]);
    }
}
