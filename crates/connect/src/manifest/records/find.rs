//! Finds the records of a page. It is read once; records stay the bytes they are.

use std::{fmt, ops::Range};

use bytes::Bytes;
use connectus_core::{Code, Error, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, value::RawValue};

/// The records of a page.
#[derive(Debug)]
pub enum Records {
    /// Where each lies in the body.
    Spans(Vec<Range<usize>>),
    /// Taken out of the body, where they do not lie in one list.
    Values(Vec<Map<String, Value>>),
}

/// What a page holds.
#[derive(Debug)]
pub struct Found {
    /// Its records.
    pub records: Records,
    /// What templates see as `response`, if it was asked for.
    pub response: Option<Value>,
}

/// How much of a page is needed besides its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Records,
    /// What stands around them; the list of records itself is empty in it.
    Around,
    /// All of it.
    All,
}

/// Finds the records at a path. A list at the root counts as many answers in one.
///
/// # Errors
/// `provider_unavailable` when the body is not JSON, `provider_refused` when a record is no object.
pub fn find(body: &Bytes, path: &[String], keep: Keep) -> Result<Found> {
    if body.trim_ascii().is_empty() {
        let response = Some(Value::Object(Map::new()));
        return Ok(Found { records: Records::Values(Vec::new()), response });
    }
    if keep == Keep::All || path.iter().any(|step| step == "*") {
        return in_tree(body, path, keep);
    }
    let (mut spans, mut elsewhere) = (Vec::new(), false);
    let at = At { body, path, root: true, keep, spans: &mut spans, elsewhere: &mut elsewhere };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let rest = at.deserialize(&mut reader).and_then(|rest| reader.end().map(|()| rest));
    let rest = rest.map_err(not_json)?;
    if elsewhere {
        return in_tree(body, path, keep);
    }
    let object = |span: &Range<usize>| body.get(span.start) == Some(&b'{');
    if !spans.iter().all(object) {
        return Err(not_an_object());
    }
    Ok(Found { records: Records::Spans(spans), response: (keep == Keep::Around).then_some(rest) })
}

fn not_json(error: serde_json::Error) -> Error {
    let detail = "The provider's answer is not JSON, or was cut short.";
    Error::new(Code::ProviderUnavailable, detail).caused_by(error)
}

fn not_an_object() -> Error {
    let detail = "A record of the provider's answer is not an object.";
    Error::new(Code::ProviderRefused, detail)
}

/// The same on the parsed page, for what is rare: one record alone, patterns, lists in lists.
fn in_tree(body: &Bytes, path: &[String], keep: Keep) -> Result<Found> {
    let root: Value = serde_json::from_slice(body).map_err(not_json)?;
    let mut values = Vec::new();
    let response = match root {
        Value::Array(answers) => {
            answers.iter().for_each(|answer| walk(answer, path, &mut values));
            answers.into_iter().next().unwrap_or_else(|| Value::Object(Map::new()))
        }
        answer => {
            walk(&answer, path, &mut values);
            answer
        }
    };
    let object = |value: Value| match value {
        Value::Object(map) => Ok(map),
        _ => Err(not_an_object()),
    };
    let records = values.into_iter().map(object).collect::<Result<_>>()?;
    let response = (keep != Keep::Records).then_some(response);
    Ok(Found { records: Records::Values(records), response })
}

/// All values at a path, whatever they are. A list at the root counts as many answers in one.
///
/// # Errors
/// `provider_unavailable` when the body is not JSON.
pub fn values_at(body: &Bytes, path: &[String]) -> Result<Vec<Value>> {
    let root: Value = serde_json::from_slice(body).map_err(not_json)?;
    let mut values = Vec::new();
    match &root {
        Value::Array(answers) => answers.iter().for_each(|one| walk(one, path, &mut values)),
        answer => walk(answer, path, &mut values),
    }
    Ok(values)
}

fn walk(value: &Value, path: &[String], into: &mut Vec<Value>) {
    let Some((step, rest)) = path.split_first() else {
        return match value {
            Value::Array(items) => into.extend(items.iter().cloned()),
            Value::Object(map) if !map.is_empty() => into.push(value.clone()),
            Value::String(text) if !text.is_empty() => into.push(value.clone()),
            Value::Number(number) if number.as_f64() != Some(0.0) => into.push(value.clone()),
            Value::Bool(true) => into.push(value.clone()),
            _ => {}
        };
    };
    if path.iter().any(|step| step == "*") {
        let mut found = Vec::new();
        matching(value, path, &mut found);
        into.extend(found.into_iter().cloned());
        return;
    }
    let inner = match value {
        Value::Object(map) => map.get(step),
        Value::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    };
    if let Some(inner) = inner {
        walk(inner, rest, into);
    }
}

/// All values at a path whose steps may be `*`.
fn matching<'a>(value: &'a Value, path: &[String], into: &mut Vec<&'a Value>) {
    let Some((step, rest)) = path.split_first() else { return into.push(value) };
    match value {
        Value::Object(map) if step == "*" => {
            map.values().for_each(|inner| matching(inner, rest, into));
        }
        Value::Array(items) if step == "*" => {
            items.iter().for_each(|inner| matching(inner, rest, into));
        }
        Value::Object(map) => map.get(step).into_iter().for_each(|v| matching(v, rest, into)),
        Value::Array(items) => {
            let inner = step.parse::<usize>().ok().and_then(|index| items.get(index));
            inner.into_iter().for_each(|inner| matching(inner, rest, into));
        }
        _ => {}
    }
}

