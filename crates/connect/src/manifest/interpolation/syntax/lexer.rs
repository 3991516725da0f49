//! Text to tokens, with Jinja2's rules on whitespace around tags.

use super::super::literal::{self, Literal};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Text(String),
    VarBegin,
    VarEnd,
    BlockBegin,
    BlockEnd,
    Name(String),
    Str(String),
    Int(i128),
    Float(f64),
    Op(&'static str),
    End,
}

impl Token {
    /// As an error shows it.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(_) => "text".to_owned(),
            Self::VarBegin => "`{{`".to_owned(),
            Self::VarEnd => "`}}`".to_owned(),
            Self::BlockBegin => "`{%`".to_owned(),
            Self::BlockEnd => "`%}`".to_owned(),
            Self::Name(name) => format!("`{name}`"),
            Self::Str(text) => format!("the text `{text}`"),
            Self::Int(int) => format!("`{int}`"),
            Self::Float(float) => format!("`{float}`"),
            Self::Op(op) => format!("`{op}`"),
            Self::End => "the end of the text".to_owned(),
        }
    }
}

/// Longest first.
const OPERATORS: [&str; 25] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",",
];

/// The tokens of a text, each with the line it begins on.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, String> {
    let mut source = text.replace("\r\n", "\n").replace('\r', "\n");
    // Jinja leaves out one line end at the end.
    if source.ends_with('\n') {
        source.pop();
    }
    let mut lexer = Lexer { source: &source, at: 0, tokens: Vec::new() };
    lexer.text()?;
    let line = lexer.line(source.len());
    lexer.tokens.push((Token::End, line));
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    source: &'t str,
    at: usize,
    tokens: Vec<(Token, usize)>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.source[self.at..]
    }

    fn line(&self, at: usize) -> usize {
        self.source[..at].matches('\n').count() + 1
    }

    fn push(&mut self, token: Token) {
        // Lines are counted only where they matter: a tag's tokens share the line it begins on.
        let line = match (&token, self.tokens.last()) {
            (Token::VarBegin | Token::BlockBegin | Token::Text(_), _) | (_, None) => {
                self.line(self.at)
            }
            (_, Some((_, line))) => *line,
        };
        self.tokens.push((token, line));
    }

    fn push_text(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(Token::Text(text.to_owned()));
        }
    }

    /// Text outside tags, to the end.
    fn text(&mut self) -> Result<(), String> {
        loop {
            let rest = self.rest();
            let found = rest.match_indices('{').find_map(|(at, _)| {
                let mark = rest.as_bytes().get(at + 1)?;
                matches!(mark, b'{' | b'%' | b'#').then_some((at, *mark))
            });
            let Some((begin, mark)) = found else {
                self.push_text(rest);
                return Ok(());
            };
            let sign = rest.as_bytes().get(begin + 2).filter(|sign| matches!(sign, b'-' | b'+'));
            let text = &rest[..begin];
            let text = if sign == Some(&b'-') { text.trim_end() } else { text };
            self.push_text(text);
            let inside = begin + 2 + usize::from(sign.is_some());
            match mark {
                b'#' => self.comment(inside)?,
                b'%' => match raw_begin(&rest[inside..]) {
                    Some(length) => self.raw(inside + length)?,
                    None => {
                        self.push(Token::BlockBegin);
                        self.at += inside;
                        self.tag("%}", Token::BlockEnd)?;
                    }
                },
                _ => {
                    self.push(Token::VarBegin);
                    self.at += inside;
                    self.tag("}}", Token::VarEnd)?;
                }
            }
        }
    }

    fn comment(&mut self, inside: usize) -> Result<(), String> {
        let rest = &self.rest()[inside..];
        let Some(end) = rest.find("#}") else {
            return Err(format!("the comment on line {} has no `#}}`", self.line(self.at)));
        };
        let stripped = rest[..end].ends_with('-');
        self.at += inside + end + 2;
        self.skip_blanks_if(stripped);
        Ok(())
    }

    fn skip_blanks_if(&mut self, stripped: bool) {
        if stripped {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
        }
    }

    /// Text up to `{% endraw %}`, as it is.
    fn raw(&mut self, inside: usize) -> Result<(), String> {
        let rest = &self.rest()[inside..];
        for (begin, _) in rest.match_indices("{%") {
            let tag = &rest[begin + 2..];
            let sign = tag.as_bytes().first().filter(|sign| matches!(sign, b'-' | b'+'));
            let body = tag[usize::from(sign.is_some())..].trim_start();
            let Some(body) = body.strip_prefix("endraw").map(str::trim_start) else { continue };
            let stripped = body.starts_with('-');
            let Some(after) = body.strip_prefix(['-', '+']).unwrap_or(body).strip_prefix("%}")
            else {
                continue;
            };
            let text = &rest[..begin];
            let text = if sign == Some(&b'-') { text.trim_end() } else { text };
            self.push_text(text);
            self.at = self.source.len() - after.len();
            self.skip_blanks_if(stripped);
            return Ok(());
        }
        Err(format!("the raw block on line {} has no `{{% endraw %}}`", self.line(self.at)))
    }

    /// The tokens of a tag, up to its end where no bracket is open.
    fn tag(&mut self, end: &'static str, token: Token) -> Result<(), String> {
        let mut open = Vec::new();
        loop {
            let rest = self.rest();
            if open.is_empty() {
                let stripped = rest.starts_with('-') && rest[1..].starts_with(end);
                let kept = end == "%}" && rest.starts_with('+') && rest[1..].starts_with(end);
                if stripped || kept || rest.starts_with(end) {
                    self.push(token);
                    self.at += end.len() + usize::from(stripped || kept);
                    self.skip_blanks_if(stripped);
                    return Ok(());
                }
            }
            let Some(first) = rest.chars().next() else {
                // The parser says what is missing.
                return Ok(());
            };
            if first.is_whitespace() {
                self.at += first.len_utf8();
            } else if first.is_ascii_digit() {
                self.number()?;
            } else if first.is_alphanumeric() || first == '_' {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let name = &rest[..end.unwrap_or(rest.len())];
                self.push(Token::Name(name.to_owned()));
                self.at += name.len();
            } else if matches!(first, '"' | '\'') {
                self.string(first)?;
            } else {
                self.operator(&mut open)?;
            }
        }
    }

    fn operator(&mut self, open: &mut Vec<&'static str>) -> Result<(), String> {
        let rest = self.rest();
        let Some(op) = OPERATORS.into_iter().find(|op| rest.starts_with(op)) else {
            let first: String = rest.chars().take(1).collect();
            return Err(format!("`{first}` on line {} has no meaning there", self.line(self.at)));
        };
        match op {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" if open.pop() != Some(op) => {
                return Err(format!("`{op}` on line {} closes nothing", self.line(self.at)));
            }
            _ => {}
        }
        self.push(Token::Op(op));
        self.at += op.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let digits = |from: usize| {
            let tail = &bytes[from.min(bytes.len())..];
            tail.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'_').count()
        };
        let radix = matches!(bytes, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
        let after_dot = self.at > 0 && self.source.as_bytes()[self.at - 1] == b'.';
        let mut end = if radix {
            2 + bytes[2..].iter().take_while(|b| b.is_ascii_hexdigit() || **b == b'_').count()
        } else {
            digits(0)
        };
        if !radix && !after_dot {
            if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
                end += 1 + digits(end + 1);
            }
            if matches!(bytes.get(end), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
                let exponent = digits(end + 1 + sign);
                end += if exponent > 0 { 1 + sign + exponent } else { 0 };
            }
        }
        match literal::number(&rest[..end]) {
            Some(Literal::Int(int)) => self.push(Token::Int(int)),
            Some(Literal::Float(float)) => self.push(Token::Float(float)),
            _ => {
                let line = self.line(self.at);
                return Err(format!("`{}` on line {line} is no number", &rest[..end]));
            }
        }
        self.at += end;
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), String> {
        let wrong = |what: &str| format!("the text on line {} {what}", self.line(self.at));
        let mut rest = &self.rest()[1..];
        let mut text = String::new();
        loop {
            let Some(next) = rest.chars().next() else { return Err(wrong("is not closed")) };
            rest = &rest[next.len_utf8()..];
            match next {
                '\\' => {
                    rest = literal::escape(rest, &mut text)
                        .ok_or_else(|| wrong("has an escape that cannot be read"))?;
                }
                next if next == quote => break,
                next => text.push(next),
            }
        }
        let end = self.source.len() - rest.len();
        self.push(Token::Str(text));
        self.at = end;
        Ok(())
    }
}

/// The length of ` raw %}` after the opening mark, blanks that are stripped included.
fn raw_begin(tag: &str) -> Option<usize> {
    let body = tag.trim_start().strip_prefix("raw")?.trim_start();
    let after = match body.strip_prefix("-%}") {
        Some(after) => after.trim_start(),
        None => body.strip_prefix("%}")?,
    };
    Some(tag.len() - after.len())
}
