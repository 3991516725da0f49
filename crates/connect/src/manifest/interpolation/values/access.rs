//! `value.name`, `value[key]` and `value[a:b]`, by the rules of Jinja on Python's types.

use std::rc::Rc;

use super::{
    super::{program::Fault, run::Function},
    Absent, Str, Val,
};

const TEXT: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "maketrans",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
];
const LIST: &[&str] = &[
    "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
    "sort",
];
const DICT: &[&str] = &[
    "clear",
    "copy",
    "fromkeys",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
];
const MAPPING: &[&str] = &["get", "items", "keys", "values"];
const MOMENT: &[&str] = &[
    "astimezone",
    "ctime",
    "date",
    "dst",
    "isocalendar",
    "isoformat",
    "isoweekday",
    "replace",
    "strftime",
    "time",
    "timestamp",
    "timetuple",
    "toordinal",
    "tzname",
    "utcoffset",
    "utctimetuple",
    "weekday",
];
const DATE: &[&str] = &[
    "ctime",
    "isocalendar",
    "isoformat",
    "isoweekday",
    "replace",
    "strftime",
    "timetuple",
    "toordinal",
    "weekday",
];

/// The method of a type, under the name it is known by for good.
pub(in super::super) fn method_of(value: &Val<'_>, name: &str) -> Option<&'static str> {
    let methods: &[&str] = match value {
        Val::Str(_) => TEXT,
        Val::Array(_) | Val::List(_) => LIST,
        Val::Tuple(_) => &["count", "index"],
        Val::Object(_) | Val::Dict(_) => DICT,
        Val::Slice(_) | Val::Headers(_) => MAPPING,
        Val::Moment(_) => MOMENT,
        Val::Date(_) => DATE,
        Val::Span(_) => &["total_seconds"],
        Val::Int(_) | Val::Bool(_) => &["bit_length", "conjugate"],
        Val::Float(_) => &["is_integer", "conjugate", "hex"],
        Val::Loop(_) => &["cycle", "changed"],
        _ => &[],
    };
    methods.iter().find(|method| **method == name).copied()
}

fn lent(map: &serde_json::Map<String, serde_json::Value>) -> Val<'_> {
    Val::Object(map)
}

/// An attribute as Python knows it, methods among them.
fn python<'a>(value: &Val<'a>, name: &str) -> Option<Val<'a>> {
    if let Some(method) = method_of(value, name) {
        return Some(Val::Function(Function::Method(Rc::new(value.clone()), method)));
    }
    let int = |int: i64| Some(Val::Int(int.into()));
    match (value, name) {
        (Val::Slice(slice), "partition" | "_partition") => Some(lent(slice.partition)),
        (Val::Slice(slice), "cursor_slice") => Some(lent(slice.cursor)),
        (Val::Slice(slice), "extra_fields") => Some(lent(slice.extra)),
        (Val::Moment(moment), _) => {
            let reading = moment.reading();
            match name {
                "year" => int(reading.year().into()),
                "month" => int(reading.month().into()),
                "day" => int(reading.day().into()),
                "hour" => int(reading.hour().into()),
                "minute" => int(reading.minute().into()),
                "second" => int(reading.second().into()),
                "microsecond" => int(moment.micros_of_second().into()),
                "fold" => int(0),
                "tzinfo" => Some(match moment.zone() {
                    None => Val::None,
                    Some(zone) => Val::text(zone.name()),
                }),
                _ => None,
            }
        }
        (Val::Date(date), "year") => int(date.year().into()),
        (Val::Date(date), "month") => int(date.month().into()),
        (Val::Date(date), "day") => int(date.day().into()),
        (Val::Span(span), _) => {
            let (days, secs, micros) = span.parts();
            let (years, months) = span.calendar();
            match name {
                "days" => Some(Val::Int(days)),
                "seconds" => Some(Val::Int(secs)),
                "microseconds" => Some(Val::Int(micros)),
                "years" if !span.is_exact() => int(years),
                "months" if !span.is_exact() => int(months),
                _ => None,
            }
        }
        (Val::Int(_) | Val::Bool(_), "real" | "numerator") => value.as_int().map(Val::Int),
        (Val::Int(_) | Val::Bool(_), "imag") => int(0),
        (Val::Int(_) | Val::Bool(_), "denominator") => int(1),
        (Val::Float(float), "real") => Some(Val::Float(*float)),
        (Val::Float(_), "imag") => Some(Val::Float(0.0)),
        (Val::Loop(state), _) => state.attribute(name),
        (Val::Namespace(dict), _) => dict.borrow().get(&Val::text(name)).cloned(),
        // A group of `groupby`.
        (Val::Tuple(pair), "grouper") if pair.len() == 2 => pair.first().cloned(),
        (Val::Tuple(pair), "list") if pair.len() == 2 => pair.last().cloned(),
        _ => None,
    }
}