/// A place on the way to the records.
struct At<'a> {
    body: &'a [u8],
    path: &'a [String],
    root: bool,
    keep: Keep,
    spans: &'a mut Vec<Range<usize>>,
    /// Set when the records are not a list of objects at the path.
    elsewhere: &'a mut bool,
}

impl At<'_> {
    fn inner(&mut self, path: usize) -> At<'_> {
        At {
            body: self.body,
            path: self.path.get(path..).unwrap_or_default(),
            root: false,
            keep: self.keep,
            spans: self.spans,
            elsewhere: self.elsewhere,
        }
    }

    fn collect<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<Value, A::Error> {
        let mut first = None;
        while let Some(raw) = list.next_element::<&'de RawValue>()? {
            let text = raw.get();
            // A borrowed value lies within the body.
            let start = text.as_ptr() as usize - self.body.as_ptr() as usize;
            self.spans.push(start..start + text.len());
            first = first.or(Some(text));
            *self.elsewhere |= self.root && text.starts_with('[');
        }
        match first {
            Some(text) if self.root && self.keep == Keep::Around => {
                serde_json::from_str(text).map_err(serde::de::Error::custom)
            }
            _ if self.root => Ok(Value::Object(Map::new())),
            _ => Ok(Value::Array(Vec::new())),
        }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let Some(step) = self.path.first() else {
            *self.elsewhere = true;
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut rest = Map::new();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let value = if *name == **step {
                map.next_value_seed(self.inner(1))?
            } else if self.keep == Keep::Around {
                map.next_value()?
            } else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            rest.insert(name.into_owned(), value);
        }
        Ok(Value::Object(rest))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        let Some(step) = self.path.first() else { return self.collect(&mut list) };
        if self.root {
            let mut first = None;
            while let Some(answer) = list.next_element_seed(self.inner(0))? {
                first = first.or(Some(answer));
            }
            return Ok(first.unwrap_or_else(|| Value::Object(Map::new())));
        }
        let Ok(index) = step.parse::<usize>() else {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        // Templates would miss the items that are not looked at.
        *self.elsewhere |= self.keep == Keep::Around;
        let mut at = 0;
        loop {
            let more = if at == index {
                list.next_element_seed(self.inner(1))?.is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(Value::Null);
            }
            at += 1;
        }
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        *self.elsewhere |= self.path.is_empty() && flag;
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        *self.elsewhere |= self.path.is_empty();
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        *self.elsewhere |= self.path.is_empty();
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        *self.elsewhere |= self.path.is_empty();
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        *self.elsewhere |= self.path.is_empty() && !text.is_empty();
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(body: &str, path: &[&str], keep: Keep) -> (Vec<Value>, Option<Value>) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let path: Vec<_> = path.iter().map(|step| (*step).to_owned()).collect();
        let found = find(&body, &path, keep).unwrap();
        let records = match found.records {
            Records::Spans(spans) => {
                let read = |span| serde_json::from_slice(&body[span]).unwrap();
                spans.into_iter().map(read).collect()
            }
            Records::Values(values) => values.into_iter().map(Value::Object).collect(),
        };
        (records, found.response)
    }

    #[test]
    fn records_are_found_wherever_they_lie() {
        let one = vec![json!({"id": 1})];
        for (body, path) in [
            (r#"{"data": [ {"id": 1} ], "more": [[{}], 3]}"#, &["data"][..]),
            (r#"{"a": {"b": [{"id":1}]}}"#, &["a", "b"]),
            (r#"[{"id":1}]"#, &[]),
            (r#"[{"x":[{"id":1}]}, {"y": 2}, {"x": []}]"#, &["x"]),
            (r#"{"id":1}"#, &[]),
            (r#"{"data": {"id":1}}"#, &["data"]),
            (r#"{"data": [[], [{"id":1}]]}"#, &["data", "1"]),
            (r#"{"data": {"p": {"id":1}}}"#, &["data", "*"]),
            (r#"[[{"id":1}]]"#, &[]),
        ] {
            for keep in [Keep::Records, Keep::Around, Keep::All] {
                assert_eq!(texts(body, path, keep).0, one, "{body} {keep:?}");
            }
        }
        for (body, path) in [
            ("", &["data"][..]),
            ("{}", &["data"]),
            ("[]", &[]),
            (r#"{"data": null}"#, &["data"]),
            (r#"{"data": {}}"#, &["data"]),
            (r#"{"data": ""}"#, &["data"]),
            (r#"{"data": [{"id":1}]}"#, &["data", "x"]),
        ] {
            assert!(texts(body, path, Keep::Records).0.is_empty(), "{body}");
        }
    }

    #[test]
    fn what_stands_around_is_kept_when_asked_for() {
        let body = r#"{"data": [{"id":1}], "next": {"page": 2}}"#;
        let around = json!({"data": [], "next": {"page": 2}});
        assert_eq!(texts(body, &["data"], Keep::Around).1, Some(around));
        let all = json!({"data": [{"id": 1}], "next": {"page": 2}});
        assert_eq!(texts(body, &["data"], Keep::All).1, Some(all));
        assert_eq!(texts(r#"[{"id":1}]"#, &[], Keep::Around).1, Some(json!({"id": 1})));
        assert_eq!(texts(body, &["data"], Keep::Records).1, None);
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for body in ["<html>", r#"{"data": [{"id":1}"#, r#"{"data": [1, 2]}"#, r#"{"data": 7}"#] {
            let body = Bytes::copy_from_slice(body.as_bytes());
            assert!(find(&body, &["data".to_owned()], Keep::Records).is_err(), "{body:?}");
        }
    }
}
