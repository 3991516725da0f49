//! Steps on text: `trim`, `case`, `split`, `concat`.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    rule::{Pointer, members, text},
    source::SourcePath,
    step::{Cell, is_blank, plain_text, shown},
};
use crate::error::FieldError;

/// Longest text that `concat` makes, in bytes.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Most fields that `concat` joins.
const MAX_CONCAT_FIELDS: usize = 50;

/// Longest separator, in bytes.
const MAX_SEPARATOR_BYTES: usize = 100;

#[derive(Clone, Copy, Debug)]
pub(super) enum Trim {
    Both,
    Start,
    End,
}

impl Trim {
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Option<Self>, FieldError> {
        match options {
            Value::Bool(true) => Ok(Some(Self::Both)),
            Value::Bool(false) => Ok(None),
            Value::String(side) if side == "start" => Ok(Some(Self::Start)),
            Value::String(side) if side == "end" => Ok(Some(Self::End)),
            _ => Err(at.error("must be true, false, \"start\" or \"end\".")),
        }
    }

    pub(super) fn run(self, value: Cell<'_>) -> Result<Cell<'_>, String> {
        on_text(value, |text| {
            let trimmed = match self {
                Self::Both => text.trim(),
                Self::Start => text.trim_start(),
                Self::End => text.trim_end(),
            };
            (trimmed.len() != text.len()).then(|| trimmed.to_owned())
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Case {
    Lower,
    Upper,
    Title,
}

impl Case {
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Self, FieldError> {
        match options.as_str() {
            Some("lower") => Ok(Self::Lower),
            Some("upper") => Ok(Self::Upper),
            Some("title") => Ok(Self::Title),
            _ => Err(at.error("must be \"lower\", \"upper\" or \"title\".")),
        }
    }

    pub(super) fn run(self, value: Cell<'_>) -> Result<Cell<'_>, String> {
        on_text(value, |text| match self {
            Self::Lower if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) => None,
            Self::Upper if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_lowercase()) => None,
            Self::Lower => Some(text.to_lowercase()),
            Self::Upper => Some(text.to_uppercase()),
            Self::Title => Some(title(text)),
        })
    }
}

/// Every word begins with a capital; a word ends where letters, digits and apostrophes end.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || (inside && matches!(c, '\'' | '’'));
    }
    out
}

/// Changes a text; `change` gives none where nothing changes, so that nothing is copied.
fn on_text<'a>(
    value: Cell<'a>,
    change: impl Fn(&str) -> Option<String>,
) -> Result<Cell<'a>, String> {
    match &*value {
        Value::String(text) => Ok(match change(text) {
            Some(changed) => Cow::Owned(Value::String(changed)),
            None => value,
        }),
        other => Err(format!("{} is not text; cast it to a string first.", shown(other))),
    }
}

fn separator(given: Option<&str>, default: &str, at: &Pointer) -> Result<Box<str>, FieldError> {
    match given.unwrap_or(default) {
        long if long.len() > MAX_SEPARATOR_BYTES => {
            Err(at.key("by").error(&format!("must be at most {MAX_SEPARATOR_BYTES} bytes.")))
        }
        text => Ok(text.into()),
    }
}

#[derive(Clone, Debug)]
pub(super) struct Split {
    by: Box<str>,
    /// The part wanted, from 0, or from -1 at the end; none for all parts.
    at: Option<i64>,
}

impl Split {
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Self, FieldError> {
        let (by, part) = match options {
            Value::String(by) => (separator(Some(by), "", at)?, None),
            _ => {
                let members = members(options, &["by", "at"], at)?;
                let part = match members.get("at") {
                    None => None,
                    Some(part) => Some(part.as_i64().ok_or_else(|| {
                        at.key("at").error("must be a whole number: 0 is the first, -1 the last.")
                    })?),
                };
                (separator(text(members, "by", at)?, "", at)?, part)
            }
        };
        if by.is_empty() {
            return Err(at.error("needs the text to split at, such as {\"by\": \" \", \"at\": 0}."));
        }
        Ok(Self { by, at: part })
    }

    pub(super) fn run<'a>(&self, value: &Value) -> Result<Cell<'a>, String> {
        let text = plain_text(value).ok_or_else(|| format!("{} is not text.", shown(value)))?;
        let part = match self.at {
            None => return Ok(Cow::Owned(text.split(&*self.by).map(Value::from).collect())),
            Some(at) if at >= 0 => {
                usize::try_from(at).ok().and_then(|at| text.split(&*self.by).nth(at))
            }
            Some(at) => usize::try_from(at.unsigned_abs() - 1)
                .ok()
                .and_then(|back| text.rsplit(&*self.by).nth(back)),
        };
        // Fewer parts than expected is an ordinary row, not an error: `required` can refuse it.
        Ok(Cow::Owned(part.map_or(Value::Null, Value::from)))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Concat {
    by: Box<str>,
    /// The fields to join; none joins the items of the value, a list.
    fields: Option<Vec<SourcePath>>,
}

impl Concat {
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Self, FieldError> {
        if let Value::String(by) = options {
            return Ok(Self { by: separator(Some(by), "", at)?, fields: None });
        }
        let members = members(options, &["fields", "by"], at)?;
        let by = separator(text(members, "by", at)?, " ", at)?;
        let fields = match members.get("fields") {
            None => None,
            Some(Value::Array(names)) if (1..=MAX_CONCAT_FIELDS).contains(&names.len()) => {
                let paths: Option<Vec<_>> =
                    names.iter().map(|name| name.as_str().map(SourcePath::new)).collect();
                Some(
                    paths
                        .ok_or_else(|| at.key("fields").error("must be a list of field names."))?,
                )
            }
            Some(_) => {
                let message = format!("must be a list of 1 to {MAX_CONCAT_FIELDS} field names.");
                return Err(at.key("fields").error(&message));
            }
        };
        Ok(Self { by, fields })
    }

    pub(super) fn run<'a>(&self, value: Cell<'a>, record: &'a Value) -> Result<Cell<'a>, String> {
        let joined = match (&self.fields, &*value) {
            (Some(fields), _) => self.join(fields.iter().filter_map(|field| field.find(record)))?,
            (None, Value::Array(items)) => self.join(items.iter())?,
            (None, Value::Null) => return Ok(value),
            (None, other) => return Err(format!("{} is not a list to join.", shown(other))),
        };
        Ok(Cow::Owned(if joined.is_empty() { Value::Null } else { joined.into() }))
    }

    /// Joins what is there: a missing middle name leaves no double space.
    fn join<'v>(&self, parts: impl Iterator<Item = &'v Value>) -> Result<String, String> {
        let mut out = String::new();
        for part in parts.filter(|part| !is_blank(part)) {
            let text = plain_text(part).ok_or_else(|| format!("{} is not text.", shown(part)))?;
            if !out.is_empty() {
                out.push_str(&self.by);
            }
            out.push_str(&text);
            if out.len() > MAX_TEXT_BYTES {
                return Err(format!("the joined text is longer than {MAX_TEXT_BYTES} bytes."));
            }
        }
        Ok(out)
    }
}
