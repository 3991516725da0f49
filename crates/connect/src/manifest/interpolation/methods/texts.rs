//! Methods of `str`.

use super::{
    super::{
        MAX_TEXT_BYTES,
        program::Fault,
        run::{Arguments, Done, argument_text as text, flag, int},
        values::{Shower, Str, Val},
    },
    format, unknown,
};

/// Longest padding a method makes.
const MAX_WIDTH: i128 = 100_000;

pub(super) fn call<'a>(this: &Str<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    match name {
        "lower" | "upper" | "capitalize" | "title" | "swapcase" | "casefold" => {
            args.none()?;
            Ok(Val::text(cased(this, name)))
        }
        "strip" | "lstrip" | "rstrip" => stripped(this, name, args),
        "split" | "rsplit" => split(this, name, args),
        "splitlines" => {
            let [keep] = args.bind(["keepends"])?;
            let lines = split_lines(this, flag(keep.as_ref()));
            Ok(Val::list(lines.into_iter().map(Val::text).collect()))
        }
        "partition" | "rpartition" => partition(this, name, args),
        "startswith" | "endswith" => begins(this, name, args),
        "find" | "rfind" | "index" | "rindex" | "count" => found(this, name, args),
        "replace" => {
            let [old, new, count] = args.bind(["old", "new", "count"])?;
            let (Some(old), Some(new)) = (old, new) else {
                return Err(Fault::Type("`replace` wants what and by what".to_owned()));
            };
            let (old, new) = (text(&old, "replace")?, text(&new, "replace")?);
            replaced(this, old, new, int(count.as_ref(), -1)?).map(Val::text)
        }
        "removeprefix" | "removesuffix" => {
            let [part] = args.exactly(["part"])?;
            let part = text(&part, name)?;
            let rest = match name {
                "removeprefix" => this.strip_prefix(part),
                _ => this.strip_suffix(part),
            };
            Ok(Val::text(rest.unwrap_or(this)))
        }
        "join" => {
            let [items] = args.exactly(["iterable"])?;
            let mut shower = Shower::default();
            for (position, item) in items.items()?.iter().enumerate() {
                shower.push(if position == 0 { "" } else { this })?;
                shower.push(text(item, "join")?)?;
            }
            Ok(Val::text(shower.into_text()))
        }
        "center" | "ljust" | "rjust" | "zfill" => padded(this, name, args),
        "format" => format::format(this, &args).map(Val::text),
        "format_map" => {
            let [mapping] = args.exactly(["mapping"])?;
            format::format_map(this, &mapping).map(Val::text)
        }
        "expandtabs" => {
            let [size] = args.bind(["tabsize"])?;
            let size = int(size.as_ref(), 8)?.clamp(0, 100);
            Ok(Val::text(tabs_expanded(this, usize::try_from(size).unwrap_or(0))))
        }
        _ if name.starts_with("is") => {
            args.none()?;
            Ok(Val::Bool(is_all(this, name)))
        }
        _ => Err(unknown(&Val::Str(this.clone()), name)),
    }
}

fn cased(text: &str, name: &str) -> String {
    match name {
        "lower" | "casefold" => text.to_lowercase(),
        "upper" => text.to_uppercase(),
        "capitalize" => capitalized(text),
        "swapcase" => text
            .chars()
            .flat_map(|c| match c.is_uppercase() {
                true => c.to_lowercase().collect::<Vec<_>>(),
                false => c.to_uppercase().collect(),
            })
            .collect(),
        _ => {
            // A word begins after anything that is no letter.
            let (mut out, mut inside) = (String::with_capacity(text.len()), false);
            for character in text.chars() {
                match inside {
                    true => out.extend(character.to_lowercase()),
                    false => out.extend(character.to_uppercase()),
                }
                inside = character.is_alphabetic();
            }
            out
        }
    }
}

/// The first letter large, all others small.
pub(in super::super) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        None => String::new(),
        Some(first) => {
            let rest = characters.as_str().to_lowercase();
            first.to_uppercase().chain(rest.chars()).collect()
        }
    }
}

fn stripped<'a>(this: &Str<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    let [chars] = args.bind(["chars"])?;
    let cut = |text: &'_ str, strips: &dyn Fn(char) -> bool| {
        let text = if name == "rstrip" { text } else { text.trim_start_matches(strips) };
        let text = if name == "lstrip" { text } else { text.trim_end_matches(strips) };
        text.to_owned()
    };
    Ok(Val::text(match chars {
        None | Some(Val::None) => cut(this, &char::is_whitespace),
        Some(chars) => {
            let chars = text(&chars, name)?;
            cut(this, &|c| chars.contains(c))
        }
    }))
}

