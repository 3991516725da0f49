//! Which columns values need, and whether a value fits the column there is.

use std::collections::BTreeMap;

use connectus_core::{Code, Error, Result, canonical};
use serde_json::{Value, json};

use super::{Column, KEY_COLUMN, MAX_COLUMNS, NewRow, check_name};

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Number,
    /// True or false.
    Boolean,
    /// Lists and objects.
    Json,
    /// What only the database knows to read.
    Other,
}

impl Kind {
    /// The kind that holds all these values; none where all are null.
    fn of<'a>(values: impl Iterator<Item = &'a Value>) -> Option<Self> {
        values.filter(|value| !value.is_null()).map(Self::one).reduce(|a, b| match (a, b) {
            (a, b) if a == b => a,
            (Self::Integer, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
            (Self::Json, _) | (_, Self::Json) => Self::Json,
            _ => Self::Text,
        })
    }

    fn one(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(_) => Self::Number,
            Value::String(_) | Value::Null => Self::Text,
            Value::Array(_) | Value::Object(_) => Self::Json,
        }
    }

    const fn words(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "whole numbers",
            Self::Number => "numbers",
            Self::Boolean => "true or false",
            Self::Json => "JSON",
            Self::Other => "something else",
        }
    }

    /// The value as the column takes it; none where it does not.
    fn fit(&self, value: &Value) -> Option<Value> {
        Some(match (self, value) {
            (_, Value::Null) => Value::Null,
            (Self::Json, value) => value.clone(),
            (_, Value::String(text)) if text.contains('\0') => return None,
            (Self::Text | Self::Other, Value::String(_)) => value.clone(),
            (Self::Text | Self::Other, value) => Value::from(canonical::text(value)),
            (Self::Integer, Value::Number(number)) => {
                let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
                match number.as_i64() {
                    Some(whole) => whole.into(),
                    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole")]
                    None => (whole? as i64).into(),
                }
            }
            (Self::Number, Value::Number(_)) | (Self::Boolean, Value::Bool(_)) => value.clone(),
            _ => return None,
        })
    }
}

/// Columns that the rows need and the table lacks, each with what it is to hold.
pub(super) fn missing(columns: &[Column], rows: &[NewRow<'_>]) -> Result<Vec<(String, Kind)>> {
    let known = |name: &str| columns.iter().any(|column| column.name == name);
    let mut new: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (name, value) in rows.iter().flat_map(|row| row.fields) {
        if !known(name) && !value.is_null() && check_name(name).is_ok() {
            new.entry(name).or_default().push(value);
        }
    }
    let mut missing = Vec::new();
    if !known(KEY_COLUMN) {
        missing.push((KEY_COLUMN.to_owned(), Kind::Text));
    }
    for (name, values) in new {
        if let Some(kind) = Kind::of(values.into_iter()) {
            missing.push((name.to_owned(), kind));
        }
    }
    if columns.len() + missing.len() > MAX_COLUMNS {
        let detail = format!("The table would have more than {MAX_COLUMNS} columns.");
        return Err(Error::new(Code::Invalid, detail));
    }
    Ok(missing)
}

/// Columns and the rows that fill them, as a JSON list of lists.
pub(super) type Group<'a> = (Vec<&'a Column>, String);

/// The rows by the columns they fill, the key first; and of each row why it cannot be written.
pub(super) fn groups<'a>(
    columns: &'a [Column],
    rows: &[NewRow<'_>],
) -> (Vec<Group<'a>>, Vec<Option<String>>) {
    let mut refused = Vec::with_capacity(rows.len());
    let mut groups: BTreeMap<Vec<usize>, Vec<Value>> = BTreeMap::new();
    // Of a key that comes twice, the last counts: a statement may not meet it twice.
    let last: BTreeMap<&str, usize> =
        rows.iter().enumerate().map(|(at, row)| (row.key, at)).collect();
    for (at, row) in rows.iter().enumerate() {
        match one(columns, row) {
            Ok((filled, values)) => {
                refused.push(None);
                if last.get(row.key) == Some(&at) {
                    groups.entry(filled).or_default().push(Value::Array(values));
                }
            }
            Err(message) => refused.push(Some(message)),
        }
    }
    let groups = groups.into_iter().map(|(filled, rows)| {
        let columns = filled.iter().filter_map(|at| columns.get(*at)).collect();
        (columns, Value::Array(rows).to_string())
    });
    (groups.collect(), refused)
}

