//! Search filters and sorts.

use std::cmp::Ordering;

use connectus_core::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    object::{ObjectType, PropertyDef, Record, ValueKind},
    refusal::Refusal,
};

/// One condition of a search, as sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    property_name: String,
    operator: String,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    high_value: Option<Value>,
    #[serde(default)]
    values: Vec<Value>,
}

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct FilterGroup {
    #[serde(default)]
    pub filters: Vec<Filter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
    Between,
    In,
    NotIn,
    Has,
    HasNot,
    Contains,
    ContainsNot,
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "EQ" => Self::Eq,
            "NEQ" => Self::Neq,
            "LT" => Self::Lt,
            "LTE" => Self::Lte,
            "GT" => Self::Gt,
            "GTE" => Self::Gte,
            "BETWEEN" => Self::Between,
            "IN" => Self::In,
            "NOT_IN" => Self::NotIn,
            "HAS_PROPERTY" => Self::Has,
            "NOT_HAS_PROPERTY" => Self::HasNot,
            "CONTAINS_TOKEN" => Self::Contains,
            "NOT_CONTAINS_TOKEN" => Self::ContainsNot,
            _ => return None,
        })
    }
}

/// A value as its property compares it.
#[derive(Clone, Debug, PartialEq)]
enum Comparable {
    Text(String),
    Number(f64),
}

impl Comparable {
    fn read(text: &str, kind: ValueKind) -> Option<Self> {
        match kind {
            // Milliseconds since 1970 fit a float exactly until the year 287396.
            #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 milliseconds")]
            ValueKind::DateTime => millis(text).map(|at| Self::Number(at as f64)),
            ValueKind::Number => text.parse().ok().map(Self::Number),
            ValueKind::Text | ValueKind::Choice(_) => Some(Self::Text(text.to_lowercase())),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

/// Milliseconds since 1970 of a value given as such or as a date.
pub(crate) fn millis(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| Timestamp::parse(text).map(Timestamp::millis))
}

/// A condition made ready.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    def: &'static PropertyDef,
    operator: Operator,
    value: Option<Comparable>,
    high: Option<Comparable>,
    values: Vec<Comparable>,
}

impl Filter {
    /// Checks names, operator and values against the object type.
    pub(crate) fn compile(&self, object_type: ObjectType) -> Result<Condition, Refusal> {
        let name = &self.property_name;
        let Some(def) = object_type.property(name) else {
            return Err(Refusal::validation(format!("property {name} does not exist")));
        };
        let Some(operator) = Operator::parse(&self.operator) else {
            return Err(Refusal::validation(format!("unknown operator {}", self.operator)));
        };
        let read = |value: &Value| -> Result<Comparable, Refusal> {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Comparable::read(&text, def.kind)
                .ok_or_else(|| Refusal::validation(format!("{text} is no value for {name}")))
        };
        let condition = Condition {
            def,
            operator,
            value: self.value.as_ref().map(read).transpose()?,
            high: self.high_value.as_ref().map(read).transpose()?,
            values: self.values.iter().map(read).collect::<Result<_, _>>()?,
        };
        let complete = match operator {
            Operator::Has | Operator::HasNot => true,
            Operator::In | Operator::NotIn => !condition.values.is_empty(),
            Operator::Between => condition.value.is_some() && condition.high.is_some(),
            _ => condition.value.is_some(),
        };
        if !complete {
            let message = format!("operator {} needs a value for {name}", self.operator);
            return Err(Refusal::validation(message));
        }
        Ok(condition)
    }
}

impl Condition {
    pub(crate) fn holds(&self, object_type: ObjectType, record: &Record) -> bool {
        let actual = record
            .value(object_type, self.def.name)
            .and_then(|text| Comparable::read(&text, self.def.kind));
        let Some(actual) = actual else {
            return matches!(
                self.operator,
                Operator::HasNot | Operator::Neq | Operator::NotIn | Operator::ContainsNot
            );
        };
        let compared = self.value.as_ref().map(|value| actual.order(value));
        match self.operator {
            Operator::Eq => compared == Some(Ordering::Equal),
            Operator::Neq => compared != Some(Ordering::Equal),
            Operator::Lt => compared == Some(Ordering::Less),
            Operator::Lte => compared.is_some_and(Ordering::is_le),
            Operator::Gt => compared == Some(Ordering::Greater),
            Operator::Gte => compared.is_some_and(Ordering::is_ge),
            Operator::Between => {
                let below = self.high.as_ref().map(|high| actual.order(high));
                compared.is_some_and(Ordering::is_ge) && below.is_some_and(Ordering::is_le)
            }
            Operator::In => self.values.contains(&actual),
            Operator::NotIn => !self.values.contains(&actual),
            Operator::Has => true,
            Operator::HasNot => false,
            Operator::Contains => self.contains_token(&actual),
            Operator::ContainsNot => !self.contains_token(&actual),
        }
    }

    /// Whole words, or a part where the token starts or ends with `*`.
    fn contains_token(&self, actual: &Comparable) -> bool {
        let (Comparable::Text(text), Some(Comparable::Text(token))) = (actual, &self.value) else {
            return false;
        };
        let bare = token.trim_matches('*');
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        match (token.starts_with('*'), token.ends_with('*')) {
            (true, true) => text.contains(bare),
            (true, false) => text.ends_with(bare),
            (false, true) => words.any(|word| word.starts_with(bare)) || text.starts_with(bare),
            (false, false) => text == bare || words.any(|word| word == bare),
        }
    }
}

/// What to order by, made ready.
#[derive(Clone, Debug)]
pub(crate) struct Sort {
    def: &'static PropertyDef,
    descending: bool,
}

impl Sort {
    /// From `"name"`, `"-name"` or `{"propertyName": ..., "direction": ...}`: HubSpot takes all.
    pub(crate) fn read(value: &Value, object_type: ObjectType) -> Result<Self, Refusal> {
        let (name, descending) = match value {
            Value::String(text) => {
                text.strip_prefix('-').map_or((text.as_str(), false), |name| (name, true))
            }
            other => (
                other.get("propertyName").and_then(Value::as_str).unwrap_or_default(),
                other.get("direction").and_then(Value::as_str) == Some("DESCENDING"),
            ),
        };
        let def = object_type.property(name);
        let refusal = || Refusal::validation(format!("cannot sort by property {name}"));
        Ok(Self { def: def.ok_or_else(refusal)?, descending })
    }

    pub(crate) fn order(&self, object_type: ObjectType, a: &Record, b: &Record) -> Ordering {
        let key = |record: &Record| {
            record
                .value(object_type, self.def.name)
                .and_then(|text| Comparable::read(&text, self.def.kind))
        };
        let order = match (key(a), key(b)) {
            (Some(a), Some(b)) => a.order(&b),
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        if self.descending { order.reverse() } else { order }
    }
}
