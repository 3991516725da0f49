//! Paths into records: setting what lies there, making what leads there, taking it out.

use serde_json::{Map, Value};

/// Longest list made by setting an item beyond its end.
const MAX_FILLED: usize = 10_000;

/// Sets a value; objects and lists on the way are made.
pub fn set(record: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        record.insert(first.clone(), value);
        return;
    }
    let inner = record.entry(first.clone()).or_insert(Value::Null);
    set_in(inner, rest, value);
}

fn set_in(at: &mut Value, path: &[String], value: Value) {
    let Some((step, rest)) = path.split_first() else {
        *at = value;
        return;
    };
    let index = step.parse::<usize>().ok();
    if at.is_null() {
        *at = match index {
            Some(_) => Value::Array(Vec::new()),
            None => Value::Object(Map::new()),
        };
    }
    match (at, index) {
        (Value::Object(map), _) => {
            set_in(map.entry(step.clone()).or_insert(Value::Null), rest, value);
        }
        (Value::Array(items), Some(index)) if index < MAX_FILLED => {
            if items.len() <= index {
                items.resize(index + 1, Value::Null);
            }
            if let Some(item) = items.get_mut(index) {
                set_in(item, rest, value);
            }
        }
        _ => {}
    }
}

/// Takes out what lies at a path. A step may be `*`, or `**` for any number of steps. An item of a
/// list becomes null so that others keep their places, unless it is the last.
pub fn remove(record: &mut Map<String, Value>, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    match (step.as_str(), rest.is_empty()) {
        ("*" | "**", true) => record.clear(),
        (_, true) => drop(record.remove(step)),
        ("**", false) => {
            remove(record, rest);
            record.values_mut().for_each(|inner| remove_in(inner, path));
        }
        ("*", false) => record.values_mut().for_each(|inner| remove_in(inner, rest)),
        (_, false) => {
            if let Some(inner) = record.get_mut(step) {
                remove_in(inner, rest);
            }
        }
    }
}

fn remove_in(at: &mut Value, path: &[String]) {
    match at {
        Value::Object(map) => remove(map, path),
        Value::Array(items) => {
            let Some((step, rest)) = path.split_first() else { return };
            let index = step.parse::<usize>().ok();
            for place in (0..items.len()).rev() {
                let meant =
                    step == "*" || index == Some(place) || (step == "**" && rest.is_empty());
                match items.get_mut(place) {
                    Some(item) if step == "**" && !rest.is_empty() => remove_in(item, path),
                    Some(item) if meant && !rest.is_empty() => remove_in(item, rest),
                    Some(_) if meant => take_item(items, place),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn take_item(items: &mut Vec<Value>, place: usize) {
    if place + 1 == items.len() {
        items.pop();
    } else if let Some(item) = items.get_mut(place) {
        *item = Value::Null;
    }
}

/// Takes out every value of which this holds, wherever it lies; objects and lists are no such
/// values.
pub fn remove_leaves(record: &mut Map<String, Value>, wanted: &mut dyn FnMut(&Value) -> bool) {
    record.retain(|_, value| !(is_leaf(value) && wanted(value)));
    record.values_mut().for_each(|inner| remove_leaves_in(inner, wanted));
}

fn remove_leaves_in(at: &mut Value, wanted: &mut dyn FnMut(&Value) -> bool) {
    match at {
        Value::Object(map) => remove_leaves(map, wanted),
        Value::Array(items) => {
            for place in (0..items.len()).rev() {
                let Some(item) = items.get_mut(place) else { continue };
                if !is_leaf(item) {
                    remove_leaves_in(item, wanted);
                } else if wanted(item) {
                    take_item(items, place);
                }
            }
        }
        _ => {}
    }
}

fn is_leaf(value: &Value) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_))
}

/// What lies at a path, steps of which may be `*`; the first of several.
pub fn first<'a>(record: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (step, rest) = path.split_first()?;
    let inside = |value: &'a Value| first_in(value, rest);
    if step == "*" { record.values().find_map(inside) } else { inside(record.get(step)?) }
}

fn first_in<'a>(at: &'a Value, path: &[String]) -> Option<&'a Value> {
    let Some((step, rest)) = path.split_first() else { return Some(at) };
    match at {
        Value::Object(map) => first(map, path),
        Value::Array(items) if step == "*" => items.iter().find_map(|item| first_in(item, rest)),
        Value::Array(items) => first_in(items.get(step.parse::<usize>().ok()?)?, rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(steps: &[&str]) -> Vec<String> {
        steps.iter().map(|step| (*step).to_owned()).collect()
    }

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn parents_are_made() {
        let mut record = object(&json!({"list": ["x"]}));
        set(&mut record, &path(&["a", "b"]), json!(1));
        set(&mut record, &path(&["list", "2"]), json!("z"));
        assert_eq!(Value::Object(record), json!({"a": {"b": 1}, "list": ["x", null, "z"]}));
    }

    #[test]
    fn what_is_named_is_taken_out_and_nothing_else() {
        let mut record = object(&json!({
            "a": {"b": 1, "c": 2}, "l": [{"k": 1}, {"k": 2}, 3], "d": {"e": {"k": 3}},
        }));
        for steps in [&["a", "b"][..], &["gone", "x"], &["l", "0", "k"]] {
            remove(&mut record, &path(steps));
        }
        let left = json!({"a": {"c": 2}, "l": [{}, {"k": 2}, 3], "d": {"e": {"k": 3}}});
        assert_eq!(Value::Object(record.clone()), left);
        remove(&mut record, &path(&["l", "0"]));
        remove(&mut record, &path(&["l", "2"]));
        remove(&mut record, &path(&["**", "k"]));
        let left = json!({"a": {"c": 2}, "l": [null, {}], "d": {"e": {}}});
        assert_eq!(Value::Object(record.clone()), left, "the last of a list leaves no gap");
        remove(&mut record, &path(&["*"]));
        assert!(record.is_empty());
    }

    #[test]
    fn values_are_taken_out_wherever_they_lie() {
        let mut record = object(&json!({"a": "", "b": {"c": "", "d": 1}, "l": ["", "x", ""]}));
        remove_leaves(&mut record, &mut |value| value == "");
        assert_eq!(Value::Object(record), json!({"b": {"d": 1}, "l": [null, "x"]}));
    }
}
