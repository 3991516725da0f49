//! XML as an object: elements are members, attributes have an `@` before their name, and text
//! beside either is `#text`. Elements of one name are a list.

use connectus_core::{Code, Error, Result};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};
use serde_json::{Map, Value};

use super::unreadable;

/// Deepest nesting of elements.
const MAX_DEPTH: usize = 100;

/// An element being read.
struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
}

/// Reads a document.
///
/// # Errors
/// `provider_unavailable` when it is none, `provider_refused` when it defines words of its own.
pub fn parse(body: &[u8]) -> Result<Value> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(unreadable)?;
    let mut reader = Reader::from_str(text);
    let mut open = vec![Open::new(String::new())];
    loop {
        match reader.read_event().map_err(unreadable)? {
            Event::Start(start) if open.len() > MAX_DEPTH => {
                let detail = format!("The element `{}` is nested too deeply.", start.name().0);
                return Err(Error::new(Code::ProviderRefused, detail));
            }
            Event::Start(start) => open.push(Open::of(&start)?),
            Event::Empty(start) => {
                let element = Open::of(&start)?;
                if let Some(parent) = open.last_mut() {
                    parent.push(element);
                }
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(cut_short)?;
                open.last_mut().ok_or_else(cut_short)?.push(element);
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(letter)) => add(&mut open, letter.encode_utf8(&mut [0; 4])),
                _ => add(&mut open, predefined(&reference)?),
            },
            Event::DocType(kind) if kind.contains("<!ENTITY") => {
                let detail = "An XML answer of the provider defines words of its own.";
                return Err(Error::new(Code::ProviderRefused, detail));
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => break,
        }
    }
    match open.pop() {
        Some(root) if open.is_empty() && !root.members.is_empty() => {
            Ok(Value::Object(root.members))
        }
        _ => Err(cut_short()),
    }
}

fn predefined(name: &str) -> Result<&'static str> {
    match name {
        "lt" => Ok("<"),
        "gt" => Ok(">"),
        "amp" => Ok("&"),
        "apos" => Ok("'"),
        "quot" => Ok("\""),
        _ => Err(cut_short()),
    }
}

fn add(open: &mut [Open], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn cut_short() -> Error {
    let detail = "The provider's answer is not XML, or was cut short.";
    Error::new(Code::ProviderUnavailable, detail)
}

impl Open {
    fn new(name: String) -> Self {
        Self { name, members: Map::new(), text: String::new() }
    }

    fn of(start: &BytesStart<'_>) -> Result<Self> {
        let mut element = Self::new(start.name().0.to_owned());
        for attribute in start.attributes() {
            let attribute = attribute.map_err(unreadable)?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(unreadable)?;
            element.members.insert(format!("@{}", attribute.key.0), value.into_owned().into());
        }
        Ok(element)
    }

    fn push(&mut self, element: Self) {
        let Self { name, mut members, text } = element;
        let text = text.trim();
        let value = match (members.is_empty(), text.is_empty()) {
            (true, true) => Value::Null,
            (true, false) => text.into(),
            (false, empty) => {
                if !empty {
                    members.insert("#text".into(), text.into());
                }
                Value::Object(members)
            }
        };
        match self.members.get_mut(&name) {
            None => {
                self.members.insert(name, value);
            }
            Some(Value::Array(items)) => items.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
}
