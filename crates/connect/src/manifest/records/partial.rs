//! The members of a record that texts name, read without the others; and records that only gain
//! members, which stay the bytes they were before those.

use std::fmt;

use connectus_core::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{batch::Batch, select::For, transform::Transformation};
use crate::manifest::{
    interpolation::{Scope, Variable},
    text::{Text, members_of},
};

/// Members that are looked at.
#[derive(Debug, Default)]
pub struct Members(Vec<String>);

impl Members {
    /// Those a text names of `record`; `None` when it may look at any.
    pub fn of(text: &str) -> Option<Self> {
        members_of(text, "record").map(Self)
    }

    fn add(&mut self, more: Self) {
        for name in more.0 {
            if !self.0.contains(&name) {
                self.0.push(name);
            }
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// `internal` when this is no record, which was found out before.
    pub fn read(&self, record: &[u8]) -> Result<Map<String, Value>> {
        let mut reader = serde_json::Deserializer::from_slice(record);
        Wanted(&self.0).deserialize(&mut reader).map_err(Error::internal)
    }
}

struct Wanted<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Map::new();
        while let Some(place) = map.next_key_seed(Name(self.0))? {
            match place.and_then(|place| self.0.get(place)) {
                Some(name) => drop(found.insert(name.clone(), map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// Which of these names a member has. Names are compared where they stand, never copied.
pub struct Name<'a, S>(pub &'a [S]);

impl<'de, S: AsRef<str>> DeserializeSeed<'de> for Name<'_, S> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<S: AsRef<str>> Visitor<'_> for Name<'_, S> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| wanted.as_ref() == name))
    }
}

/// Transformations that only add members at the top, from members they name.
#[derive(Debug)]
pub struct Gains {
    members: Members,
    added: Vec<(String, Text)>,
}

impl Gains {
    /// Those of a stream; `None` when they do more than that.
    pub fn of(transformations: &[Transformation]) -> Option<Self> {
        let mut gains = Self { members: Members::default(), added: Vec::new() };
        for transformation in transformations {
            let Transformation::Add { fields, when: None } = transformation else { return None };
            for (path, text) in fields {
                let [name] = path.as_slice() else { return None };
                gains.members.add(Members::of(text.source())?);
                gains.members.add(Members(vec![name.clone()]));
                gains.added.push((name.clone(), text.clone()));
            }
        }
        (!gains.added.is_empty()).then_some(gains)
    }

    /// Adds the members to all records of a page; `None` where a record has such a member already.
    ///
    /// # Errors
    /// `invalid` when a text cannot be filled in.
    pub fn apply(&self, batch: &Batch, of: For<'_>) -> Result<Option<Batch>> {
        let Batch::Raw { body, spans } = batch else { return Ok(None) };
        let room: usize = spans.iter().map(|span| span.len() + 64 * self.added.len()).sum();
        let (mut bytes, mut places) = (Vec::with_capacity(room), Vec::with_capacity(spans.len()));
        for span in spans {
            let record = body.get(span.clone()).unwrap_or_default();
            let mut known = self.members.read(record)?;
            if self.added.iter().any(|(name, _)| known.contains_key(name)) {
                return Ok(None);
            }
            let begin = bytes.len();
            let open = record.strip_suffix(b"}").unwrap_or(record);
            bytes.extend_from_slice(open);
            let mut empty = open.trim_ascii().ends_with(b"{") && known.is_empty();
            for (name, text) in &self.added {
                let scope = Scope::new(of.env, of.config).with_slice(of.slice.view());
                let value = text.eval(&scope.with_map(Variable::Record, &known))?;
                if !std::mem::take(&mut empty) {
                    bytes.push(b',');
                }
                serde_json::to_writer(&mut bytes, name).map_err(Error::internal)?;
                bytes.push(b':');
                serde_json::to_writer(&mut bytes, &value).map_err(Error::internal)?;
                // Set twice, the last one counts: leave that to those who change objects.
                if known.insert(name.clone(), value).is_some() {
                    return Ok(None);
                }
            }
            bytes.push(b'}');
            places.push(begin..bytes.len());
        }
        Ok(Some(Batch::Raw { body: bytes.into(), spans: places }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_named_is_read() {
        let members = Members::of("{{ record['a'] }} {{ record.b.c }}").unwrap();
        let found = members.read(br#"{"x": [1, {"a": 2}], "a": 1, "b": {"c": 2}, "a": 3}"#);
        assert_eq!(Value::Object(found.unwrap()), json!({"a": 3, "b": {"c": 2}}));
        for all in ["{{ record }}", "{{ record.items() }}", "{{ record[x] }}", "{{ records.a }}"] {
            assert!(Members::of(all).is_none(), "{all}");
        }
    }
}
