//! `str.format`

use super::super::{
    program::Fault,
    run::Arguments,
    values::{self, Shower, Spec, Str, Val},
};

/// Where the values of a format come from.
struct Source<'v, 'a> {
    args: Option<&'v Arguments<'a>>,
    mapping: Option<&'v Val<'a>>,
    next: usize,
}

pub(super) fn format<'a>(text: &str, args: &Arguments<'a>) -> Result<String, Fault> {
    Source { args: Some(args), mapping: None, next: 0 }.fill(text, 0)
}

pub(super) fn format_map<'a>(text: &str, mapping: &Val<'a>) -> Result<String, Fault> {
    mapping.defined()?;
    Source { args: None, mapping: Some(mapping), next: 0 }.fill(text, 0)
}

fn failed(what: &str) -> Fault {
    Fault::Failed(what.to_owned())
}

impl<'a> Source<'_, 'a> {
    fn fill(&mut self, text: &str, depth: usize) -> Result<String, Fault> {
        if depth > 2 {
            return Err(failed("fields of a format nest too deep"));
        }
        let mut shower = Shower::default();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            shower.push(&rest[..at])?;
            let (brace, after) = rest[at..].split_at(1);
            if after.starts_with(brace) {
                shower.push(brace)?;
                rest = &after[1..];
                continue;
            }
            if brace == "}" {
                return Err(failed("a `}` of a format opens nowhere"));
            }
            let end = field_end(after).ok_or_else(|| failed("a `{` of a format is not closed"))?;
            let field = self.field(&after[..end], depth)?;
            shower.push(&field)?;
            rest = &after[end + 1..];
        }
        shower.push(rest)?;
        Ok(shower.into_text())
    }

    /// `name.attr[key]!r:spec`
    fn field(&mut self, field: &str, depth: usize) -> Result<String, Fault> {
        let bracket = field.find('[').map_or(0, |at| field[at..].find(']').map_or(at, |e| at + e));
        let colon = field[bracket..].find(':').map(|at| bracket + at);
        let (head, spec) = match colon {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, ""),
        };
        let (path, conversion) = head.split_once('!').unwrap_or((head, ""));
        let mut value = self.value(path)?;
        match conversion {
            "" => {}
            "s" => value = Val::text(Shower::text(&value)?),
            "r" | "a" => value = Val::text(Shower::repr_text(&value)?),
            _ => return Err(failed("a conversion of a format is `!r`, `!s` or `!a`")),
        }
        let spec = self.fill(spec, depth + 1)?;
        match &value {
            Val::Moment(moment) if !spec.is_empty() => Ok(moment.strftime(&spec)),
            value => Spec::parse(&spec)?.apply(value),
        }
    }

    fn value(&mut self, path: &str) -> Result<Val<'a>, Fault> {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (name, mut rest) = path.split_at(end);
        let mut value = self.first(name)?;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('[') {
                let Some((key, after)) = after.split_once(']') else {
                    return Err(failed("a `[` of a format is not closed"));
                };
                let key = match key.parse() {
                    Ok(int) => Val::Int(int),
                    Err(_) => Val::Str(Str::Own(key.into())),
                };
                value = values::item(&value, &key)?;
                rest = after;
            } else {
                let after = rest.strip_prefix('.').unwrap_or(rest);
                let end = after.find(['.', '[']).unwrap_or(after.len());
                value = values::attribute(&value, Str::Own(after[..end].into()))?;
                rest = &after[end..];
            }
        }
        Ok(value)
    }

    fn first(&mut self, name: &str) -> Result<Val<'a>, Fault> {
        let key = || Val::Str(Str::Own(name.into()));
        let missing = || Fault::Failed(format!("the format wants `{name}`, which is not given"));
        if let Some(mapping) = self.mapping {
            let found = values::item(mapping, &key())?;
            return found.defined().map(|()| found).map_err(|_| missing());
        }
        let Some(args) = self.args else { return Err(missing()) };
        let place = if name.is_empty() {
            self.next += 1;
            Some(self.next - 1)
        } else {
            name.parse().ok()
        };
        let found = match place {
            Some(place) => args.positional.get(place),
            None => args.named.iter().find(|(found, _)| **found == *name).map(|(_, value)| value),
        };
        found.cloned().ok_or_else(missing)
    }
}

/// Where a field ends, fields in its specification passed over.
fn field_end(text: &str) -> Option<usize> {
    let mut open = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}
