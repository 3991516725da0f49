//! The functions a text may call: the macros of the reference and two of Jinja's own.

use std::{cmp::Ordering, rc::Rc};

use connectus_core::Error;
use jiff::tz::TimeZone;

use super::{
    super::{
        datetime::{DatetimeFormat, Moment, Span, parse_iso, strptime},
        program::Fault,
        values::{self, Str, Val, round_half_even, truncate},
    },
    Arguments, Done, Interp,
    arguments::text,
    wrong_type,
};

/// What can be called.
#[derive(Clone, Debug)]
pub(in super::super) enum Function<'a> {
    Global(Global),
    Method(Rc<Val<'a>>, &'static str),
    JsonLoads,
}

impl Function<'_> {
    /// Whether both are the same function.
    pub fn same(&self, other: &Function<'_>) -> bool {
        match (self, other) {
            (Self::Global(a), Function::Global(b)) => a == b,
            (Self::JsonLoads, Function::JsonLoads) => true,
            (Self::Method(a, name), Function::Method(b, other)) => {
                name == other && values::equal(a, b)
            }
            _ => false,
        }
    }
}

/// A function that is there without being given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Global {
    NowUtc,
    TodayUtc,
    TodayWithTimezone,
    Timestamp,
    Max,
    Min,
    DayDelta,
    Duration,
    FormatDatetime,
    StrToDatetime,
    SanitizeUrl,
    CamelToSnake,
    GenerateUuid,
    Dict,
    Namespace,
    /// Functions of Jinja that manifests have no use for.
    Other,
}

impl Global {
    /// The function of this name.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "now_utc" => Self::NowUtc,
            "today_utc" => Self::TodayUtc,
            "today_with_timezone" => Self::TodayWithTimezone,
            "timestamp" => Self::Timestamp,
            "max" => Self::Max,
            "min" => Self::Min,
            "day_delta" => Self::DayDelta,
            "duration" => Self::Duration,
            "format_datetime" => Self::FormatDatetime,
            "str_to_datetime" => Self::StrToDatetime,
            "sanitize_url" => Self::SanitizeUrl,
            "camel_case_to_snake_case" => Self::CamelToSnake,
            "generate_uuid" => Self::GenerateUuid,
            "dict" => Self::Dict,
            "namespace" => Self::Namespace,
            "cycler" | "joiner" | "lipsum" => Self::Other,
            _ => return None,
        })
    }
}

