//! Answers that are no plain JSON become it: one list of what they hold, so that all that follows
//! reads one language, and what is JSON already stays the bytes it was.

mod csv;
mod unpack;
mod xml;

use bytes::Bytes;
use connectus_core::{Code, Error, Result};
use serde_json::{Map, Value};

pub use csv::{Csv, Encoding};
pub use unpack::{gunzipped, inflated};

use super::document::{Component, Node};

/// Largest text an answer may unpack to, in bytes, all its parts together.
pub const MAX_UNPACKED_BYTES: usize = 256 * 1024 * 1024;
/// Decoders within decoders.
const MAX_NESTED: usize = 8;

/// How an answer is read.
#[derive(Debug)]
pub enum Decoder {
    /// As JSON.
    Json,
    /// JSON on each line.
    Lines(Encoding),
    /// Each line is a text.
    Texts,
    /// The list at a path in JSON.
    Items(Vec<String>),
    /// A table.
    Csv(Csv),
    /// XML.
    Xml,
    /// Packed; as it is where it is not.
    Gzip(Box<Decoder>),
    /// Files in an archive.
    Zip(Box<Decoder>),
}

impl Decoder {
    /// Reads a member that is a decoder; JSON without one.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(owner: &Component, name: &str) -> Result<Self> {
        match owner.component(name)? {
            None => Ok(Self::Json),
            Some(component) => Self::read(&component, 0),
        }
    }

    fn read(component: &Component, depth: usize) -> Result<Self> {
        if depth > MAX_NESTED {
            return Err(component.wrong("decoder", "is nested too deeply"));
        }
        let inner = |name: &str| match component.component(name)? {
            None => Ok(Box::new(Self::Json)),
            Some(inner) => Self::read(&inner, depth + 1).map(Box::new),
        };
        Ok(match component.kind() {
            "JsonDecoder" | "JsonParser" => Self::Json,
            "JsonlDecoder" | "JsonLineParser" => Self::Lines(Encoding::read(component)?),
            "IterableDecoder" => Self::Texts,
            "JsonItemsDecoder" => {
                let path = component.need_text("items_path")?;
                Self::Items(path.split('.').map(str::to_owned).collect())
            }
            "CsvDecoder" | "CsvParser" => Self::Csv(Csv::compile(component)?),
            "XmlDecoder" => Self::Xml,
            "GzipDecoder" => Self::Gzip(inner("decoder")?),
            "GzipParser" => Self::Gzip(inner("inner_parser")?),
            "CompositeRawDecoder" => *inner("parser")?,
            "ZipfileDecoder" => Self::Zip(inner("decoder")?),
            other => return Err(component.wrong("type", &format!("`{other}` is not supported"))),
        })
    }

    /// Whether the reference does not look into such answers for the next page.
    pub fn hides_response(&self) -> bool {
        !matches!(self, Self::Json | Self::Xml | Self::Zip(_))
    }

    /// Whether answers are read as they are.
    pub fn is_json(&self) -> bool {
        matches!(self, Self::Json)
    }

    /// The answer as JSON.
    ///
    /// # Errors
    /// `provider_unavailable` when it is cut short or not what it should be, `too_large` when it
    /// unpacks to more than [`MAX_UNPACKED_BYTES`].
    pub fn decode(&self, body: &Bytes) -> Result<Bytes> {
        match self {
            Self::Json => Ok(body.clone()),
            Self::Lines(encoding) => {
                let text = encoding.text(body)?;
                let mut list = List::begin(text.len());
                let lines = text.as_bytes().split(|byte| *byte == b'\n');
                for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
                    list.item().extend_from_slice(line);
                }
                list.end()
            }
            Self::Texts => {
                let mut list = List::begin(body.len());
                for line in lines(body) {
                    let text = std::str::from_utf8(line).map_err(unreadable)?;
                    let member = Map::from_iter([("record".to_owned(), text.into())]);
                    write(list.item(), &Value::Object(member))?;
                }
                list.end()
            }
            Self::Items(path) => items(body, path),
            Self::Csv(csv) => csv.json(body),
            Self::Xml => {
                let mut list = List::begin(body.len());
                write(list.item(), &xml::parse(body)?)?;
                list.end()
            }
            Self::Gzip(inner) => inner.decode(&unpack::gunzipped(body)?),
            Self::Zip(inner) => {
                let mut list = List::begin(body.len() * 4);
                let mut left = MAX_UNPACKED_BYTES;
                for file in unpack::files(body)? {
                    let unpacked = file.unpacked(body, left)?;
                    left = left.saturating_sub(unpacked.len());
                    list.all_of(&inner.decode(&unpacked)?);
                }
                list.end()
            }
        }
    }
}

/// A list of JSON being written.
pub(super) struct List(Vec<u8>);

impl List {
    pub(super) fn begin(room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room.min(MAX_UNPACKED_BYTES) + 2);
        bytes.push(b'[');
        Self(bytes)
    }

    /// Where the next item is written.
    pub(super) fn item(&mut self) -> &mut Vec<u8> {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        &mut self.0
    }

    /// The items of another list; what is no list is one item.
    fn all_of(&mut self, json: &Bytes) {
        let trimmed = json.trim_ascii();
        let inner = trimmed.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
        let inner = inner.map_or(trimmed, <[u8]>::trim_ascii);
        if !inner.is_empty() {
            self.item().extend_from_slice(inner);
        }
    }

    pub(super) fn end(mut self) -> Result<Bytes> {
        self.0.push(b']');
        if self.0.len() > 2 * MAX_UNPACKED_BYTES {
            return Err(too_large());
        }
        Ok(self.0.into())
    }
}

pub(super) fn write(into: &mut Vec<u8>, value: &Value) -> Result<()> {
    serde_json::to_writer(into, value).map_err(Error::internal)
}

/// Lines that end in `\n`, `\r\n` or `\r`.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        let after = after.strip_prefix(b"\r\n").or(after.get(1..)).unwrap_or_default();
        rest = after;
        Some(line)
    })
}

/// The list at a path, as the only thing there is.
fn items(body: &Bytes, path: &[String]) -> Result<Bytes> {
    let mut at: &serde_json::value::RawValue = serde_json::from_slice(body).map_err(unreadable)?;
    for step in path {
        let mut members: std::collections::BTreeMap<String, &serde_json::value::RawValue> =
            match serde_json::from_str(at.get()) {
                Ok(members) => members,
                Err(_) => return Ok(Bytes::from_static(b"[]")),
            };
        match members.remove(step) {
            Some(inner) => at = inner,
            None => return Ok(Bytes::from_static(b"[]")),
        }
    }
    let text = at.get();
    Ok(if text.starts_with('[') {
        body.slice_ref(text.as_bytes())
    } else {
        Bytes::from_static(b"[]")
    })
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let detail = "The provider's answer is not what the manifest says it is, or was cut short.";
    Error::new(Code::ProviderUnavailable, detail).caused_by(error)
}

fn too_large() -> Error {
    let detail = format!("The provider's answer unpacks to more than {MAX_UNPACKED_BYTES} bytes.");
    Error::new(Code::TooLarge, detail)
}

/// The member of a component that lists texts.
fn texts(component: &Component, name: &str) -> Vec<String> {
    let items = component.node(name).and_then(Node::as_list).unwrap_or_default();
    items.iter().filter_map(Node::as_text).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
