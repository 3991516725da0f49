//! `==`, `<` and `in` of Python.

use std::cmp::Ordering;

use serde_json::Value;

use super::{super::program::Fault, Str, Val, slice_keys};

/// `==`; values of different types are simply not equal.
pub(in super::super) fn equal(left: &Val<'_>, right: &Val<'_>) -> bool {
    match (left, right) {
        (Val::Undefined(_), Val::Undefined(_)) | (Val::None, Val::None) => true,
        (Val::Str(a), Val::Str(b)) => **a == **b,
        (Val::Moment(a), Val::Moment(b)) => a == b,
        (Val::Date(a), Val::Date(b)) => a == b,
        (Val::Span(a), Val::Span(b)) => {
            a.whole_months() == b.whole_months() && a.micros() == b.micros()
        }
        (Val::Array(_) | Val::List(_), Val::Array(_) | Val::List(_))
        | (Val::Tuple(_), Val::Tuple(_)) => same_items(left, right),
        (Val::Object(a), Val::Object(b)) => same_json_objects(a, b),
        (Val::Function(a), Val::Function(b)) => a.same(b),
        (
            Val::Object(_) | Val::Dict(_) | Val::Slice(_) | Val::Headers(_),
            Val::Object(_) | Val::Dict(_) | Val::Slice(_) | Val::Headers(_),
        ) => same_pairs(left, right),
        _ => numbers(left, right) == Some(Ordering::Equal),
    }
}

fn same_json_objects(
    a: &serde_json::Map<String, Value>,
    b: &serde_json::Map<String, Value>,
) -> bool {
    let same = |(name, value): (&String, &Value)| {
        b.get(name).is_some_and(|other| equal(&Val::of_json(value), &Val::of_json(other)))
    };
    a.len() == b.len() && a.iter().all(same)
}

fn same_items(left: &Val<'_>, right: &Val<'_>) -> bool {
    if left.length() != right.length() {
        return false;
    }
    let (Ok(left), Ok(right)) = (left.items(), right.items()) else { return false };
    left.iter().zip(&right).all(|(left, right)| equal(left, right))
}

fn same_pairs(left: &Val<'_>, right: &Val<'_>) -> bool {
    let (Some(left), Some(right)) = (left.pairs(), right.pairs()) else { return false };
    left.len() == right.len()
        && left.iter().all(|(key, value)| {
            right.iter().any(|(other, found)| equal(other, key) && equal(found, value))
        })
}

/// How two numbers stand to each other; `None` if one is none, or not a number.
#[expect(clippy::cast_precision_loss, reason = "only where a float is involved")]
fn numbers(left: &Val<'_>, right: &Val<'_>) -> Option<Ordering> {
    match (left, right) {
        (Val::Float(a), Val::Float(b)) => a.partial_cmp(b),
        (Val::Float(a), b) => a.partial_cmp(&(b.as_int()? as f64)),
        (a, Val::Float(b)) => (a.as_int()? as f64).partial_cmp(b),
        (a, b) => Some(a.as_int()?.cmp(&b.as_int()?)),
    }
}

/// How two values stand to each other. `Ok(None)` where none of `<`, `==`, `>` holds.
///
/// # Errors
/// Values of types that have no order between them, and undefined ones.
pub(in super::super) fn order(left: &Val<'_>, right: &Val<'_>) -> Result<Option<Ordering>, Fault> {
    left.defined()?;
    right.defined()?;
    let sequences = matches!(
        (left, right),
        (Val::Array(_) | Val::List(_), Val::Array(_) | Val::List(_))
            | (Val::Tuple(_), Val::Tuple(_))
    );
    if sequences {
        let (left, right) = (left.items()?, right.items()?);
        for (left, right) in left.iter().zip(&right) {
            if !equal(left, right) {
                return order(left, right);
            }
        }
        return Ok(Some(left.len().cmp(&right.len())));
    }
    let unordered = || {
        let what = format!("{} and {} have no order between them", left.kind(), right.kind());
        Err(Fault::Type(what))
    };
    match (left, right) {
        (Val::Str(a), Val::Str(b)) => Ok(Some(a.cmp(b))),
        (Val::Date(a), Val::Date(b)) => Ok(Some(a.cmp(b))),
        (Val::Moment(a), Val::Moment(b)) => match a.partial_cmp(b) {
            None => unordered(),
            found => Ok(found),
        },
        (Val::Span(a), Val::Span(b)) if a.is_exact() && b.is_exact() => {
            Ok(Some(a.micros().cmp(&b.micros())))
        }
        _ if left.as_float().is_some() && right.as_float().is_some() => Ok(numbers(left, right)),
        _ => unordered(),
    }
}

/// `in`
///
/// # Errors
/// Where the right side holds nothing, and where a text is asked for what is none.
pub(in super::super) fn contains<'a>(holder: &Val<'a>, wanted: &Val<'a>) -> Result<bool, Fault> {
    match holder {
        Val::Str(text) => match wanted {
            Val::Str(part) => Ok(text.contains(&**part)),
            other => {
                let what = format!("a text cannot hold a value of type {}", other.kind());
                Err(Fault::Type(what))
            }
        },
        Val::Object(fields) => {
            wanted.as_key()?;
            Ok(wanted.as_str().is_some_and(|key| fields.contains_key(key)))
        }
        Val::Headers(fields) => Ok(wanted
            .as_str()
            .is_some_and(|key| fields.keys().any(|k| k.eq_ignore_ascii_case(key)))),
        Val::Slice(slice) => {
            let key = Val::as_str(wanted);
            Ok(slice_keys(slice).any(|found| Some(found.as_str()) == key))
        }
        Val::Dict(dict) => {
            wanted.as_key()?;
            Ok(dict.borrow().get(wanted).is_some())
        }
        Val::Array(items) => Ok(match wanted {
            Val::Str(Str::Lent(text)) => items.iter().any(|item| item.as_str() == Some(text)),
            wanted => items.iter().any(|item| equal(&Val::of_json(item), wanted)),
        }),
        other => Ok(other.items()?.iter().any(|item| equal(item, wanted))),
    }
}