impl<'a> Interp<'a> {
    pub(super) fn global(&self, global: Global, args: Arguments<'a>) -> Done<'a> {
        Ok(match global {
            Global::NowUtc => {
                args.none()?;
                Val::Moment(self.now())
            }
            Global::TodayUtc => {
                args.none()?;
                Val::Date(self.now().reading().date())
            }
            Global::TodayWithTimezone => {
                let [zone] = args.exactly(["timezone"])?;
                zone.defined()?;
                let name = zone.as_str().unwrap_or_default();
                let zone = TimeZone::get(name)
                    .map_err(|_| Fault::Failed(format!("there is no time zone `{name}`")))?;
                Val::Date(self.today_in(&zone))
            }
            Global::Timestamp => {
                let [at] = args.exactly(["dt"])?;
                timestamp(&at)?
            }
            Global::Max => self.extreme(args, Ordering::Greater)?,
            Global::Min => self.extreme(args, Ordering::Less)?,
            Global::DayDelta => self.day_delta(args)?,
            Global::Duration => {
                let [span] = args.exactly(["datestring"])?;
                let span = Span::parse(text(&span, "duration")?).map_err(failed)?;
                Val::Span(Rc::new(span))
            }
            Global::FormatDatetime => format_datetime(args)?,
            Global::StrToDatetime => {
                let [text] = args.exactly(["s"])?;
                Val::Moment(read_iso(&text)?)
            }
            Global::SanitizeUrl => {
                let [value] = args.exactly(["value"])?;
                Val::text(quote(text(&value, "sanitize_url")?, "").replace("%20", "+"))
            }
            Global::CamelToSnake => {
                let [value] = args.exactly(["value"])?;
                Val::text(snake_case(text(&value, "camel_case_to_snake_case")?))
            }
            Global::GenerateUuid => {
                args.none()?;
                Val::text(uuid(self.random()))
            }
            Global::Dict => dict(args, false)?,
            Global::Namespace => dict(args, true)?,
            Global::Other => {
                let what = "`cycler`, `joiner` and `lipsum` are not run in manifests";
                return Err(Fault::Failed(what.to_owned()));
            }
        })
    }

    /// `max` and `min`: of several arguments, or of the items of one.
    fn extreme(&self, args: Arguments<'a>, wanted: Ordering) -> Done<'a> {
        if !args.named.is_empty() {
            return Err(Fault::Type("`max` and `min` take no names of arguments".to_owned()));
        }
        let items = match args.positional.as_slice() {
            [] => return Err(Fault::Type("`max` and `min` want values".to_owned())),
            [only] => only.items()?,
            _ => args.positional,
        };
        self.spend(items.len())?;
        let mut items = items.into_iter();
        let Some(mut best) = items.next() else {
            return Err(Fault::Failed("`max` and `min` want at least one value".to_owned()));
        };
        for item in items {
            if values::order(&item, &best)? == Some(wanted) {
                best = item;
            }
        }
        Ok(best)
    }

    fn day_delta(&self, args: Arguments<'a>) -> Done<'a> {
        let mut args = args;
        let days = args.take_first("num_days")?;
        let [format] = args.bind(["format"])?;
        let count = days.as_float().ok_or_else(|| wrong_type("day_delta", &days))?;
        let micros = truncate(round_half_even(count * 86_400e6, 0));
        let span = micros.and_then(Span::of_micros);
        let span = span.ok_or_else(|| Fault::Failed("so many days are too many".to_owned()))?;
        let at = self.now().plus(&span).map_err(failed)?;
        let format = format.unwrap_or(Val::Str(Str::Lent("%Y-%m-%dT%H:%M:%S.%f%z")));
        Ok(Val::text(at.strftime(text(&format, "day_delta")?)))
    }
}

fn failed(error: Error) -> Fault {
    Fault::Failed(error.detail)
}

/// A point in time from ISO 8601, in UTC.
fn read_iso(value: &Val<'_>) -> Result<Moment, Fault> {
    value.defined()?;
    let text = text(value, "str_to_datetime")?;
    let parsed = parse_iso(text).ok_or_else(|| {
        Fault::Failed(format!("`{text}` is not an ISO 8601 date such as `2024-01-31T10:00:00Z`"))
    })?;
    Ok(parsed.or_utc().to_utc())
}

/// Seconds since 1970: whole ones of a number, a fraction of a text.
fn timestamp<'a>(at: &Val<'a>) -> Done<'a> {
    if let Val::Float(float) = at {
        let whole = truncate(*float).map(Val::Int);
        return whole.ok_or_else(|| Fault::Failed("it is no number of seconds".to_owned()));
    }
    if let Some(int) = at.as_int() {
        return Ok(Val::Int(int));
    }
    #[expect(clippy::cast_precision_loss, reason = "the reference computes with floats here")]
    let micros = read_iso(at)?.timestamp().0 as f64;
    Ok(Val::Float(micros / 1e6))
}

fn format_datetime<'a>(args: Arguments<'a>) -> Done<'a> {
    let [at, format, input] = args.bind(["dt", "format", "input_format"])?;
    let (Some(at), Some(format)) = (at, format) else {
        return Err(Fault::Type("`format_datetime` wants a date and a format".to_owned()));
    };
    let input = input.filter(Val::is_true);
    let format = text(&format, "format_datetime");
    let at = match &at {
        Val::Moment(moment) => return Ok(Val::text(moment.strftime(format?))),
        Val::Int(_) | Val::Bool(_) => {
            let number = at.as_int().unwrap_or(0).to_string();
            let input = input.as_ref().map_or(Ok("%s"), |input| text(input, "format_datetime"))?;
            DatetimeFormat::new(input).parse(&number).map_err(failed)?
        }
        _ => match &input {
            Some(input) => {
                let (read, input) = (text(&at, "format_datetime")?, text(input, "input_format")?);
                let parsed = strptime(read, input).map_err(|why| {
                    Fault::Failed(format!("`{read}` does not fit the format `{input}`: {why}"))
                })?;
                parsed.moment.or_utc()
            }
            None => read_iso(&at)?,
        },
    };
    Ok(Val::text(DatetimeFormat::new(format?).format(&at)))
}

/// Percent-encodes all but letters, digits, `_.-~` and what is `safe`.
pub(in super::super) fn quote(text: &str, safe: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let kept = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'.' | b'-' | b'~')
            || safe.as_bytes().contains(&byte);
        if kept {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn snake_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (at, character) in text.char_indices() {
        if at > 0 && character.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(character);
    }
    out.to_lowercase()
}

/// A random UUID of version 4.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// `dict(...)` and `namespace(...)`
fn dict<'a>(args: Arguments<'a>, namespace: bool) -> Done<'a> {
    let mut dict = values::Dict::default();
    if args.positional.len() > 1 {
        return Err(Fault::Type("`dict` takes one mapping at most".to_owned()));
    }
    for first in args.positional {
        first.defined()?;
        let pairs = match first.pairs() {
            Some(pairs) => pairs,
            None => pairs_of(&first)?,
        };
        for (key, value) in pairs {
            dict.insert(key, value);
        }
    }
    for (name, value) in args.named {
        dict.insert(Val::Str(name), value);
    }
    Ok(match namespace {
        true => Val::Namespace(Rc::new(std::cell::RefCell::new(dict))),
        false => Val::dict(dict.pairs),
    })
}

/// The pairs of a list of pairs.
pub(in super::super) fn pairs_of<'a>(list: &Val<'a>) -> Result<Vec<(Val<'a>, Val<'a>)>, Fault> {
    let mut pairs = Vec::new();
    for item in list.items()? {
        match <[Val<'a>; 2]>::try_from(item.items()?) {
            Ok([key, value]) => {
                key.as_key()?;
                pairs.push((key, value));
            }
            Err(_) => return Err(Fault::Failed("a pair of two values is wanted".to_owned())),
        }
    }
    Ok(pairs)
}
