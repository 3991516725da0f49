//! Dotted paths into JSON answers, split once: `paging.next.after`, `0.errorCode`, `*.results`.

use serde_json::Value;

/// A path from the outside in. A segment is a key of an object, an index of an array, or `*` for
/// every item of either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonPath(Vec<Box<str>>);

impl JsonPath {
    /// Splits at dots; the empty text is the value itself.
    pub fn new(dotted: &str) -> Self {
        Self(dotted.split('.').filter(|segment| !segment.is_empty()).map(Box::from).collect())
    }

    /// From segments, which may hold dots.
    pub fn from_segments(segments: &[String]) -> Self {
        Self(segments.iter().map(|segment| segment.as_str().into()).collect())
    }

    /// As it is written: segments between dots.
    pub fn dotted(&self) -> String {
        self.0.join(".")
    }

    /// Whether this is the value itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it leads to several values: it has a `*`.
    pub fn is_many(&self) -> bool {
        self.0.iter().any(|segment| **segment == *EVERY)
    }

    /// The value at this path; behind a `*` the first that is there.
    pub fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        get(&self.0, value)
    }

    /// Takes the value at this path out, leaving null. Behind a `*` all there are, as one list
    /// into which lists are poured; `None` where the `*` stands at what has no items.
    pub fn take(&self, value: &mut Value) -> Option<Value> {
        if let Some(star) = self.0.iter().position(|segment| **segment == *EVERY) {
            let (before, from) = self.0.split_at_checked(star)?;
            if !matches!(get(before, value)?, Value::Array(_) | Value::Object(_)) {
                return None;
            }
            let mut all = Vec::new();
            gather(before, from, value, &mut all);
            return Some(Value::Array(all));
        }
        let found = self.0.iter().try_fold(value, |at, segment| match at {
            Value::Object(map) => map.get_mut(&**segment),
            Value::Array(items) => items.get_mut(segment.parse::<usize>().ok()?),
            _ => None,
        })?;
        Some(found.take())
    }

    /// The text at this path; numbers and booleans in their JSON form, empty text as absent.
    pub fn text(&self, value: &Value) -> Option<String> {
        scalar_text(self.get(value)?).filter(|text| !text.is_empty())
    }
}

/// The segment that stands for every item.
const EVERY: &str = "*";

fn get<'a>(path: &[Box<str>], value: &'a Value) -> Option<&'a Value> {
    let Some((segment, rest)) = path.split_first() else { return Some(value) };
    match value {
        Value::Object(map) if **segment == *EVERY => map.values().find_map(|item| get(rest, item)),
        Value::Array(items) if **segment == *EVERY => items.iter().find_map(|item| get(rest, item)),
        Value::Object(map) => get(rest, map.get(&**segment)?),
        Value::Array(items) => get(rest, items.get(segment.parse::<usize>().ok()?)?),
        _ => None,
    }
}

/// Takes everything at `before` and then `rest` out.
fn gather(before: &[Box<str>], rest: &[Box<str>], value: &mut Value, all: &mut Vec<Value>) {
    let (segment, before, rest) = match (before.split_first(), rest.split_first()) {
        (Some((segment, before)), _) => (segment, before, rest),
        (None, Some((segment, rest))) => (segment, before, rest),
        (None, None) => {
            match value.take() {
                Value::Array(items) => all.extend(items),
                Value::Null => {}
                one => all.push(one),
            }
            return;
        }
    };
    let mut go = |item: &mut Value| gather(before, rest, item, all);
    match value {
        Value::Object(map) if **segment == *EVERY => map.values_mut().for_each(go),
        Value::Array(items) if **segment == *EVERY => items.iter_mut().for_each(go),
        Value::Object(map) => {
            let _there = map.get_mut(&**segment).map(go);
        }
        Value::Array(items) => {
            let index = segment.parse::<usize>().ok();
            let _there = index.and_then(|index| items.get_mut(index)).map(&mut go);
        }
        _ => {}
    }
}

/// A scalar as text; `None` for null, lists and objects.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_takes_and_misses() {
        let mut value = json!({"a": {"b": [{"c": "x"}, {"c": 7}]}, "d": ""});
        assert_eq!(JsonPath::new("a.b.1.c").text(&value).as_deref(), Some("7"));
        assert_eq!(JsonPath::new("").get(&value), Some(&value));
        for absent in ["a.b.2.c", "a.c", "a.b.c", "d", "a.b"] {
            assert_eq!(JsonPath::new(absent).text(&value), None, "{absent}");
        }
        let taken = JsonPath::new("a.b").take(&mut value).unwrap();
        assert_eq!(taken.as_array().unwrap().len(), 2);
        assert_eq!(value, json!({"a": {"b": null}, "d": ""}));
    }

    #[test]
    fn a_star_stands_for_every_item() {
        let mut chunks = json!([{"results": [1, 2]}, {"other": 0}, {"results": [3]}]);
        let path = JsonPath::new("*.results");
        assert_eq!(path.get(&chunks), Some(&json!([1, 2])));
        assert_eq!(path.take(&mut chunks), Some(json!([1, 2, 3])));
        let mut nested =
            json!({"entry": [{"changes": [{"n": 1}, {"n": 2}]}, {"changes": {"n": 3}}]});
        let path = JsonPath::new("entry.*.changes");
        assert_eq!(path.take(&mut nested), Some(json!([{"n": 1}, {"n": 2}, {"n": 3}])));
        assert_eq!(JsonPath::new("*.results").take(&mut json!([])), Some(json!([])));
        assert_eq!(JsonPath::new("entry.*.changes").take(&mut json!({"entry": 7})), None);
        assert_eq!(JsonPath::new("entry.*.changes").take(&mut json!({})), None);
    }
}
