//! The records of one page on their way out.

use std::{borrow::Cow, io::Write, ops::Range};

use bytes::Bytes;
use connectus_core::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::partial::{Members, Name};

/// Records of one page.
#[derive(Debug)]
pub enum Batch {
    /// As the provider wrote them.
    Raw {
        /// The page.
        body: Bytes,
        /// Where each record lies in it.
        spans: Vec<Range<usize>>,
    },
    /// As they were changed.
    Built(Vec<Map<String, Value>>),
}

impl Batch {
    /// No records.
    pub fn empty() -> Self {
        Self::Built(Vec::new())
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Raw { spans, .. } => spans.len(),
            Self::Built(records) => records.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A record by its place, read.
    ///
    /// # Errors
    /// `internal` when the page was not JSON, which was found out before.
    pub fn read(&self, index: usize) -> Result<Option<Map<String, Value>>> {
        match self {
            Self::Raw { body, spans } => {
                let Some(bytes) = spans.get(index).and_then(|span| body.get(span.clone())) else {
                    return Ok(None);
                };
                serde_json::from_slice(bytes).map(Some).map_err(Error::internal)
            }
            Self::Built(records) => Ok(records.get(index).cloned()),
        }
    }

    /// A record by its place, read unless it was before.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn record(&self, index: usize) -> Result<Cow<'_, Map<String, Value>>> {
        match self {
            Self::Built(records) => {
                let record = records.get(index).ok_or_else(|| Error::internal("no such record"));
                record.map(Cow::Borrowed)
            }
            Self::Raw { .. } => Ok(Cow::Owned(self.read(index)?.unwrap_or_default())),
        }
    }

    /// A record by its place, of which only some members are needed.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn some(&self, index: usize, members: &Members) -> Result<Cow<'_, Map<String, Value>>> {
        match self {
            Self::Built(_) => self.record(index),
            Self::Raw { body, spans } => {
                let span = spans.get(index).cloned().unwrap_or_default();
                members.read(body.get(span).unwrap_or_default()).map(Cow::Owned)
            }
        }
    }

    /// One field of a record, without reading the others.
    pub fn field(&self, index: usize, name: &str) -> Option<Cow<'_, Value>> {
        match self {
            Self::Raw { body, spans } => {
                let bytes = body.get(spans.get(index)?.clone())?;
                let mut reader = serde_json::Deserializer::from_slice(bytes);
                Field(name).deserialize(&mut reader).ok()?.map(Cow::Owned)
            }
            Self::Built(records) => records.get(index)?.get(name).map(Cow::Borrowed),
        }
    }

    /// Keeps the records for which this holds.
    ///
    /// # Errors
    /// Whatever it ends with.
    pub fn retain(&mut self, mut keep: impl FnMut(&Self, usize) -> Result<bool>) -> Result<()> {
        let kept: Vec<bool> =
            (0..self.len()).map(|index| keep(self, index)).collect::<Result<_>>()?;
        let mut each = kept.into_iter();
        match self {
            Self::Raw { spans, .. } => spans.retain(|_| each.next() == Some(true)),
            Self::Built(records) => records.retain(|_| each.next() == Some(true)),
        }
        Ok(())
    }

    /// Reads all records into objects.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn into_built(self) -> Result<Vec<Map<String, Value>>> {
        match self {
            Self::Raw { body, spans } => spans
                .into_iter()
                .map(|span| {
                    let bytes = body.get(span).unwrap_or_default();
                    serde_json::from_slice(bytes).map_err(Error::internal)
                })
                .collect(),
            Self::Built(records) => Ok(records),
        }
    }

    /// Hands out each record as JSON on one line, between `before` and `after`.
    ///
    /// # Errors
    /// Whatever writing ends with.
    pub fn write(&self, before: &[u8], after: &[u8], out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Self::Raw { body, spans } => {
                // Line breaks stand only between the parts of a value; a text has none.
                let broken = memchr::memchr2(b'\n', b'\r', body).is_some();
                for span in spans {
                    let bytes = body.get(span.clone()).unwrap_or_default();
                    out.write_all(before)?;
                    if broken {
                        for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
                            out.write_all(line)?;
                        }
                    } else {
                        out.write_all(bytes)?;
                    }
                    out.write_all(after)?;
                }
            }
            Self::Built(records) => {
                for record in records {
                    out.write_all(before)?;
                    serde_json::to_writer(&mut *out, record)?;
                    out.write_all(after)?;
                }
            }
        }
        Ok(())
    }
}

/// Reads one member of an object and skips the rest.
struct Field<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Option<Value>, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Value>, A::Error> {
        let mut found = None;
        while let Some(place) = map.next_key_seed(Name(&[self.0]))? {
            if place.is_some() {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw() -> Batch {
        let body = Bytes::from_static(b"[{\"a\":\n 1},{\"b\":{\"c\":null}}]");
        let spans = vec![1..10, 11..27];
        Batch::Raw { body, spans }
    }

    #[test]
    fn a_record_goes_out_on_one_line_unchanged() {
        let mut out = Vec::new();
        raw().write(b"<", b">\n", &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "<{\"a\": 1}>\n<{\"b\":{\"c\":null}}>\n");
    }

    #[test]
    fn fields_and_records_are_read_on_demand() {
        let mut batch = raw();
        assert_eq!(batch.field(0, "a").as_deref(), Some(&json!(1)));
        assert_eq!(batch.field(1, "a"), None);
        assert_eq!(batch.read(1).unwrap().map(Value::Object), Some(json!({"b": {"c": null}})));
        batch.retain(|batch, index| Ok(batch.field(index, "b").is_some())).unwrap();
        assert_eq!(batch.len(), 1);
        assert_eq!(batch.into_built().unwrap()[0]["b"], json!({"c": null}));
    }
}
