//! What a rendered text means: Python's literals, read as `ast.literal_eval` reads them.
//!
//! The reference passes every text it renders through that function, so `True` becomes a boolean,
//! `[1, 2]` and `1, 2` become lists, `1_0` becomes ten, and `007` stays text. What has no form in
//! JSON - sets, bytes, complex numbers, numbers beyond 64 bits - stays the text it was.

use serde_json::{Map, Number, Value};

use super::print;

/// Deepest nesting of brackets that is read; deeper texts stay text.
const MAX_NESTING: usize = 90;

/// A literal of Python that JSON can hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Dict(Vec<(Self, Self)>),
}

impl Literal {
    /// Reads a whole text, or says that it is no literal.
    pub fn parse(text: &str) -> Option<Self> {
        if !may_be_literal(text) {
            return None;
        }
        let text = text.trim_start_matches([' ', '\t']);
        let mut reader = Reader { rest: text, depth: 0 };
        reader.skip_blank_lines();
        let first = reader.expression()?;
        let value = if reader.take(',') { reader.tuple_after(first, None)? } else { first };
        reader.skip_to_end()?;
        Some(value)
    }

    /// As JSON. `None` when it has no such form.
    pub fn into_json(self) -> Option<Value> {
        Some(match self {
            Self::None => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Int(int) => Value::Number(Number::from_i128(int)?),
            Self::Float(float) => Value::Number(Number::from_f64(float)?),
            Self::Str(text) => Value::String(text),
            Self::List(items) | Self::Tuple(items) => {
                Value::Array(items.into_iter().map(Self::into_json).collect::<Option<_>>()?)
            }
            Self::Dict(pairs) => {
                let mut object = Map::new();
                for (key, value) in pairs {
                    object.insert(key.into_key()?, value.into_json()?);
                }
                Value::Object(object)
            }
        })
    }

    /// As a key of a JSON object, as `json.dumps` writes one.
    fn into_key(self) -> Option<String> {
        match self {
            Self::Str(text) => Some(text),
            Self::None => Some("null".to_owned()),
            Self::Bool(flag) => Some(flag.to_string()),
            Self::Int(int) => Some(int.to_string()),
            Self::Float(float) => Some(print::float(float)),
            Self::List(_) | Self::Tuple(_) | Self::Dict(_) => None,
        }
    }

    /// As Python's `str` prints it.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Str(text) => out.push_str(text),
            other => other.repr(&mut out),
        }
        out
    }

    fn repr(&self, out: &mut String) {
        match self {
            Self::None => out.push_str("None"),
            Self::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
            Self::Int(int) => out.push_str(&int.to_string()),
            Self::Float(float) => out.push_str(&print::float(*float)),
            Self::Str(text) => print::quoted(text, out),
            Self::List(items) => {
                out.push('[');
                Self::repr_all(items, out);
                out.push(']');
            }
            Self::Tuple(items) => {
                out.push('(');
                Self::repr_all(items, out);
                out.push_str(if items.len() == 1 { ",)" } else { ")" });
            }
            Self::Dict(pairs) => {
                out.push('{');
                for (position, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if position == 0 { "" } else { ", " });
                    key.repr(out);
                    out.push_str(": ");
                    value.repr(out);
                }
                out.push('}');
            }
        }
    }

    fn repr_all(items: &[Self], out: &mut String) {
        for (position, item) in items.iter().enumerate() {
            out.push_str(if position == 0 { "" } else { ", " });
            item.repr(out);
        }
    }

    /// Whether a text makes a condition false. (`set()` is not text there, but false as well.)
    pub fn text_is_false(text: &str) -> bool {
        matches!(text, "False" | "false" | "{}" | "[]" | "()" | "" | "0" | "0.0" | "set()")
    }

    /// Whether it is one of the values that make a condition false.
    pub fn is_false(&self) -> bool {
        match self {
            Self::None => true,
            Self::Bool(flag) => !flag,
            Self::Int(int) => *int == 0,
            Self::Float(float) => *float == 0.0,
            Self::Str(text) => Self::text_is_false(text),
            Self::List(items) | Self::Tuple(items) => items.is_empty(),
            Self::Dict(pairs) => pairs.is_empty(),
        }
    }
}

