//! Just enough of Rust's lexical grammar to tell code from comments and literals.

/// A Rust file, split.
pub struct Lexed {
    /// The text with comments blanked and the inside of literals replaced by `.`; every line
    /// break stays where it was, so that line numbers hold.
    pub code: String,
    /// String literals with the line they begin on, without quotes, escapes left as they are.
    pub strings: Vec<(usize, String)>,
    /// The line on which the test part begins; beyond the end when there is none.
    pub tests_from: usize,
}

/// Splits a Rust file.
pub fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer { rest: text, code: String::new(), strings: Vec::new(), line: 1 };
    while !lexer.rest.is_empty() {
        lexer.next();
    }
    let Lexer { code, strings, .. } = lexer;
    let attribute = "#[cfg(test)]";
    let tests = code.lines().collect::<Vec<_>>().windows(2).position(|pair| {
        let [first, second] = pair else { return false };
        // A single `#[cfg(test)] fn` in the middle of a file does not begin its test part.
        first.trim() == attribute && second.trim_start().starts_with("mod ")
    });
    let tests_from = tests.map_or(usize::MAX, |index| index + 1);
    Lexed { code, strings, tests_from }
}

struct Lexer<'a> {
    rest: &'a str,
    code: String,
    strings: Vec<(usize, String)>,
    line: usize,
}

impl Lexer<'_> {
    fn next(&mut self) {
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take(end, |_| ' ');
        } else if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest), |_| ' ');
        } else if let Some((open, close, has_escapes)) = string_start(self.rest, self.last()) {
            self.string(open, &close, has_escapes);
        } else if let Some(length) = character(self.rest) {
            self.take(length, |_| '.');
        } else {
            self.take(self.rest.chars().next().map_or(1, char::len_utf8), |kept| kept);
        }
    }

    fn last(&self) -> Option<char> {
        self.code.chars().next_back()
    }

    fn string(&mut self, open: usize, close: &str, has_escapes: bool) {
        let begun = self.line;
        self.take(open, |kept| kept);
        let length = string_length(self.rest, close, has_escapes);
        self.strings.push((begun, self.rest.get(..length).unwrap_or_default().to_owned()));
        self.take(length, |inside| if inside.is_whitespace() { inside } else { '.' });
        self.take(close.len().min(self.rest.len()), |kept| kept);
    }

    /// Moves bytes over to the code, one character at a time, line breaks untouched.
    fn take(&mut self, length: usize, replace: impl Fn(char) -> char) {
        let (taken, rest) = self.rest.split_at(length);
        for each in taken.chars() {
            if each == '\n' {
                self.line += 1;
                self.code.push('\n');
            } else {
                self.code.push(replace(each));
            }
        }
        self.rest = rest;
    }
}

/// Block comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            let Some(next) = rest.chars().next() else { break };
            at += next.len_utf8();
        }
    }
    text.len()
}

/// The length of what opens a string literal here, what closes it, and whether `\` escapes.
fn string_start(text: &str, before: Option<char>) -> Option<(usize, String, bool)> {
    let is_inside_a_name = before.is_some_and(|last| last.is_alphanumeric() || last == '_');
    let unprefixed = text.trim_start_matches(['b', 'c', 'r']);
    let prefix = text.len() - unprefixed.len();
    if prefix > 2 || (prefix > 0 && is_inside_a_name) {
        return None;
    }
    let is_raw = text.get(..prefix)?.contains('r');
    let unhashed = unprefixed.trim_start_matches('#');
    let hashes = unprefixed.len() - unhashed.len();
    if !unhashed.starts_with('"') || (hashes > 0 && !is_raw) {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    Some((prefix + hashes + 1, close, !is_raw))
}

fn string_length(text: &str, close: &str, has_escapes: bool) -> usize {
    let mut is_escaped = false;
    for (at, each) in text.char_indices() {
        if !is_escaped && text.get(at..).is_some_and(|rest| rest.starts_with(close)) {
            return at;
        }
        is_escaped = has_escapes && each == '\\' && !is_escaped;
    }
    text.len()
}

/// The length of a character literal here; a lifetime (`'a`) is none.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let mut characters = inside.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        // `'\''`, `'\\'`, `'\u{1f600}'`: the quote that closes is not the escaped one.
        let end = inside.get(2..)?.find('\'')? + 2;
        return Some(1 + end + 1);
    }
    let (at, second) = characters.next()?;
    (second == '\'').then_some(1 + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_vanish_and_literals_are_masked() {
        let source = "let a = \"x // y\"; // z\n/* a /* b */ \" */ let c = 'q';\n";
        let lexed = lex(source);
        assert_eq!(lexed.code.lines().count(), 2);
        assert_eq!(lexed.code.lines().next().unwrap().trim_end(), "let a = \". .. .\";");
        assert_eq!(lexed.code.lines().nth(1).unwrap().trim(), "let c = ...;");
        assert_eq!(lexed.strings, [(1, "x // y".to_owned())]);
    }

    #[test]
    fn quotes_inside_literals_do_not_end_them() {
        let lexed = lex(r####"f("a\"b\\", r#"c"d"#, b"e", '"', '\'', '\u{41}', "g")"####);
        let strings: Vec<&str> = lexed.strings.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(strings, [r#"a\"b\\"#, r#"c"d"#, "e", "g"]);
    }

    #[test]
    fn lifetimes_are_not_characters_and_names_are_not_prefixes() {
        let lexed = lex("fn f<'a, 'b>(x: &'a str) { bar(\"s\"); r#type }");
        assert_eq!(lexed.strings.len(), 1);
        assert!(lexed.code.contains("<'a, 'b>(x: &'a str)"));
        assert!(lexed.code.contains("r#type"));
    }

    #[test]
    fn lines_are_those_of_the_source() {
        let lexed = lex("a\n\"one\ntwo\"\n\"three\"\n#[cfg(test)]\nmod tests {}\n");
        assert_eq!(lexed.strings[1], (4, "three".to_owned()));
        assert_eq!(lexed.tests_from, 5);
        assert_eq!(lex("#[cfg(test)]\nfn one() {}\n").tests_from, usize::MAX);
    }
}