fn one(columns: &[Column], row: &NewRow<'_>) -> Result<(Vec<usize>, Vec<Value>), String> {
    let place = |name: &str| columns.iter().position(|column| column.name == name);
    let key = place(KEY_COLUMN).ok_or("the table has no key")?;
    let (mut filled, mut values) = (vec![key], vec![json!(row.key)]);
    for (name, value) in row.fields {
        if name == KEY_COLUMN {
            return Err(format!("`{KEY_COLUMN}` is the column of the key; map to another."));
        }
        let Some(at) = place(name) else {
            check_name(name).map_err(|error| error.detail.to_string())?;
            // Null in a column that nobody has filled yet.
            continue;
        };
        let Some(column) = columns.get(at) else { continue };
        let fits = column.kind.fit(value).ok_or_else(|| {
            format!("the column `{name}` holds {}, and this is not.", column.kind.words())
        })?;
        filled.push(at);
        values.push(fits);
    }
    Ok((filled, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: Kind) -> Column {
        Column { name: name.to_owned(), kind, declared: String::new(), primary: false }
    }

    #[test]
    fn a_column_holds_what_its_first_values_are() {
        let of = |values: &[Value]| Kind::of(values.iter());
        for (values, kind) in [
            (vec![json!(null)], None),
            (vec![json!(1), json!(null), json!(2)], Some(Kind::Integer)),
            (vec![json!(1), json!(1.5)], Some(Kind::Number)),
            (vec![json!(u64::MAX)], Some(Kind::Number)),
            (vec![json!(1), json!("a")], Some(Kind::Text)),
            (vec![json!(true), json!(1)], Some(Kind::Text)),
            (vec![json!("a"), json!(["b"])], Some(Kind::Json)),
            (vec![json!(false)], Some(Kind::Boolean)),
        ] {
            assert_eq!(of(&values), kind, "{values:?}");
        }
    }

    #[test]
    fn a_value_fits_or_its_row_is_refused() {
        for (kind, value, fits) in [
            (Kind::Integer, json!(5.0), Some(json!(5))),
            (Kind::Integer, json!(5.5), None),
            (Kind::Integer, json!("5"), None),
            (Kind::Number, json!(5), Some(json!(5))),
            (Kind::Text, json!(5.0), Some(json!("5"))),
            (Kind::Text, json!({"a": 1}), Some(json!("{\"a\":1}"))),
            (Kind::Text, json!("a\0b"), None),
            (Kind::Boolean, json!("true"), None),
            (Kind::Json, json!("text"), Some(json!("text"))),
            (Kind::Other, json!(null), Some(json!(null))),
        ] {
            assert_eq!(kind.fit(&value), fits, "{kind:?} {value}");
        }
        let columns = [column(KEY_COLUMN, Kind::Text), column("age", Kind::Integer)];
        let fields = |value: Value| value.as_object().unwrap().clone();
        let (good, bad, clash) =
            (fields(json!({"age": 5})), fields(json!({"age": "x"})), fields(json!({"_key": 1})));
        let rows = [
            NewRow { key: "a", fields: &good },
            NewRow { key: "b", fields: &bad },
            NewRow { key: "c", fields: &clash },
            NewRow { key: "a", fields: &good },
        ];
        let (groups, refused) = groups(&columns, &rows);
        let refused: Vec<bool> = refused.iter().map(Option::is_some).collect();
        assert_eq!(refused, [false, true, true, false]);
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].1, "[[\"a\",5]]", "a key that comes twice is written once");
    }

    #[test]
    fn columns_that_are_missing_are_named_with_the_key_first() {
        let fields = json!({"b": 1, "a": "x", "n": null, "bad\"name": 1});
        let rows = [NewRow { key: "k", fields: fields.as_object().unwrap() }];
        let found = missing(&[], &rows).unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [KEY_COLUMN, "a", "b"]);
        let many: serde_json::Map<String, Value> =
            (0..=MAX_COLUMNS).map(|n| (format!("c{n}"), json!(n))).collect();
        assert!(missing(&[], &[NewRow { key: "k", fields: &many }]).is_err());
    }
}
