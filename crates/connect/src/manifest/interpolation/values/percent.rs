//! `'%s of %d' % (a, b)`

use super::{super::program::Fault, Shower, Spec, Str, Val, item};

/// Longest of a width or a precision that is obeyed.
const MAX_WIDTH: i128 = 10_000;

struct Arguments<'v, 'a> {
    all: Vec<Val<'a>>,
    next: usize,
    mapping: Option<&'v Val<'a>>,
}

impl<'a> Arguments<'_, 'a> {
    fn take(&mut self) -> Result<Val<'a>, Fault> {
        let found = self.all.get(self.next).cloned();
        self.next += 1;
        found.ok_or_else(|| Fault::Type("the format wants more values than there are".to_owned()))
    }

    fn size(&mut self) -> Result<i128, Fault> {
        let int = self.take()?.as_int();
        int.ok_or_else(|| Fault::Type("`*` in a format wants a whole number".to_owned()))
    }
}

/// The text a format makes of its arguments.
pub(in super::super) fn percent<'a>(format: &str, right: &Val<'a>) -> Result<String, Fault> {
    let mapping = right.pairs().is_some();
    let mut arguments = match right {
        Val::Tuple(items) => Arguments { all: items.to_vec(), next: 0, mapping: None },
        other => Arguments { all: vec![other.clone()], next: 0, mapping: mapping.then_some(right) },
    };
    let mut shower = Shower::default();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        shower.push(&rest[..at])?;
        let (spec, value, after) = directive(&rest[at + 1..], &mut arguments)?;
        rest = after;
        let text = match value {
            None => "%".to_owned(),
            Some(value) => one(&spec, &value)?,
        };
        shower.push(&text)?;
    }
    shower.push(rest)?;
    let single = !matches!(right, Val::Tuple(_));
    let list = matches!(right, Val::List(_) | Val::Array(_));
    let unused = arguments.next < arguments.all.len() && !(single && (mapping || list));
    if unused {
        return Err(Fault::Type("the format wants fewer values than there are".to_owned()));
    }
    Ok(shower.into_text())
}

type Directive<'t, 'a> = (Spec, Option<Val<'a>>, &'t str);

fn directive<'t, 'a>(
    text: &'t str,
    arguments: &mut Arguments<'_, 'a>,
) -> Result<Directive<'t, 'a>, Fault> {
    let incomplete = || Fault::Failed("a format ends in the middle of a directive".to_owned());
    let mut spec = Spec::default();
    let mut rest = text;
    let mut keyed = None;
    if let Some(after) = rest.strip_prefix('(') {
        let (key, after) = after.split_once(')').ok_or_else(incomplete)?;
        let Some(mapping) = arguments.mapping else {
            return Err(Fault::Type("the format wants a mapping".to_owned()));
        };
        let found = item(mapping, &Val::Str(Str::Own(key.into())))?;
        found.defined().map_err(|_| Fault::Failed(format!("the mapping has no key `{key}`")))?;
        keyed = Some(found);
        rest = after;
    }
    let mut left = false;
    while let Some(flag) = rest.chars().next().filter(|flag| "-+ #0".contains(*flag)) {
        match flag {
            '-' => left = true,
            '#' => spec.alternate = true,
            '0' => spec.zeros = true,
            sign if spec.sign != Some('+') => spec.sign = Some(sign),
            _ => {}
        }
        rest = &rest[1..];
    }
    let (width, after) = size(rest, arguments)?;
    rest = after;
    left |= width.is_some_and(|width| width < 0);
    spec.width = bounded(width.unwrap_or(0).abs())?;
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = size(after, arguments)?;
        spec.precision = Some(bounded(precision.unwrap_or(0).max(0))?);
        rest = after;
    }
    rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
    let letter = rest.chars().next().ok_or_else(incomplete)?;
    spec.letter = Some(letter);
    if left {
        spec.align = Some('<');
        spec.zeros = false;
    }
    let rest = &rest[letter.len_utf8()..];
    if letter == '%' {
        return Ok((spec, None, rest));
    }
    let value = match keyed {
        Some(value) => value,
        None => arguments.take()?,
    };
    Ok((spec, Some(value), rest))
}

fn bounded(size: i128) -> Result<usize, Fault> {
    let most = usize::try_from(size.min(MAX_WIDTH + 1)).unwrap_or(usize::MAX);
    match size <= MAX_WIDTH {
        true => Ok(most),
        false => Err(Fault::Failed(format!("a format is wider than {MAX_WIDTH}"))),
    }
}

/// Digits, or `*` for the next argument.
fn size<'t>(
    text: &'t str,
    arguments: &mut Arguments<'_, '_>,
) -> Result<(Option<i128>, &'t str), Fault> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((Some(arguments.size()?), rest));
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = &text[..end];
    Ok((
        if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(i128::MAX)) },
        &text[end..],
    ))
}

fn one(spec: &Spec, value: &Val<'_>) -> Result<String, Fault> {
    let letter = spec.letter.unwrap_or('s');
    let wrong = || {
        let what = format!("`%{letter}` does not fit a value of type {}", value.kind());
        Fault::Type(what)
    };
    let text = |text: String| {
        let cut: String = match spec.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text,
        };
        Spec { zeros: false, ..spec.clone() }.padded("", &cut, '>')
    };
    if "diueEfFgG".contains(letter) {
        value.defined()?;
    }
    match letter {
        's' => text(Shower::text(value)?),
        'r' | 'a' => text(Shower::repr_text(value)?),
        'c' => match value {
            Val::Str(one) if one.chars().count() == 1 => text(one.to_string()),
            other => spec.int(other.as_int().ok_or_else(wrong)?).ok_or_else(wrong)?,
        },
        'd' | 'i' | 'u' => {
            let int = match value {
                Val::Float(float) => super::truncate(*float),
                other => other.as_int(),
            };
            let spec = Spec { letter: Some('d'), ..padded_digits(spec) };
            spec.int(int.ok_or_else(wrong)?).ok_or_else(wrong)?
        }
        'x' | 'X' | 'o' => {
            padded_digits(spec).int(value.as_int().ok_or_else(wrong)?).ok_or_else(wrong)?
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            spec.float(value.as_float().ok_or_else(wrong)?).ok_or_else(wrong)?
        }
        other => Err(Fault::Failed(format!("`%{other}` is no directive of a format"))),
    }
}

/// The precision of a whole number is its least number of digits.
fn padded_digits(spec: &Spec) -> Spec {
    let mut spec = spec.clone();
    if let Some(precision) = spec.precision.take()
        && precision > spec.width
    {
        spec.width = precision;
        spec.zeros = true;
    }
    spec
}