fn split<'a>(this: &Str<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    let [between, most] = args.bind(["sep", "maxsplit"])?;
    let most = int(most.as_ref(), -1)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX - 1);
    let right = name == "rsplit";
    let mut parts: Vec<&str> = match &between {
        None | Some(Val::None) => return Ok(Val::list(words(this, most, right))),
        Some(between) => {
            let between = text(between, name)?;
            if between.is_empty() {
                return Err(Fault::Failed("`split` wants something to split by".to_owned()));
            }
            match right {
                true => this.rsplitn(most + 1, between).collect(),
                false => this.splitn(most + 1, between).collect(),
            }
        }
    };
    if right {
        parts.reverse();
    }
    Ok(Val::list(parts.into_iter().map(Val::text).collect()))
}

/// Split at blanks: none of the parts is empty. What is left over keeps its far end.
fn words<'a>(this: &str, most: usize, right: bool) -> Vec<Val<'a>> {
    let mut parts = Vec::new();
    let mut rest = this;
    loop {
        rest = if right { rest.trim_end() } else { rest.trim_start() };
        if rest.is_empty() {
            break;
        }
        let at = match right {
            _ if parts.len() == most => None,
            true => rest.char_indices().rev().find(|(_, c)| c.is_whitespace()),
            false => rest.char_indices().find(|(_, c)| c.is_whitespace()),
        };
        let Some((at, blank)) = at else {
            parts.push(rest);
            break;
        };
        let (left, after) = (&rest[..at], &rest[at + blank.len_utf8()..]);
        parts.push(if right { after } else { left });
        rest = if right { left } else { after };
    }
    if right {
        parts.reverse();
    }
    parts.into_iter().map(Val::text).collect()
}

/// Lines, without their ends or with them.
pub(in super::super) fn split_lines(text: &str, keep: bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let ends = |c: char| {
            matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}')
                || matches!(c, '\u{2028}' | '\u{2029}')
        };
        let Some(at) = rest.find(ends) else {
            lines.push(rest);
            break;
        };
        let tail = &rest[at..];
        let length = match tail.starts_with("\r\n") {
            true => 2,
            false => tail.chars().next().map_or(1, char::len_utf8),
        };
        lines.push(&rest[..if keep { at + length } else { at }]);
        rest = &rest[at + length..];
    }
    lines
}

fn partition<'a>(this: &Str<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    let [between] = args.exactly(["sep"])?;
    let between = text(&between, name)?;
    if between.is_empty() {
        return Err(Fault::Failed("`partition` wants something to split by".to_owned()));
    }
    let whole = &**this;
    let parts = match name {
        "partition" => whole.split_once(between).map_or([whole, "", ""], |(a, b)| [a, between, b]),
        _ => whole.rsplit_once(between).map_or(["", "", whole], |(a, b)| [a, between, b]),
    };
    Ok(Val::tuple(parts.into_iter().map(Val::text).collect()))
}

/// The part of a text between two places, as optional arguments give them.
fn part<'t>(
    this: &'t str,
    from: Option<&Val<'_>>,
    to: Option<&Val<'_>>,
) -> Option<(&'t str, usize)> {
    let length = i128::try_from(this.chars().count()).ok()?;
    let place = |value: Option<&Val<'_>>, usual: i128| {
        let at = value.and_then(Val::as_int).unwrap_or(usual);
        let at = if at < 0 { (at + length).max(0) } else { at };
        usize::try_from(at).unwrap_or(usize::MAX)
    };
    let (from, to) = (place(from, 0), place(to, length));
    let byte = |at: usize| this.char_indices().nth(at).map_or(this.len(), |(byte, _)| byte);
    if from > usize::try_from(length).ok()? || from > to {
        return None;
    }
    Some((&this[byte(from)..byte(to)], from))
}

fn begins<'a>(this: &Str<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    let [wanted, from, to] = args.bind(["prefix", "start", "end"])?;
    let Some(wanted) = wanted else {
        return Err(Fault::Type(format!("`{name}` wants a text")));
    };
    let Some((part, _)) = part(this, from.as_ref(), to.as_ref()) else {
        return Ok(Val::Bool(false));
    };
    let one = |wanted: &Val<'_>| {
        let wanted = text(wanted, name)?;
        Ok::<_, Fault>(match name {
            "startswith" => part.starts_with(wanted),
            _ => part.ends_with(wanted),
        })
    };
    let Val::Tuple(many) = &wanted else { return one(&wanted).map(Val::Bool) };
    for wanted in many.iter() {
        if one(wanted)? {
            return Ok(Val::Bool(true));
        }
    }
    Ok(Val::Bool(false))
}

