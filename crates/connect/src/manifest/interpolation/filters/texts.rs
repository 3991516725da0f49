//! Filters that make texts. They take anything, as its print.

use super::{
    super::{
        methods::{capitalized, centred, split_lines},
        program::Fault,
        run::{Arguments, Done, argument_text, flag, int, pairs_of, quote, text_of},
        values::{Shower, Val, percent},
    },
    Filter,
};

pub(super) fn apply<'a>(filter: Filter, value: Val<'a>, args: Arguments<'a>) -> Done<'a> {
    Ok(match filter {
        Filter::Safe => {
            args.none()?;
            value
        }
        Filter::Lower
        | Filter::Upper
        | Filter::Capitalize
        | Filter::Title
        | Filter::Escape
        | Filter::WordCount => {
            args.none()?;
            simple(filter, &text_of(&value)?)
        }
        Filter::Center => {
            let [width] = args.bind(["width"])?;
            Val::text(centred(&text_of(&value)?, int(width.as_ref(), 80)?, ' ')?)
        }
        Filter::Format => return formatted(&value, args),
        Filter::Indent => return indented(&value, args),
        Filter::Replace => {
            let [old, new, count] = args.bind(["old", "new", "count"])?;
            let (Some(old), Some(new)) = (old, new) else {
                return Err(Fault::Type("`replace` wants what and by what".to_owned()));
            };
            let count = match count {
                None | Some(Val::None) => -1,
                count => int(count.as_ref(), -1)?,
            };
            let (old, new) = (text_of(&old)?, text_of(&new)?);
            Val::text(super::super::methods::replaced(&text_of(&value)?, &old, &new, count)?)
        }
        Filter::ToJson => {
            let [indent] = args.bind(["indent"])?;
            let indent = match indent {
                None | Some(Val::None) => None,
                indent => Some(usize::try_from(int(indent.as_ref(), 0)?.max(0)).unwrap_or(0)),
            };
            let mut shower = Shower::default();
            shower.json(&value, true, indent)?;
            let json = shower.into_text().replace('<', "\\u003c").replace('>', "\\u003e");
            Val::text(json.replace('&', "\\u0026").replace('\'', "\\u0027"))
        }
        Filter::Trim => {
            let [chars] = args.bind(["chars"])?;
            let text = text_of(&value)?;
            Val::text(match chars {
                None | Some(Val::None) => text.trim().to_owned(),
                Some(chars) => {
                    let chars = argument_text(&chars, "trim")?;
                    text.trim_matches(|c| chars.contains(c)).to_owned()
                }
            })
        }
        Filter::Truncate => return truncated(&value, args),
        _ => return url_encoded(&value, args),
    })
}

fn simple<'a>(filter: Filter, text: &str) -> Val<'a> {
    Val::text(match filter {
        Filter::Lower => text.to_lowercase(),
        Filter::Upper => text.to_uppercase(),
        Filter::Capitalize => capitalized(text),
        Filter::Title => titled(text),
        Filter::WordCount => {
            let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            let count = words.filter(|word| !word.is_empty()).count();
            return Val::Int(i128::try_from(count).unwrap_or(0));
        }
        _ => {
            let mut out = String::with_capacity(text.len());
            for character in text.chars() {
                match character {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '"' => out.push_str("&#34;"),
                    '\'' => out.push_str("&#39;"),
                    other => out.push(other),
                }
            }
            out
        }
    })
}

/// Words begin after blanks, dashes and opening brackets.
fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for character in text.chars() {
        let between = character.is_whitespace() || "-({[<".contains(character);
        if between {
            out.push(character);
        } else if begins {
            out.extend(character.to_uppercase());
        } else {
            out.extend(character.to_lowercase());
        }
        begins = between;
    }
    out
}

fn formatted<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let format = text_of(value)?;
    let values = match (args.positional.is_empty(), args.named.is_empty()) {
        (false, false) => {
            let what = "`format` takes values with names or without, not both";
            return Err(Fault::Failed(what.to_owned()));
        }
        (true, false) => {
            let pair = |(name, value)| (Val::Str(name), value);
            Val::dict(args.named.into_iter().map(pair).collect())
        }
        _ => Val::tuple(args.positional),
    };
    percent(&format, &values).map(Val::text)
}

fn indented<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let [width, first, blank] = args.bind(["width", "first", "blank"])?;
    value.defined()?;
    let text = argument_text(value, "indent")?;
    let indent = match width {
        Some(Val::Str(text)) => text.to_string(),
        width => {
            let width = usize::try_from(int(width.as_ref(), 4)?.max(0)).unwrap_or(0);
            if width > 10_000 {
                return Err(Fault::Failed("`indent` is wider than 10000".to_owned()));
            }
            " ".repeat(width)
        }
    };
    let mut shower = Shower::default();
    let (first, blank) = (flag(first.as_ref()), flag(blank.as_ref()));
    for (position, line) in split_lines(&format!("{text}\n"), false).into_iter().enumerate() {
        if position > 0 {
            shower.push("\n")?;
        }
        let wanted = if position == 0 { first } else { blank || !line.is_empty() };
        shower.push(if wanted { &indent } else { "" })?;
        shower.push(line)?;
    }
    Ok(Val::text(shower.into_text()))
}

fn truncated<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let [length, kill, end, leeway] = args.bind(["length", "killwords", "end", "leeway"])?;
    if let Val::Undefined(_) = value {
        return Ok(value.clone());
    }
    let text: Vec<char> = argument_text(value, "truncate")?.chars().collect();
    let size = |number: i128| usize::try_from(number.max(0)).unwrap_or(usize::MAX);
    let length = size(int(length.as_ref(), 255)?);
    let leeway = match leeway {
        None | Some(Val::None) => 5,
        leeway => size(int(leeway.as_ref(), 5)?),
    };
    let end = match &end {
        None => "...",
        Some(end) => argument_text(end, "truncate")?,
    };
    let Some(kept) = length.checked_sub(end.chars().count()) else {
        return Err(Fault::Failed("`truncate` leaves no room for its end".to_owned()));
    };
    if text.len() <= length.saturating_add(leeway) {
        return Ok(value.clone());
    }
    let mut cut: String = text.into_iter().take(kept).collect();
    if !flag(kill.as_ref())
        && let Some(at) = cut.rfind(' ')
    {
        cut.truncate(at);
    }
    Ok(Val::text(cut + end))
}

fn url_encoded<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    args.none()?;
    let pairs = match value {
        Val::Object(_) | Val::Dict(_) => value.pairs().unwrap_or_default(),
        Val::Array(_) | Val::List(_) | Val::Tuple(_) | Val::Stream(_) | Val::View(..) => {
            pairs_of(value)?
        }
        Val::Undefined(_) => Vec::new(),
        other => return Ok(Val::text(quote(&text_of(other)?, "/"))),
    };
    let mut out = String::new();
    for (name, field) in pairs {
        let part =
            |value: &Val<'_>| Ok::<_, Fault>(quote(&text_of(value)?, "").replace("%20", "+"));
        out.push_str(if out.is_empty() { "" } else { "&" });
        out.push_str(&format!("{}={}", part(&name)?, part(&field)?));
    }
    Ok(Val::text(out))
}
