//! Dotted paths into JSON answers, split once: `paging.next.after`, `0.errorCode`.

use serde_json::Value;

/// A path from the outside in. A segment is a key of an object or an index of an array.
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

    /// Whether this is the value itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at this path.
    pub fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |at, segment| match at {
            Value::Object(map) => map.get(&**segment),
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Takes the value at this path out, leaving null.
    pub fn take(&self, value: &mut Value) -> Option<Value> {
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
}
