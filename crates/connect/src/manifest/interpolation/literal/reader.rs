//! Brackets, words and what stands between them.

use super::{
    Literal,
    scalars::{number, number_end, string},
};

/// Deepest nesting of brackets that is read; deeper texts stay text.
const MAX_NESTING: usize = 90;

/// Reads a whole text.
pub(super) fn read(text: &str) -> Option<Literal> {
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
