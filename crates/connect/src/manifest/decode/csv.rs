//! Tables of text, as the reference reads them.

use std::borrow::Cow;

use bytes::Bytes;
use connectus_core::{Code, Error, Result};
use serde_json::{Map, Value};

use super::{Component, List, texts, unreadable, write};

/// Most columns of a table.
const MAX_COLUMNS: usize = 10_000;

/// A `CsvDecoder`.
#[derive(Debug)]
pub struct Csv {
    /// Of which characters it is made.
    pub encoding: Encoding,
    delimiter: char,
    /// Values that mean nothing.
    nothing: Vec<String>,
}

/// How characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a mark at its beginning.
    Utf8,
    /// ISO 8859-1.
    Latin1,
}

impl Encoding {
    /// The member `encoding` of a decoder.
    ///
    /// # Errors
    /// `invalid` for one that is not supported.
    pub fn read(component: &Component) -> Result<Self> {
        let name = component.text("encoding").unwrap_or_else(|| "utf-8".into());
        match name.to_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" | "utf-8-sig" | "ascii" | "us-ascii" => Ok(Self::Utf8),
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "l1" => Ok(Self::Latin1),
            other => Err(component.wrong("encoding", &format!("`{other}` is not supported"))),
        }
    }

    /// The text these bytes are.
    ///
    /// # Errors
    /// `provider_unavailable` when they are none.
    pub fn text(self, body: &[u8]) -> Result<Cow<'_, str>> {
        match self {
            Self::Utf8 => {
                let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
                std::str::from_utf8(body).map(Cow::Borrowed).map_err(unreadable)
            }
            Self::Latin1 => Ok(body.iter().map(|byte| char::from(*byte)).collect()),
        }
    }
}

impl Csv {
    /// Reads the decoder.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(component: &Component) -> Result<Self> {
        let text = component.text("delimiter").unwrap_or_else(|| ",".into());
        let delimiter = match &*text {
            "\\t" => Some('\t'),
            "\\n" => None,
            text => {
                let mut chars = text.chars();
                chars.next().filter(|_| chars.next().is_none())
            }
        };
        let delimiter = delimiter.filter(|c| !matches!(c, '"' | '\n' | '\r'));
        Ok(Self {
            encoding: Encoding::read(component)?,
            delimiter: delimiter
                .ok_or_else(|| component.wrong("delimiter", "must be one character"))?,
            nothing: texts(component, "set_values_to_none"),
        })
    }

    /// A table whose empty values, and the usual words for nothing unless they are to be kept,
    /// mean nothing.
    pub fn of_files(keeps_words: bool) -> Self {
        const WORDS: [&str; 19] = [
            "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND",
            "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
        ];
        let words = if keeps_words { WORDS.get(..1).unwrap_or_default() } else { &WORDS[..] };
        Self {
            encoding: Encoding::Utf8,
            delimiter: ',',
            nothing: words.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    /// The rows of a table as JSON.
    ///
    /// # Errors
    /// `provider_unavailable` when it is no text; as [`Self::each`].
    pub fn json(&self, body: &[u8]) -> Result<Bytes> {
        let text = self.encoding.text(body)?;
        let mut list = List::begin(text.len() * 2);
        self.each(&text, |row| write(list.item(), &Value::Object(row)))?;
        list.end()
    }

    /// Hands out every row but the first, which names the columns.
    ///
    /// # Errors
    /// `provider_refused` when there are too many columns; whatever `row` ends with.
    pub fn each(
        &self,
        text: &str,
        mut row: impl FnMut(Map<String, Value>) -> Result<()>,
    ) -> Result<()> {
        let mut rows = Rows { rest: text, delimiter: self.delimiter };
        let Some(names) = rows.find(|fields| !is_blank(fields)) else { return Ok(()) };
        if names.len() > MAX_COLUMNS {
            let detail = format!("A table of the provider has more than {MAX_COLUMNS} columns.");
            return Err(Error::new(Code::ProviderRefused, detail));
        }
        for fields in rows.filter(|fields| !is_blank(fields)) {
            let mut fields = fields.into_iter();
            let members = names.iter().map(|name| {
                let value = match fields.next() {
                    Some(text) if !self.nothing.contains(&text) => Value::String(text),
                    _ => Value::Null,
                };
                (name.clone(), value)
            });
            row(members.collect())?;
        }
        Ok(())
    }
}

fn is_blank(fields: &[String]) -> bool {
    fields.is_empty()
}

/// Rows of a text.
struct Rows<'a> {
    rest: &'a str,
    delimiter: char,
}

impl Iterator for Rows<'_> {
    type Item = Vec<String>;

    fn next(&mut self) -> Option<Vec<String>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut fields = Vec::new();
        let mut field = String::new();
        let (mut quoted, mut begun) = (false, false);
        let mut chars = self.rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let (c, next) = match c {
                '\r' => {
                    let pair = chars.next_if(|(_, c)| *c == '\n').is_some();
                    ('\n', at + 1 + usize::from(pair))
                }
                c => (c, at + c.len_utf8()),
            };
            match c {
                '"' if quoted => {
                    if chars.next_if(|(_, c)| *c == '"').is_some() {
                        field.push('"');
                    } else {
                        quoted = false;
                    }
                }
                c if quoted => field.push(c),
                '"' if !begun => (quoted, begun) = (true, true),
                '\n' => {
                    self.rest = self.rest.get(next..).unwrap_or_default();
                    if begun || !fields.is_empty() {
                        fields.push(field);
                    }
                    return Some(fields);
                }
                c if c == self.delimiter => {
                    fields.push(std::mem::take(&mut field));
                    // A field follows, be it empty.
                    begun = false;
                }
                c => {
                    begun = true;
                    field.push(c);
                }
            }
        }
        self.rest = "";
        if begun || !fields.is_empty() {
            fields.push(field);
        }
        Some(fields)
    }
}
