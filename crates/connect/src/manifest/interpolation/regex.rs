//! Regular expressions of Python, bounded in the work they may do.

use std::{cell::RefCell, rc::Rc};

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::{MAX_TEXT_BYTES, program::Fault};

/// Most steps back an expression may take.
const MAX_BACKTRACKS: usize = 1_000_000;
/// Largest compiled form, in bytes.
const MAX_COMPILED_BYTES: usize = 4 * 1024 * 1024;

/// Most expressions kept compiled on a thread.
const MAX_RECENT: usize = 16;

/// The first group of a search.
pub(super) enum Group {
    Text(String),
    /// The expression has a group that took no part.
    Unmatched,
    /// Nothing was found, or the expression has no group.
    Absent,
}

fn failed(error: &fancy_regex::Error) -> Fault {
    Fault::Failed(format!("the regular expression cannot be used: {error}"))
}

thread_local! {
    /// The expressions used last, newest last: a manifest uses few, for every record.
    static RECENT: RefCell<Vec<(String, Rc<Regex>)>> = const { RefCell::new(Vec::new()) };
}

fn compile(pattern: &str, text: &str) -> Result<Rc<Regex>, Fault> {
    let pattern = translated(pattern, text.ends_with('\n'));
    let known = RECENT.with_borrow(|recent| {
        let found = recent.iter().find(|(known, _)| *known == pattern);
        found.map(|(_, regex)| Rc::clone(regex))
    });
    if let Some(regex) = known {
        return Ok(regex);
    }
    let regex = RegexBuilder::new(&pattern)
        .backtrack_limit(MAX_BACKTRACKS)
        .delegate_size_limit(MAX_COMPILED_BYTES)
        .build()
        .map_err(|error| failed(&error))?;
    let regex = Rc::new(regex);
    RECENT.with_borrow_mut(|recent| {
        if recent.len() >= MAX_RECENT {
            recent.remove(0);
        }
        recent.push((pattern, Rc::clone(&regex)));
    });
    Ok(regex)
}

/// Python's `\Z` and its `$`, which also stands before a last line end.
fn translated(pattern: &str, line_end: bool) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut characters = pattern.chars();
    let mut class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('Z') => out.push_str("\\z"),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            '$' if !class && line_end => out.push_str("(?:$|(?=\\n\\z))"),
            character => {
                class = match character {
                    '[' => true,
                    ']' => false,
                    _ => class,
                };
                out.push(character);
            }
        }
    }
    out
}

/// `re.search(pattern, text).group(1)`
pub(super) fn search(pattern: &str, text: &str) -> Result<Group, Fault> {
    let regex = compile(pattern, text)?;
    let Some(found) = regex.captures(text).map_err(|error| failed(&error))? else {
        return Ok(Group::Absent);
    };
    Ok(match (found.len(), found.get(1)) {
        (1, _) => Group::Absent,
        (_, None) => Group::Unmatched,
        (_, Some(group)) => Group::Text(group.as_str().to_owned()),
    })
}

/// `re.sub(pattern, by, text)`. An empty match may follow another match at once, but not an
/// empty one.
pub(super) fn replace(pattern: &str, text: &str, by: &str) -> Result<String, Fault> {
    let regex = compile(pattern, text)?;
    let mut out = String::with_capacity(text.len());
    let (mut at, mut copied, mut empty) = (0, 0, None);
    while at <= text.len() {
        let found = regex.captures_from_pos(text, at).map_err(|error| failed(&error))?;
        let Some(found) = found else { break };
        let Some(whole) = found.get(0) else { break };
        if whole.start() == whole.end() && empty == Some(whole.start()) {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        out.push_str(&text[copied..whole.start()]);
        expand(by, &found, &mut out)?;
        if out.len() > MAX_TEXT_BYTES {
            return Err(Fault::Failed("`regex_replace` makes too long a text".to_owned()));
        }
        (at, copied) = (whole.end(), whole.end());
        empty = (whole.start() == whole.end()).then_some(whole.start());
    }
    out.push_str(&text[copied..]);
    Ok(out)
}

/// A replacement with its `\1`, `\g<name>` and escapes.
fn expand(by: &str, found: &Captures<'_, str>, out: &mut String) -> Result<(), Fault> {
    let mut rest = by;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(next) = rest.chars().next() else {
            return Err(Fault::Failed("the replacement ends in a lone backslash".to_owned()));
        };
        if let Some(named) = rest.strip_prefix("g<") {
            let Some((name, after)) = named.split_once('>') else {
                return Err(Fault::Failed("`\\g<` of the replacement is not closed".to_owned()));
            };
            let group = match name.parse() {
                Ok(number) => number_of(found, number)?,
                Err(_) => found.name(name),
            };
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = after;
        } else if matches!(next, '1'..='9') {
            let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
            let number = rest[..digits].parse().unwrap_or(0);
            out.push_str(number_of(found, number)?.map_or("", |group| group.as_str()));
            rest = &rest[digits..];
        } else {
            let plain = match next {
                '\\' => '\\',
                'a' => '\x07',
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\x0b',
                '0' => '\0',
                other if other.is_ascii_alphabetic() => {
                    let what = format!("`\\{other}` has no meaning in a replacement");
                    return Err(Fault::Failed(what));
                }
                other => {
                    out.push('\\');
                    other
                }
            };
            out.push(plain);
            rest = &rest[next.len_utf8()..];
        }
    }
    out.push_str(rest);
    Ok(())
}

fn number_of<'t>(
    found: &Captures<'t, str>,
    number: usize,
) -> Result<Option<fancy_regex::Match<'t>>, Fault> {
    if number >= found.len() {
        return Err(Fault::Failed(format!("the replacement names group {number}; there is none")));
    }
    Ok(found.get(number))
}
