//! `str` and `repr` of values, within the limits of an evaluation.

use std::fmt::Write;

use serde_json::Value;

use super::{
    super::{
        MAX_NESTING, MAX_TEXT_BYTES,
        datetime::{Moment, Span, Zone},
        print,
        program::Fault,
    },
    Val, slice_keys,
};

/// Prints values one after the other.
#[derive(Default)]
pub(in super::super) struct Shower {
    out: String,
    depth: usize,
}

impl Shower {
    /// `str` of one value.
    pub fn text(value: &Val<'_>) -> Result<String, Fault> {
        let mut shower = Self::default();
        shower.str(value)?;
        Ok(shower.out)
    }

    /// `repr` of one value.
    pub fn repr_text(value: &Val<'_>) -> Result<String, Fault> {
        let mut shower = Self::default();
        shower.repr(value)?;
        Ok(shower.out)
    }

    pub fn into_text(self) -> String {
        self.out
    }

    pub fn push(&mut self, text: &str) -> Result<(), Fault> {
        self.out.push_str(text);
        self.check()
    }

    fn check(&self) -> Result<(), Fault> {
        if self.out.len() > MAX_TEXT_BYTES {
            return Err(Fault::Failed(format!(
                "it makes more than {MAX_TEXT_BYTES} bytes of text"
            )));
        }
        Ok(())
    }

    /// `str`
    pub fn str(&mut self, value: &Val<'_>) -> Result<(), Fault> {
        match value {
            Val::Undefined(_) => Ok(()),
            Val::Str(text) => self.push(text),
            Val::Moment(moment) => self.push(&moment.to_string()),
            Val::Date(date) => self.push(&date_text(*date)),
            Val::Span(span) => self.push(&span.to_string()),
            other => self.repr(other),
        }
    }

    /// `repr`
    pub fn repr(&mut self, value: &Val<'_>) -> Result<(), Fault> {
        if self.depth > MAX_NESTING {
            return Err(Fault::Failed(format!("a value nests deeper than {MAX_NESTING} levels")));
        }
        self.depth += 1;
        match value {
            Val::Undefined(_) => self.out.push_str("Undefined"),
            Val::None => self.out.push_str("None"),
            Val::Bool(flag) => self.out.push_str(if *flag { "True" } else { "False" }),
            Val::Int(int) => {
                let _ = write!(self.out, "{int}");
            }
            Val::Float(float) => self.out.push_str(&print::float(*float)),
            Val::Str(text) => print::quoted(text, &mut self.out),
            Val::Array(items) => print::array(items, &mut self.out),
            Val::Object(fields) | Val::Headers(fields) => {
                print::object(fields.iter(), &mut self.out);
            }
            Val::Slice(slice) => {
                let keys = slice_keys(slice);
                let fields = keys.filter_map(|key| Some((key, slice.get(key)?)));
                print::object(fields, &mut self.out);
            }
            Val::List(items) => self.sequence("[", &items.borrow(), "]")?,
            Val::Tuple(items) => {
                self.sequence("(", items, if items.len() == 1 { ",)" } else { ")" })?;
            }
            Val::View(name, items) => {
                self.out.push_str(name);
                self.sequence("([", items, "])")?;
            }
            Val::Dict(dict) => self.pairs(&dict.borrow().pairs)?,
            Val::Namespace(dict) => {
                self.out.push_str("<Namespace ");
                self.pairs(&dict.borrow().pairs)?;
                self.out.push('>');
            }
            Val::Moment(moment) => self.out.push_str(&moment_repr(moment)),
            Val::Date(date) => {
                let (year, month, day) = (date.year(), date.month(), date.day());
                let _ = write!(self.out, "datetime.date({year}, {month}, {day})");
            }
            Val::Span(span) => self.out.push_str(&span_repr(span)),
            Val::Stream(_) | Val::Function(_) | Val::Loop(_) => {
                let _ = write!(self.out, "<{}>", value.kind());
            }
        }
        self.depth -= 1;
        self.check()
    }