fn found<'a>(this: &Str<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    let [wanted, from, to] = args.bind(["sub", "start", "end"])?;
    let wanted = wanted.ok_or_else(|| Fault::Type(format!("`{name}` wants a text")))?;
    let wanted = text(&wanted, name)?;
    let part = part(this, from.as_ref(), to.as_ref());
    if name == "count" {
        let count = part.map_or(0, |(part, _)| match wanted {
            "" => part.chars().count() + 1,
            wanted => part.matches(wanted).count(),
        });
        return Ok(Val::Int(i128::try_from(count).unwrap_or(0)));
    }
    let at = part.and_then(|(part, before)| {
        let byte = if name.starts_with('r') { part.rfind(wanted) } else { part.find(wanted) }?;
        i128::try_from(before + part[..byte].chars().count()).ok()
    });
    match at {
        Some(at) => Ok(Val::Int(at)),
        None if name.ends_with("find") => Ok(Val::Int(-1)),
        None => Err(Fault::Failed(format!("`{wanted}` is not in the text"))),
    }
}

/// `str.replace`, bounded.
pub(in super::super) fn replaced(
    this: &str,
    old: &str,
    new: &str,
    count: i128,
) -> Result<String, Fault> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let hits = if old.is_empty() { this.chars().count() + 1 } else { this.matches(old).count() };
    let grown = this.len().saturating_add(hits.min(most).saturating_mul(new.len()));
    if grown > MAX_TEXT_BYTES {
        return Err(Fault::Failed(format!("`replace` makes more than {MAX_TEXT_BYTES} bytes")));
    }
    Ok(this.replacen(old, new, most))
}

fn padded<'a>(this: &Str<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    let [width, fill] = args.bind(["width", "fillchar"])?;
    let Some(width) = width else { return Err(Fault::Type(format!("`{name}` wants a width"))) };
    let width = int(Some(&width), 0)?;
    let fill = match &fill {
        None => ' ',
        Some(fill) => {
            let mut characters = text(fill, name)?.chars();
            match (characters.next(), characters.next()) {
                (Some(fill), None) => fill,
                _ => return Err(Fault::Type(format!("`{name}` fills with one character"))),
            }
        }
    };
    if name == "center" {
        return centred(this, width, fill).map(Val::text);
    }
    let missing = missing(this, width)?;
    Ok(Val::text(match name {
        "ljust" => format!("{}{}", &**this, String::from(fill).repeat(missing)),
        "rjust" => format!("{}{}", String::from(fill).repeat(missing), &**this),
        _ => {
            let rest = this.strip_prefix(['+', '-']).unwrap_or(this);
            format!("{}{}{rest}", &this[..this.len() - rest.len()], "0".repeat(missing))
        }
    }))
}

fn missing(text: &str, width: i128) -> Result<usize, Fault> {
    if width > MAX_WIDTH {
        return Err(Fault::Failed(format!("a field of more than {MAX_WIDTH} characters")));
    }
    let width = usize::try_from(width.max(0)).unwrap_or(0);
    Ok(width.saturating_sub(text.chars().count()))
}

/// `str.center`
pub(in super::super) fn centred(text: &str, width: i128, fill: char) -> Result<String, Fault> {
    let missing = missing(text, width)?;
    let odd = missing & usize::try_from(width.max(0)).unwrap_or(0) & 1;
    let left = missing / 2 + odd;
    let pad = |count: usize| String::from(fill).repeat(count);
    Ok(format!("{}{text}{}", pad(left), pad(missing - left)))
}

fn tabs_expanded(text: &str, size: usize) -> String {
    let (mut out, mut column) = (String::with_capacity(text.len()), 0);
    for character in text.chars() {
        match character {
            '\t' => {
                let fill = if size == 0 { 0 } else { size - column % size };
                out.push_str(&" ".repeat(fill));
                column += fill;
            }
            '\n' | '\r' => {
                out.push(character);
                column = 0;
            }
            other => {
                out.push(other);
                column += 1;
            }
        }
    }
    out
}

fn is_all(text: &str, name: &str) -> bool {
    let all = |holds: fn(char) -> bool| !text.is_empty() && text.chars().all(holds);
    let cased = |wrong: fn(char) -> bool, right: fn(char) -> bool| {
        text.contains(right) && !text.contains(wrong)
    };
    match name {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => text.is_ascii(),
        "isdecimal" | "isdigit" => all(|c| c.is_ascii_digit()),
        "isnumeric" => all(char::is_numeric),
        "isspace" => all(char::is_whitespace),
        "islower" => cased(char::is_uppercase, char::is_lowercase),
        "isupper" => cased(char::is_lowercase, char::is_uppercase),
        "isprintable" => text.chars().all(|c| !c.is_control()),
        "isidentifier" => {
            all(|c| c.is_alphanumeric() || c == '_') && !text.starts_with(|c: char| c.is_numeric())
        }
        // Each word begins large and goes on small.
        _ => text.contains(char::is_alphabetic) && cased_title(text),
    }
}

fn cased_title(text: &str) -> bool {
    let mut inside = false;
    for character in text.chars() {
        if character.is_uppercase() && inside || character.is_lowercase() && !inside {
            return false;
        }
        inside = character.is_alphabetic();
    }
    true
}
