//! The `validate` step: rows that must not get through.

use serde_json::{Map, Value};

use super::{
    rule::{Pointer, flag, members},
    step::{is_blank, plain_text, shown},
};
use crate::error::FieldError;

/// Most values in `one_of`.
const MAX_CHOICES: usize = 1_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Check {
    required: bool,
    email: bool,
    url: bool,
    phone: bool,
    min: Option<f64>,
    max: Option<f64>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    one_of: Option<Vec<Value>>,
}

impl Check {
    const NAMES: [&'static str; 9] =
        ["required", "email", "url", "phone", "min", "max", "min_length", "max_length", "one_of"];

    /// Takes an object, or the name of a check, or a list of names.
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Self, FieldError> {
        let named = |name: &str| (name.to_owned(), Value::Bool(true));
        let expanded: Value = match options {
            Value::String(name) => Value::Object(Map::from_iter([named(name)])),
            Value::Array(names) => {
                let names: Option<Map<_, _>> =
                    names.iter().map(|name| name.as_str().map(named)).collect();
                Value::Object(names.ok_or_else(|| at.error("must be a list of names."))?)
            }
            other => other.clone(),
        };
        let members = members(&expanded, &Self::NAMES, at)?;
        let check = Self {
            required: flag(members, "required", at)?,
            email: flag(members, "email", at)?,
            url: flag(members, "url", at)?,
            phone: flag(members, "phone", at)?,
            min: number(members, "min", at)?,
            max: number(members, "max", at)?,
            min_length: length(members, "min_length", at)?,
            max_length: length(members, "max_length", at)?,
            one_of: choices(members, at)?,
        };
        if check.min.zip(check.max).is_some_and(|(min, max)| min > max) {
            return Err(at.key("min").error("is greater than max: no value would pass."));
        }
        if check.min_length.zip(check.max_length).is_some_and(|(min, max)| min > max) {
            return Err(at.key("min_length").error("is greater than max_length."));
        }
        Ok(check)
    }

    pub(super) fn run(&self, value: &Value) -> Result<(), String> {
        if is_blank(value) {
            return if self.required {
                Err("is required but has no value.".into())
            } else {
                Ok(())
            };
        }
        let text = value.as_str().unwrap_or_default();
        if self.email && !is_email(text) {
            return Err(format!("{} is not an e-mail address.", shown(value)));
        }
        if self.url && !is_url(text) {
            return Err(format!("{} is not an http or https address.", shown(value)));
        }
        if self.phone && !plain_text(value).is_some_and(|text| is_phone(&text)) {
            return Err(format!("{} is not a telephone number.", shown(value)));
        }
        self.check_range(value)?;
        self.check_length(value)?;
        match &self.one_of {
            Some(choices) if !choices.contains(value) => {
                Err(format!("{} is not one of the allowed values.", shown(value)))
            }
            _ => Ok(()),
        }
    }

    fn check_range(&self, value: &Value) -> Result<(), String> {
        if self.min.is_none() && self.max.is_none() {
            return Ok(());
        }
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok().filter(|float: &f64| float.is_finite()),
            _ => None,
        };
        let number = number.ok_or_else(|| format!("{} is not a number.", shown(value)))?;
        match (self.min, self.max) {
            (Some(min), _) if number < min => Err(format!("{number} is less than {min}.")),
            (_, Some(max)) if number > max => Err(format!("{number} is more than {max}.")),
            _ => Ok(()),
        }
    }

    fn check_length(&self, value: &Value) -> Result<(), String> {
        if self.min_length.is_none() && self.max_length.is_none() {
            return Ok(());
        }
        let length = match value {
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            other => plain_text(other).map_or(0, |text| text.chars().count()),
        };
        match (self.min_length, self.max_length) {
            (Some(min), _) if length < min => Err(format!("has length {length}, less than {min}.")),
            (_, Some(max)) if length > max => Err(format!("has length {length}, more than {max}.")),
            _ => Ok(()),
        }
    }
}

fn number(
    members: &Map<String, Value>,
    name: &str,
    at: &Pointer,
) -> Result<Option<f64>, FieldError> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_f64().map(Some).ok_or_else(|| at.key(name).error("must be a number."))
        }
    }
}

fn length(
    members: &Map<String, Value>,
    name: &str,
    at: &Pointer,
) -> Result<Option<usize>, FieldError> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .and_then(|length| usize::try_from(length).ok())
            .map(Some)
            .ok_or_else(|| at.key(name).error("must be a whole number from 0.")),
    }
}

fn choices(members: &Map<String, Value>, at: &Pointer) -> Result<Option<Vec<Value>>, FieldError> {
    match members.get("one_of") {
        None => Ok(None),
        Some(Value::Array(values)) if (1..=MAX_CHOICES).contains(&values.len()) => {
            Ok(Some(values.clone()))
        }
        Some(_) => {
            let message = format!("must be a list of 1 to {MAX_CHOICES} values.");
            Err(at.key("one_of").error(&message))
        }
    }
}

/// What mail servers will take, without the quoted forms nobody uses.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_ok = (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c));
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= 254 && local_ok && domain.contains('.') && domain.split('.').all(label)
}

fn is_url(text: &str) -> bool {
    url::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

/// Seven to fifteen digits (E.164), with the separators people write.
fn is_phone(text: &str) -> bool {
    let body = text.trim();
    let body = body.strip_prefix('+').unwrap_or(body);
    let digits = body.bytes().filter(u8::is_ascii_digit).count();
    let allowed =
        |b: u8| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'.' | b'(' | b')' | b'/');
    (7..=15).contains(&digits) && body.bytes().all(allowed)
}
