//! Filters on records, as written in a query: `filter[email][contains]=@example.com`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::{Error, Result, named::named};

/// Most filters in one query.
pub const MAX_FILTERS: usize = 10;

/// Longest field name in a filter, in bytes.
pub const MAX_FIELD_BYTES: usize = 100;

/// Longest value in a filter, in bytes.
pub const MAX_VALUE_BYTES: usize = 500;

named! {
    /// How a field is compared.
    pub enum Op as "operator" {
        /// Equal.
        Eq = "eq",
        /// Not equal; also true where the field is missing.
        Ne = "ne",
        /// Contains the text, whatever the case of ASCII letters.
        Contains = "contains",
        /// Greater.
        Gt = "gt",
        /// Greater or equal.
        Gte = "gte",
        /// Less.
        Lt = "lt",
        /// Less or equal.
        Lte = "lte",
        /// Missing or null (`true`), or present (`false`).
        IsNull = "is_null",
    }
}

/// What a field is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A text that is also a number: numbers compare by value, texts as texts.
    Number(f64, String),
    /// A text.
    Text(String),
    /// For [`Op::IsNull`].
    Flag(bool),
}

/// One condition on one field; several are joined by "and".
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The field: letters, digits, `_`, `-` and `.` only, so it is safe in a JSON path.
    pub field: String,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub operand: Operand,
}

impl Filter {
    /// Takes the filters among the pairs of a query; other pairs are left alone.
    ///
    /// # Errors
    /// [`Invalid`](crate::Code::Invalid) naming each parameter that is not a filter although it
    /// starts like one.
    pub fn parse_all<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<Self>> {
        let (mut filters, mut wrong) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            let Some(rest) = name.strip_prefix("filter[") else { continue };
            match Self::parse(name, rest, value) {
                Ok(filter) => filters.push(filter),
                Err(error) => wrong.extend(error.fields),
            }
        }
        if !wrong.is_empty() {
            return Err(Error::invalid_fields(wrong));
        }
        if filters.len() > MAX_FILTERS {
            return Err(Error::invalid("filter", format!("at most {MAX_FILTERS} filters.")));
        }
        Ok(filters)
    }

    /// `rest` is `email]` or `email][contains]`.
    fn parse(name: &str, rest: &str, value: &str) -> Result<Self> {
        let shown: String = name.chars().take(60).collect();
        let wrong = |message: String| Error::invalid(shown.clone(), message);
        let inner = rest
            .strip_suffix(']')
            .ok_or_else(|| wrong("write it as `filter[field]` or `filter[field][op]`.".into()))?;
        let (field, op) = match inner.split_once("][") {
            Some((field, op)) => (field, op.parse().map_err(|e: Error| wrong(e.detail))?),
            None => (inner, Op::Eq),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if field.is_empty() || field.len() > MAX_FIELD_BYTES || !field.bytes().all(plain) {
            return Err(wrong("a field name is letters, digits, `_`, `-` and `.`.".into()));
        }
        if value.len() > MAX_VALUE_BYTES || value.contains('\0') {
            return Err(wrong(format!("the value is text of at most {MAX_VALUE_BYTES} bytes.")));
        }
        let operand = match (op, value) {
            (Op::IsNull, "true" | "1" | "") => Operand::Flag(true),
            (Op::IsNull, "false" | "0") => Operand::Flag(false),
            (Op::IsNull, _) => return Err(wrong("is_null takes `true` or `false`.".into())),
            (Op::Contains, _) => Operand::Text(value.into()),
            _ => match value.parse::<f64>() {
                Ok(number) if number.is_finite() => Operand::Number(number, value.into()),
                _ => Operand::Text(value.into()),
            },
        };
        Ok(Self { field: field.into(), op, operand })
    }

    /// Whether a record satisfies it. The store's SQL answers the same; this is its definition.
    pub fn matches(&self, data: &Map<String, Value>) -> bool {
        let value = data.get(&self.field).filter(|value| !value.is_null());
        match (&self.operand, value) {
            (Operand::Flag(null), value) => value.is_none() == *null,
            (_, None) => self.op == Op::Ne,
            (operand, Some(value)) => match self.op {
                Op::Contains => contains(value, operand.text()),
                op => {
                    operand.compare(value).is_some_and(|order| op.admits(order))
                    // What cannot be compared is not equal.
                    || (op == Op::Ne && operand.compare(value).is_none())
                }
            },
        }
    }
}

impl Op {
    /// Whether the order of the field to the operand satisfies the comparison.
    const fn admits(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Gt => order.is_gt(),
            Self::Gte => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Lte => order.is_le(),
            Self::Contains | Self::IsNull => false,
        }
    }
}

impl Operand {
    /// The operand as text; empty for a flag.
    pub fn text(&self) -> &str {
        match self {
            Self::Number(_, text) | Self::Text(text) => text,
            Self::Flag(_) => "",
        }
    }

    /// The order of a field's value to this operand; none where they do not compare.
    fn compare(&self, value: &Value) -> Option<Ordering> {
        match (value, self) {
            (Value::Number(field), Self::Number(number, _)) => field.as_f64()?.partial_cmp(number),
            (Value::String(field), operand) => Some(field.as_str().cmp(operand.text())),
            (Value::Bool(field), Self::Text(text)) => {
                let field = if *field { "true" } else { "false" };
                (field == text).then_some(Ordering::Equal)
            }
            _ => None,
        }
    }
}

fn contains(value: &Value, part: &str) -> bool {
    let has = |text: &str| text.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
    match value {
        Value::String(text) => has(text),
        Value::Number(number) => has(&number.to_string()),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