/// Most texts are none, and their first character tells.
fn may_be_literal(text: &str) -> bool {
    matches!(
        text.as_bytes().first(),
        Some(
            b'0'..=b'9'
                | b'"'
                | b'\''
                | b'['
                | b'('
                | b'{'
                | b'+'
                | b'-'
                | b'.'
                | b' '
                | b'\t'
                | b'\n'
                | b'\r'
                | b'\x0c'
                | b'#'
                | b'\\'
                | b'T'
                | b'F'
                | b'N'
                | b'r'
                | b'R'
                | b'u'
                | b'U'
        )
    )
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Reader<'t> {
    /// Skips blanks, and where brackets are open line ends and comments, too.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\x0c']);
            if let Some(rest) =
                self.rest.strip_prefix("\\\n").or_else(|| self.rest.strip_prefix("\\\r\n"))
            {
                self.rest = rest;
            } else if self.depth > 0 && self.rest.starts_with(['\n', '\r']) {
                self.rest = self.rest.trim_start_matches(['\n', '\r']);
            } else if self.depth > 0 && self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.rest = &self.rest[end..];
            } else {
                return;
            }
        }
    }

    /// Lines before the first that hold nothing, or a comment only.
    fn skip_blank_lines(&mut self) {
        loop {
            let line = self.rest.split('\n').next().unwrap_or("");
            let text = line.trim_matches([' ', '\t', '\x0c', '\r']);
            if !(text.is_empty() || text.starts_with('#')) || line.len() == self.rest.len() {
                return;
            }
            self.rest = &self.rest[line.len() + 1..];
        }
    }

    /// Nothing but blanks, line ends and comments may follow.
    fn skip_to_end(&mut self) -> Option<()> {
        self.depth = 1;
        self.skip();
        self.rest.is_empty().then_some(())
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn open(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_NESTING).then_some(())
    }

    fn expression(&mut self) -> Option<Literal> {
        self.skip();
        let first = self.rest.chars().next()?;
        match first {
            '0'..='9' | '.' => self.number(),
            '+' | '-' => self.signed(first == '-'),
            '[' => {
                self.rest = &self.rest[1..];
                self.open()?;
                let items = self.items(']')?;
                Some(Literal::List(items))
            }
            '(' => self.parenthesised(),
            '{' => self.dict(),
            '"' | '\'' => self.strings(),
            _ => self.word(),
        }
    }

    fn signed(&mut self, negative: bool) -> Option<Literal> {
        self.rest = &self.rest[1..];
        self.skip();
        // `-(5)` is a sign before a constant, too; `--5` is not.
        let value = match self.rest.chars().next()? {
            '0'..='9' | '.' => self.number()?,
            '(' => self.parenthesised()?,
            _ => return None,
        };
        match value {
            Literal::Int(int) => Some(Literal::Int(if negative { -int } else { int })),
            Literal::Float(float) => Some(Literal::Float(if negative { -float } else { float })),
            _ => None,
        }
    }

    fn parenthesised(&mut self) -> Option<Literal> {
        self.rest = &self.rest[1..];
        self.open()?;
        if self.take(')') {
            self.depth -= 1;
            return Some(Literal::Tuple(Vec::new()));
        }
        let first = self.expression()?;
        let value = if self.take(',') {
            self.tuple_after(first, Some(')'))?
        } else {
            self.take(')').then_some(first)?
        };
        self.depth -= 1;
        Some(value)
    }

    /// The rest of a tuple after its first comma, up to `end` or the end of the text.
    fn tuple_after(&mut self, first: Literal, end: Option<char>) -> Option<Literal> {
        let mut items = vec![first];
        loop {
            self.skip();
            match end {
                Some(end) if self.take(end) => break,
                None if self.rest.is_empty() || self.rest.starts_with(['\n', '#', '\r']) => break,
                _ => {}
            }
            items.push(self.expression()?);
            if !self.take(',') {
                if let Some(end) = end {
                    self.take(end).then_some(())?;
                }
                break;
            }
        }
        Some(Literal::Tuple(items))
    }

    fn items(&mut self, end: char) -> Option<Vec<Literal>> {
        let mut items = Vec::new();
        while !self.take(end) {
            items.push(self.expression()?);
            if !self.take(',') {
                self.take(end).then_some(())?;
                break;
            }
        }
        self.depth -= 1;
        Some(items)
    }

    /// A dict; a set has no form in JSON.
    fn dict(&mut self) -> Option<Literal> {
        self.rest = &self.rest[1..];
        self.open()?;
        let mut pairs: Vec<(Literal, Literal)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        while !self.take('}') {
            let key = self.expression()?;
            self.take(':').then_some(())?;
            let value = self.expression()?;
            // A later pair of the same key wins, at the place of the first.
            let place = *places.entry(hashable(&key)?).or_insert(pairs.len());
            match pairs.get_mut(place) {
                Some(pair) => pair.1 = value,
                None => pairs.push((key, value)),
            }
            if !self.take(',') {
                self.take('}').then_some(())?;
                break;
            }
        }
        self.depth -= 1;
        Some(Literal::Dict(pairs))
    }

    fn number(&mut self) -> Option<Literal> {
        let end = number_end(self.rest);
        let (text, rest) = self.rest.split_at(end);
        let number = number(text)?;
        // `1j` is complex, `1x` is nothing.
        if rest.starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '.') {
            return None;
        }
        self.rest = rest;
        Some(number)
    }

    fn word(&mut self) -> Option<Literal> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let value = match word {
            "None" => Literal::None,
            "True" => Literal::Bool(true),
            "False" => Literal::Bool(false),
            "r" | "R" | "u" | "U" if rest.starts_with(['"', '\'']) => return self.strings(),
            _ => return None,
        };
        self.rest = rest;
        Some(value)
    }

    /// One or more strings beside each other are one.
    fn strings(&mut self) -> Option<Literal> {
        let mut text = String::new();
        loop {
            let raw = self.rest.starts_with(['r', 'R']);
            let body = self.rest.trim_start_matches(['r', 'R', 'u', 'U']);
            if self.rest.len() - body.len() > 1 || !body.starts_with(['"', '\'']) {
                return None;
            }
            self.rest = string(body, raw, &mut text)?;
            self.skip();
            let prefixed = self.rest.strip_prefix(['r', 'R', 'u', 'U']).unwrap_or(self.rest);
            if !prefixed.starts_with(['"', '\'']) {
                return Some(Literal::Str(text));
            }
        }
    }
}

