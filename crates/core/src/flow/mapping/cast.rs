//! The `cast` step: one type out of the several ways providers write it.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use serde_json::{Number, Value};

use super::{
    date,
    rule::Pointer,
    step::{Cell, is_blank, plain_text, shown},
};
use crate::error::FieldError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    Text,
    Integer,
    Number,
    Boolean,
    Date,
    DateTime,
    Json,
}

impl Cast {
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Self, FieldError> {
        Ok(match options.as_str() {
            Some("string") => Self::Text,
            Some("integer") => Self::Integer,
            Some("number") => Self::Number,
            Some("boolean") => Self::Boolean,
            Some("date") => Self::Date,
            Some("datetime") => Self::DateTime,
            Some("json") => Self::Json,
            _ => {
                return Err(at.error(
                    "must be one of: string, integer, number, boolean, date, datetime, json.",
                ));
            }
        })
    }

    pub(super) fn run(self, value: Cell<'_>) -> Result<Cell<'_>, String> {
        // Providers write "nothing" as an empty text; only a string can be empty and there.
        if value.is_null() || (self != Self::Text && is_blank(&value)) {
            return Ok(Cow::Owned(Value::Null));
        }
        let cast = match self {
            Self::Text if value.is_string() => return Ok(value),
            Self::Text => plain_text(&value).map(|text| Value::String(text.into_owned())),
            Self::Integer if value.is_i64() || value.is_u64() => return Ok(value),
            Self::Integer => integer(&value).map(Value::Number),
            Self::Number if value.is_number() => return Ok(value),
            Self::Number => number(&value).map(Value::Number),
            Self::Boolean => boolean(&value).map(Value::Bool),
            Self::Date => date::read(&value, &TimeZone::UTC)
                .map(|at| Value::String(at.to_zoned(TimeZone::UTC).date().to_string())),
            Self::DateTime => {
                date::read(&value, &TimeZone::UTC).map(|at| Value::String(at.to_string()))
            }
            Self::Json => match &*value {
                Value::String(text) => serde_json::from_str(text).ok(),
                _ => return Ok(value),
            },
        };
        cast.map(Cow::Owned).ok_or_else(|| format!("{} is not {}.", shown(&value), self.noun()))
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Text => "a plain value that can be a string",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::DateTime => "a date and time",
            Self::Json => "JSON text",
        }
    }
}

fn integer(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => whole(number),
        Value::String(text) => match text.trim() {
            text if text.parse::<i64>().is_ok() => text.parse::<i64>().ok().map(Number::from),
            text if text.parse::<u64>().is_ok() => text.parse::<u64>().ok().map(Number::from),
            _ => whole(&number(value)?),
        },
        _ => None,
    }
}

/// The whole number a number is, where it is one exactly.
fn whole(number: &Number) -> Option<Number> {
    // The largest float below which every whole number is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64()?;
    if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and inside the exact range")]
        let whole = float as i64;
        return Some(Number::from(whole));
    }
    (!number.is_f64()).then(|| number.clone())
}

fn number(value: &Value) -> Option<Number> {
    let text = value.as_str()?.trim();
    // JSON's own reading first: it keeps every digit of a large whole number.
    serde_json::from_str::<Number>(text).ok().or_else(|| {
        // `+5`, `.5` and `007` are numbers to people, `inf` and `nan` are not.
        let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
        text.bytes().all(plain).then(|| text.parse().ok().and_then(Number::from_f64))?
    })
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}