/// `value.name`: the attribute of Python first, the item second.
///
/// # Errors
/// When the value is undefined.
pub(in super::super) fn attribute<'a>(value: &Val<'a>, name: Str<'a>) -> Result<Val<'a>, Fault> {
    value.defined()?;
    if let Val::Object(fields) = value {
        // The common case before all others: a field that is no method.
        if let Some(field) = fields.get(&*name)
            && !DICT.contains(&&*name)
        {
            return Ok(Val::of_json(field));
        }
    }
    if name.starts_with("__") && name.ends_with("__") {
        return Ok(Val::Undefined(Absent::Shut(name)));
    }
    if let Some(found) = python(value, &name) {
        return Ok(found);
    }
    let found = subscript(value, &Val::Str(name.clone()));
    Ok(found.unwrap_or_else(|| Val::missing(value.kind(), name)))
}

/// `value[key]`: the item first, the attribute of Python second.
///
/// # Errors
/// When the value is undefined.
pub(in super::super) fn item<'a>(value: &Val<'a>, key: &Val<'a>) -> Result<Val<'a>, Fault> {
    value.defined()?;
    if let Some(found) = subscript(value, key) {
        return Ok(found);
    }
    let Val::Str(name) = key else {
        return Ok(Val::Undefined(Absent::Other("there is no such item")));
    };
    if name.starts_with("__") && name.ends_with("__") {
        return Ok(Val::Undefined(Absent::Shut(name.clone())));
    }
    Ok(python(value, name).unwrap_or_else(|| Val::missing(value.kind(), name.clone())))
}

fn subscript<'a>(value: &Val<'a>, key: &Val<'a>) -> Option<Val<'a>> {
    match value {
        Val::Object(fields) => fields.get(key.as_str()?).map(Val::of_json),
        Val::Headers(fields) => {
            let wanted = key.as_str()?;
            let same = |(name, _): &(&String, _)| name.eq_ignore_ascii_case(wanted);
            fields.iter().find(same).map(|(_, value)| Val::of_json(value))
        }
        Val::Slice(slice) => slice.get(key.as_str()?).map(Val::of_json),
        Val::Dict(dict) => dict.borrow().get(key).cloned(),
        Val::Array(items) => items.get(index(key, items.len())?).map(Val::of_json),
        Val::List(items) => {
            let items = items.borrow();
            items.get(index(key, items.len())?).cloned()
        }
        Val::Tuple(items) => items.get(index(key, items.len())?).cloned(),
        Val::Str(text) => {
            let at = index(key, text.chars().count())?;
            text.chars().nth(at).map(Val::text)
        }
        _ => None,
    }
}

/// A place counted from the front, or from the end where it is negative.
fn index(key: &Val<'_>, length: usize) -> Option<usize> {
    let at = key.as_int()?;
    let at = if at < 0 { at + i128::try_from(length).ok()? } else { at };
    usize::try_from(at).ok()
}

/// `value[from:to:step]`
///
/// # Errors
/// When the value is undefined; bounds that are no whole numbers.
pub(in super::super) fn slice<'a>(
    value: &Val<'a>,
    bounds: &[Option<Val<'a>>; 3],
) -> Result<Val<'a>, Fault> {
    value.defined()?;
    let length = match value {
        Val::Str(_) | Val::Array(_) | Val::List(_) | Val::Tuple(_) => value.length().unwrap_or(0),
        other => {
            return Err(Fault::Type(format!("a value of type {} has no slices", other.kind())));
        }
    };
    let mut numbers = [None; 3];
    for (number, bound) in numbers.iter_mut().zip(bounds) {
        *number = match bound {
            None | Some(Val::None) => None,
            Some(bound) => match bound.as_int() {
                Some(int) => Some(int),
                None => return Err(Fault::Type("a slice wants whole numbers".to_owned())),
            },
        };
    }
    let places = places(length, numbers)?;
    Ok(match value {
        Val::Str(text) => {
            let characters: Vec<char> = text.chars().collect();
            Val::text(places.into_iter().filter_map(|at| characters.get(at)).collect::<String>())
        }
        Val::Tuple(items) => {
            Val::tuple(places.into_iter().filter_map(|at| items.get(at).cloned()).collect())
        }
        Val::Array(items) => {
            Val::list(places.into_iter().filter_map(|at| items.get(at).map(Val::of_json)).collect())
        }
        other => {
            let items = other.items()?;
            Val::list(places.into_iter().filter_map(|at| items.get(at).cloned()).collect())
        }
    })
}

fn places(length: usize, [from, to, step]: [Option<i128>; 3]) -> Result<Vec<usize>, Fault> {
    let length = i128::try_from(length).unwrap_or(i128::MAX);
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(Fault::Failed("the step of a slice is zero".to_owned()));
    }
    let (least, most) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |bound: i128| {
        let bound = if bound < 0 { bound.saturating_add(length) } else { bound };
        bound.clamp(least, most)
    };
    let mut at = from.map_or(if step > 0 { least } else { most }, clamp);
    let end = to.map_or(if step > 0 { most } else { least }, clamp);
    let mut places = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        places.extend(usize::try_from(at).ok());
        at = at.saturating_add(step);
    }
    Ok(places)
}
