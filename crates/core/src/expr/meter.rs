//! What an evaluation may cost. The engine's fuel counts instructions; a filter is one, however
//! much it reads and makes, so filters pay here, in bytes.

use minijinja::{Error, ErrorKind, State, Value, value::ValueKind};

use super::{MAX_RESULT_BYTES, MAX_WORK_BYTES, VALUE_BYTES};

/// What calling a filter counts: `map` and `select` do it once for each item.
const CALL_BYTES: usize = 208;
/// Filters that take a text apart, into its characters.
const APART: [&str; 13] = [
    "dictsort",
    "groupby",
    "join",
    "list",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "select",
    "selectattr",
    "sum",
    "unique",
];
/// Filters that compare each value with several others.
const ORDER: [&str; 4] = ["dictsort", "groupby", "sort", "unique"];

/// Bytes this evaluation's filters may still touch.
struct Work(usize);

/// Pays for what a filter is about to read and, where that can be much more, to make.
pub(super) fn before(state: &mut State, name: &str, args: &[Value]) -> Result<(), Error> {
    spend(state, CALL_BYTES)?;
    for arg in args {
        value(state, arg)?;
    }
    spend(state, repeated(name, args))?;
    spend(state, apart(name, args))?;
    let bytes = growth(name, args);
    if bytes > MAX_RESULT_BYTES {
        return Err(too_much());
    }
    spend(state, bytes)
}

/// Pays for one pass over a value.
pub(super) fn value(state: &mut State, value: &Value) -> Result<(), Error> {
    spend(state, VALUE_BYTES)?;
    match value.kind() {
        ValueKind::String => spend(state, value.as_str().map_or(0, str::len)),
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                self::value(state, &item)?;
            }
            Ok(())
        }
        ValueKind::Map => {
            for key in value.try_iter()? {
                self::value(state, &key)?;
                self::value(state, &value.get_item(&key)?)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn spend(state: &mut State, bytes: usize) -> Result<(), Error> {
    let work = state.get_or_insert_extension_with(|| Work(MAX_WORK_BYTES));
    work.0 = work.0.checked_sub(bytes).ok_or_else(too_much)?;
    Ok(())
}

fn too_much() -> Error {
    Error::new(ErrorKind::InvalidOperation, "the filters make or read too much data")
}

/// Bytes of arguments that are read once per item - an attribute's path, a test's operand - or,
/// by `trim`, once per character.
fn repeated(name: &str, args: &[Value]) -> usize {
    let Some((value, others)) = args.split_first() else { return 0 };
    let times = match value.as_str() {
        Some(text) if name == "trim" => text.len(),
        Some(_) => 0,
        None => value.len().unwrap_or(0),
    };
    times.saturating_mul(others.iter().map(longest_text).max().unwrap_or(0))
}

/// What is spent on values that a filter will make of a text, or compare with one another.
fn apart(name: &str, args: &[Value]) -> usize {
    let Some(value) = args.first() else { return 0 };
    let values = match value.as_str() {
        // Word by word and letter by letter takes its time.
        Some(text) if matches!(name, "title" | "tojson") => return text.len(),
        Some(text) if name == "lines" => text.lines().count(),
        Some(text) if name == "split" => split(text, args.get(1).and_then(Value::as_str)),
        Some(text) if APART.contains(&name) || ORDER.contains(&name) => text.chars().count(),
        Some(_) => 0,
        None => value.len().unwrap_or(0),
    };
    let rounds = match ORDER.contains(&name) {
        true => usize::try_from(values.max(2).ilog2()).unwrap_or(0) / 4,
        false => usize::from(value.as_str().is_some()),
    };
    values.saturating_mul(rounds).saturating_mul(VALUE_BYTES)
}

/// How many parts `split` makes at most.
fn split(text: &str, separator: Option<&str>) -> usize {
    // More than that is refused anyway.
    let most = MAX_WORK_BYTES / VALUE_BYTES + 1;
    match separator {
        Some(separator) => text.matches(separator).take(most).count() + 1,
        None => text.split_whitespace().take(most).count(),
    }
}

/// The length of a text inside JSON: what `tojson` writes.
fn escaped(text: &str) -> usize {
    let long = |byte: &u8| *byte < b' ' || matches!(byte, b'<' | b'>' | b'&' | b'\'');
    let short = |byte: &u8| matches!(byte, b'"' | b'\\');
    let bytes = text.as_bytes();
    let (long, short) =
        (bytes.iter().filter(|b| long(b)).count(), bytes.iter().filter(|b| short(b)).count());
    bytes.len() + 5 * long + short
}

/// What the filters that can multiply their input will make, before they make it.
fn growth(name: &str, args: &[Value]) -> usize {
    let text = |index: usize| args.get(index).and_then(Value::as_str);
    match (name, text(0), text(1), text(2)) {
        ("replace", Some(value), Some(from), Some(to)) => {
            let most = MAX_RESULT_BYTES / to.len().max(1) + 1;
            value.matches(from).take(most).count().saturating_mul(to.len())
        }
        ("tojson", Some(value), ..) => escaped(value),
        ("urlencode", Some(value), ..) => 3 * value.len(),
        ("join", value, ..) => {
            let items = value.map(str::len).or_else(|| args.first()?.len()).unwrap_or(0);
            // The joiner may come by position or as `d=`; the longest argument covers both.
            let joiner = args.iter().skip(1).map(longest_text).max().unwrap_or(0);
            items.saturating_mul(joiner)
        }
        _ => 0,
    }
}

/// The longest text of an argument; keyword arguments come as a map.
fn longest_text(value: &Value) -> usize {
    if let Some(text) = value.as_str() {
        return text.len();
    }
    if value.kind() != ValueKind::Map && !value.is_kwargs() {
        return 0;
    }
    let Ok(keys) = value.try_iter() else { return 0 };
    keys.filter_map(|key| value.get_item(&key).ok())
        .filter_map(|item| item.as_str().map(str::len))
        .max()
        .unwrap_or(0)
}