/// A form under which equal keys of Python are equal; lists and dicts are no keys.
fn hashable(key: &Literal) -> Option<String> {
    Some(match key {
        Literal::Bool(flag) => i128::from(*flag).to_string(),
        Literal::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => {
            format!("{float:.0}")
        }
        Literal::List(_) | Literal::Dict(_) => return None,
        Literal::Tuple(items) => {
            let items: Option<Vec<_>> = items.iter().map(hashable).collect();
            format!("({})", items?.join(","))
        }
        other => {
            let mut text = String::new();
            other.repr(&mut text);
            text
        }
    })
}

fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    if matches!(bytes, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]) {
        return 2 + bytes[2..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
    }
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let exponent_sign = matches!(byte, b'+' | b'-')
            && matches!(bytes.get(end.wrapping_sub(1)), Some(b'e' | b'E'));
        if !(matches!(byte, b'0'..=b'9' | b'_' | b'.' | b'e' | b'E') || exponent_sign) {
            break;
        }
        end += 1;
    }
    end
}

/// A number without its sign, by Python's rules on underscores and leading zeros.
pub(super) fn number(text: &str) -> Option<Literal> {
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let digits = digits.strip_prefix('_').unwrap_or(digits);
            return i128::from_str_radix(&grouped(digits)?, radix).ok().map(Literal::Int);
        }
    }
    if lower.contains(['.', 'e']) {
        return float(&lower).map(Literal::Float);
    }
    let digits = grouped(text)?;
    if digits.starts_with('0') && digits.bytes().any(|digit| digit != b'0') {
        return None;
    }
    digits.parse().ok().map(Literal::Int)
}

fn float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    if whole.is_empty() && fraction.is_none_or(str::is_empty) {
        return None;
    }
    let part = |digits: &str| match digits {
        "" => Some(String::new()),
        digits => grouped(digits),
    };
    let mut plain = part(whole)?;
    plain.push('.');
    plain.push_str(&part(fraction.unwrap_or(""))?);
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        plain.push('e');
        plain.push_str(if exponent.starts_with('-') { "-" } else { "" });
        plain.push_str(&grouped(digits)?);
    }
    plain.parse().ok()
}

/// Digits with single underscores between them.
fn grouped(digits: &str) -> Option<String> {
    let wrong = digits.is_empty()
        || digits.starts_with('_')
        || digits.ends_with('_')
        || digits.contains("__")
        || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (!wrong).then(|| digits.replace('_', ""))
}

/// Reads a quoted text into `out` and gives what follows it.
fn string<'t>(text: &'t str, raw: bool, out: &mut String) -> Option<&'t str> {
    let quote = text.chars().next()?;
    let triple = text.starts_with(if quote == '"' { "\"\"\"" } else { "'''" });
    let end = if triple { &text[..3] } else { &text[..1] };
    let mut rest = &text[end.len()..];
    loop {
        if let Some(after) = rest.strip_prefix(end) {
            return Some(after);
        }
        let next = rest.chars().next()?;
        match next {
            '\n' | '\r' if !triple => return None,
            '\0' => return None,
            '\\' if raw => {
                out.push('\\');
                let escaped = rest[1..].chars().next()?;
                out.push(escaped);
                rest = &rest[1 + escaped.len_utf8()..];
            }
            '\\' => rest = escape(&rest[1..], out)?,
            other => {
                out.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
}

/// One escape after its backslash. Names of characters and lone surrogates are not read.
pub(super) fn escape<'t>(text: &'t str, out: &mut String) -> Option<&'t str> {
    let first = text.chars().next()?;
    let plain = match first {
        '\n' => return Some(&text[1..]),
        '\\' | '\'' | '"' => first,
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '0'..='7' => {
            let digits = text.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte));
            let length = digits.count();
            let code = u32::from_str_radix(&text[..length], 8).ok()?;
            out.push(char::from_u32(code)?);
            return Some(&text[length..]);
        }
        'x' | 'u' | 'U' => {
            let length = match first {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let digits = text.get(1..=length)?;
            if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
            return Some(&text[1 + length..]);
        }
        'N' => return None,
        other => {
            out.push('\\');
            other
        }
    };
    out.push(plain);
    Some(&text[first.len_utf8()..])
}