    fn sequence(&mut self, open: &str, items: &[Val<'_>], close: &str) -> Result<(), Fault> {
        self.out.push_str(open);
        for (position, item) in items.iter().enumerate() {
            self.out.push_str(if position == 0 { "" } else { ", " });
            self.repr(item)?;
        }
        self.push(close)
    }

    fn pairs(&mut self, pairs: &[(Val<'_>, Val<'_>)]) -> Result<(), Fault> {
        self.out.push('{');
        for (position, (key, value)) in pairs.iter().enumerate() {
            self.out.push_str(if position == 0 { "" } else { ", " });
            self.repr(key)?;
            self.out.push_str(": ");
            self.repr(value)?;
        }
        self.push("}")
    }

    /// JSON as `json.dumps` writes it: ASCII, a blank after commas and colons. `sorted` orders
    /// keys; `indent` breaks lines.
    pub fn json(
        &mut self,
        value: &Val<'_>,
        sorted: bool,
        indent: Option<usize>,
    ) -> Result<(), Fault> {
        if self.depth > MAX_NESTING {
            return Err(Fault::Failed(format!("a value nests deeper than {MAX_NESTING} levels")));
        }
        self.depth += 1;
        match value {
            Val::None => self.out.push_str("null"),
            Val::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Val::Int(int) => {
                let _ = write!(self.out, "{int}");
            }
            Val::Float(float) => self.out.push_str(&json_float(*float)),
            Val::Str(text) => json_text(text, &mut self.out),
            Val::Array(_) | Val::List(_) | Val::Tuple(_) => {
                let items = value.items()?;
                self.json_items("[", items.iter().map(|item| (None, item)), "]", sorted, indent)?;
            }
            Val::Object(_) | Val::Dict(_) => {
                let pairs = value.pairs().unwrap_or_default();
                let mut named = Vec::with_capacity(pairs.len());
                for (key, value) in &pairs {
                    named.push((Some(json_key(key)?), value));
                }
                if sorted {
                    named.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                self.json_items("{", named.into_iter(), "}", sorted, indent)?;
            }
            other => {
                let what = format!("a value of type {} has no form in JSON", other.kind());
                return Err(Fault::Type(what));
            }
        }
        self.depth -= 1;
        self.check()
    }

    fn json_items<'v, 'a: 'v>(
        &mut self,
        open: &str,
        items: impl Iterator<Item = (Option<String>, &'v Val<'a>)>,
        close: &str,
        sorted: bool,
        indent: Option<usize>,
    ) -> Result<(), Fault> {
        self.out.push_str(open);
        let mut any = false;
        for (name, item) in items {
            match (any, indent) {
                (false, None) => {}
                (true, None) => self.out.push_str(", "),
                (after, Some(width)) => {
                    self.out.push_str(if after { ",\n" } else { "\n" });
                    self.out.push_str(&" ".repeat(width.min(100) * self.depth));
                }
            }
            any = true;
            if let Some(name) = name {
                json_text(&name, &mut self.out);
                self.out.push_str(": ");
            }
            self.json(item, sorted, indent)?;
        }
        if let (true, Some(width)) = (any, indent) {
            self.out.push('\n');
            self.out.push_str(&" ".repeat(width.min(100) * (self.depth - 1)));
        }
        self.push(close)
    }
}

fn json_key(key: &Val<'_>) -> Result<String, Fault> {
    Ok(match key {
        Val::Str(text) => text.to_string(),
        Val::None => "null".to_owned(),
        Val::Bool(flag) => flag.to_string(),
        Val::Int(int) => int.to_string(),
        Val::Float(float) => json_float(*float),
        other => {
            let what = format!("a value of type {} cannot be a key in JSON", other.kind());
            return Err(Fault::Type(what));
        }
    })
}

fn json_float(value: f64) -> String {
    match () {
        () if value.is_nan() => "NaN".to_owned(),
        () if value.is_infinite() => if value < 0.0 { "-Infinity" } else { "Infinity" }.to_owned(),
        () => print::float(value),
    }
}

fn json_text(text: &str, out: &mut String) {
    let quoted = Value::String(text.to_owned()).to_string();
    if quoted.is_ascii() && !quoted.contains('\x7f') {
        out.push_str(&quoted);
        return;
    }
    for character in quoted.chars() {
        if character.is_ascii() {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
}

/// `str` of a date.
pub(in super::super) fn date_text(date: jiff::civil::Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

fn moment_repr(moment: &Moment) -> String {
    let reading = moment.reading();
    let mut text = format!(
        "datetime.datetime({}, {}, {}, {}, {}",
        reading.year(),
        reading.month(),
        reading.day(),
        reading.hour(),
        reading.minute()
    );
    let micros = moment.micros_of_second();
    if reading.second() != 0 || micros != 0 {
        let _ = write!(text, ", {}", reading.second());
    }
    if micros != 0 {
        let _ = write!(text, ", {micros}");
    }
    match moment.zone() {
        None => {}
        Some(Zone::Utc) => text.push_str(", tzinfo=datetime.timezone.utc"),
        Some(Zone::East(secs)) => {
            let span = Span::of_micros(i128::from(secs) * 1_000_000).unwrap_or_default();
            let _ = write!(text, ", tzinfo=datetime.timezone({})", span_repr(&span));
        }
    }
    text + ")"
}

fn span_repr(span: &Span) -> String {
    let (days, secs, micros) = span.parts();
    if !span.is_exact() {
        let (years, months) = span.calendar();
        return format!(
            "isodate.duration.Duration({days}, {secs}, {micros}, years={years}, months={months})"
        );
    }
    let named = [("days", days), ("seconds", secs), ("microseconds", micros)];
    let parts: Vec<_> = named
        .into_iter()
        .filter(|(_, count)| *count != 0)
        .map(|(name, count)| format!("{name}={count}"))
        .collect();
    match parts.is_empty() {
        true => "datetime.timedelta(0)".to_owned(),
        false => format!("datetime.timedelta({})", parts.join(", ")),
    }
}
