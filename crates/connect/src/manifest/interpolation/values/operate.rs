//! Arithmetic of Python: numbers, texts, lists, dates and durations.

use std::rc::Rc;

use connectus_core::Error;
use jiff::civil;

use super::{
    super::{
        MAX_TEXT_BYTES,
        datetime::{Moment, Span},
        program::Fault,
        syntax::tree::Op,
    },
    Val, percent,
};

/// Longest list a repetition or a sum may make.
const MAX_ITEMS: usize = 1_000_000;

type Done<'a> = Result<Val<'a>, Fault>;

/// `left op right`
pub(in super::super) fn binary<'a>(op: Op, left: &Val<'a>, right: &Val<'a>) -> Done<'a> {
    left.defined()?;
    if let (Op::Mod, Val::Str(format)) = (op, left) {
        return percent(format, right).map(Val::text);
    }
    right.defined()?;
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
        return ints(op, a, b);
    }
    if let (Some(a), Some(b)) = (left.as_float(), right.as_float()) {
        return floats(op, a, b);
    }
    let found = match op {
        Op::Add => add(left, right)?,
        Op::Sub => subtract(left, right)?,
        Op::Mul => multiply(left, right)?,
        Op::Div | Op::FloorDiv => divide(op, left, right)?,
        Op::Mod | Op::Pow => None,
    };
    found.ok_or_else(|| {
        let sign = sign(op);
        let what = format!("`{sign}` does not go between {} and {}", left.kind(), right.kind());
        Fault::Type(what)
    })
}

fn sign(op: Op) -> &'static str {
    match op {
        Op::Add => "+",
        Op::Sub => "-",
        Op::Mul => "*",
        Op::Div => "/",
        Op::FloorDiv => "//",
        Op::Mod => "%",
        Op::Pow => "**",
    }
}

fn too_large<'a>() -> Done<'a> {
    Err(Fault::Failed("a number or a date leaves the range that is computed with".to_owned()))
}

fn by_zero<'a>() -> Done<'a> {
    Err(Fault::Failed("it divides by zero".to_owned()))
}

#[expect(clippy::cast_precision_loss, reason = "as Python's division of ints")]
fn ints<'a>(op: Op, a: i128, b: i128) -> Done<'a> {
    let found = match op {
        Op::Add => a.checked_add(b),
        Op::Sub => a.checked_sub(b),
        Op::Mul => a.checked_mul(b),
        Op::Div | Op::FloorDiv | Op::Mod if b == 0 => return by_zero(),
        Op::Div => return Ok(Val::Float(a as f64 / b as f64)),
        // Rounded down, and the rest has the sign of the divisor.
        Op::FloorDiv => a.checked_div(b).map(|q| q - i128::from(a % b != 0 && (a < 0) != (b < 0))),
        Op::Mod => a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
        Op::Pow if b < 0 => return floats(op, a as f64, b as f64),
        Op::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
    };
    found.map_or_else(too_large, |int| Ok(Val::Int(int)))
}

fn floats<'a>(op: Op, a: f64, b: f64) -> Done<'a> {
    Ok(Val::Float(match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div | Op::FloorDiv | Op::Mod if b == 0.0 => return by_zero(),
        Op::Div => a / b,
        Op::FloorDiv => ((a - modulo(a, b)) / b).round(),
        Op::Mod => modulo(a, b),
        Op::Pow if a == 0.0 && b < 0.0 => return by_zero(),
        Op::Pow if a < 0.0 && b.fract() != 0.0 => {
            return Err(Fault::Failed("complex numbers are not computed with".to_owned()));
        }
        Op::Pow => {
            let power = a.powf(b);
            if power.is_infinite() && a.is_finite() && b.is_finite() {
                return too_large();
            }
            power
        }
    }))
}

fn modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    match rest != 0.0 && (rest < 0.0) != (b < 0.0) {
        true => rest + b,
        false if rest == 0.0 => 0.0_f64.copysign(b),
        false => rest,
    }
}

fn outside(error: Error) -> Fault {
    Fault::Failed(error.detail)
}

type Found<'a> = Result<Option<Val<'a>>, Fault>;

fn add<'a>(left: &Val<'a>, right: &Val<'a>) -> Found<'a> {
    Ok(Some(match (left, right) {
        (Val::Str(a), Val::Str(b)) => {
            room(a.len() + b.len(), MAX_TEXT_BYTES)?;
            Val::text([&**a, &**b].concat())
        }
        (Val::Array(_) | Val::List(_), Val::Array(_) | Val::List(_)) => {
            Val::list(joined(left, right)?)
        }
        (Val::Tuple(_), Val::Tuple(_)) => Val::tuple(joined(left, right)?),
        (Val::Moment(moment), Val::Span(span)) | (Val::Span(span), Val::Moment(moment)) => {
            Val::Moment(moment.plus(span).map_err(outside)?)
        }
        (Val::Date(date), Val::Span(span)) | (Val::Span(span), Val::Date(date)) => {
            Val::Date(moved(*date, span, false)?)
        }
        (Val::Span(a), Val::Span(b)) => match a.plus(b) {
            Some(span) => Val::Span(Rc::new(span)),
            None => return too_large().map(Some),
        },
        _ => return Ok(None),
    }))
}

fn subtract<'a>(left: &Val<'a>, right: &Val<'a>) -> Found<'a> {
    let span = |micros: i128| match Span::of_micros(micros) {
        Some(span) => Ok(Val::Span(Rc::new(span))),
        None => too_large(),
    };
    Ok(Some(match (left, right) {
        (Val::Moment(moment), Val::Span(span)) => Val::Moment(moment.minus(span).map_err(outside)?),
        (Val::Moment(a), Val::Moment(b)) => {
            if a.zone().is_some() != b.zone().is_some() {
                return Ok(None);
            }
            span(i128::from(a.timestamp().0) - i128::from(b.timestamp().0))?
        }
        (Val::Date(date), Val::Span(span)) => Val::Date(moved(*date, span, true)?),
        (Val::Date(a), Val::Date(b)) => {
            let micros = |date: &civil::Date| midnight(*date).reading_micros();
            span(i128::from(micros(a)) - i128::from(micros(b)))?
        }
        (Val::Span(a), Val::Span(b)) => match a.plus(&b.negated()) {
            Some(span) => Val::Span(Rc::new(span)),
            None => return too_large().map(Some),
        },
        _ => return Ok(None),
    }))
}

fn midnight(date: civil::Date) -> Moment {
    Moment::new(date.to_datetime(civil::Time::midnight()), None)
}

/// A date moved by whole days; what is left of a day does not count.
fn moved(date: civil::Date, span: &Span, back: bool) -> Result<civil::Date, Fault> {
    let (days, ..) = span.parts();
    let days = Span::of_micros(days * 86_400_000_000).unwrap_or_default();
    let whole = span.calendar_only().plus(&days).unwrap_or_default();
    let from = midnight(date);
    let there = if back { from.minus(&whole) } else { from.plus(&whole) };
    Ok(there.map_err(outside)?.reading().date())
}

fn multiply<'a>(left: &Val<'a>, right: &Val<'a>) -> Found<'a> {
    let (many, count) = match (left.as_int(), right.as_int()) {
        (None, Some(count)) => (left, count),
        (Some(count), None) => (right, count),
        _ => return scaled(left, right),
    };
    let times = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    Ok(Some(match many {
        Val::Str(text) => {
            room(text.len().saturating_mul(times), MAX_TEXT_BYTES)?;
            Val::text(text.repeat(times))
        }
        Val::Array(_) | Val::List(_) => Val::list(repeated(many, times)?),
        Val::Tuple(_) => Val::tuple(repeated(many, times)?),
        Val::Span(span) => match i64::try_from(count).ok().and_then(|count| span.times(count)) {
            Some(span) => Val::Span(Rc::new(span)),
            None => return too_large().map(Some),
        },
        _ => return Ok(None),
    }))
}

/// A duration times a fraction.
fn scaled<'a>(left: &Val<'a>, right: &Val<'a>) -> Found<'a> {
    let (Val::Span(span), Val::Float(factor)) = (match left {
        Val::Float(_) => (right, left),
        _ => (left, right),
    }) else {
        return Ok(None);
    };
    if !span.is_exact() {
        return Ok(None);
    }
    span_of_float(micros(span) * factor).map(Some)
}

#[expect(clippy::cast_precision_loss, reason = "as Python's true division of durations")]
fn micros(span: &Span) -> f64 {
    span.micros() as f64
}

fn span_of_float<'a>(micros: f64) -> Done<'a> {
    let whole = super::truncate(micros.round_ties_even()).and_then(Span::of_micros);
    whole.map_or_else(too_large, |span| Ok(Val::Span(Rc::new(span))))
}

#[expect(clippy::cast_precision_loss, reason = "as Python's true division of durations")]
fn divide<'a>(op: Op, left: &Val<'a>, right: &Val<'a>) -> Found<'a> {
    let Val::Span(span) = left else { return Ok(None) };
    if !span.is_exact() {
        return Ok(None);
    }
    if let Val::Span(by) = right {
        return Ok(Some(match op {
            _ if by.micros() == 0 => by_zero()?,
            Op::Div => Val::Float(micros(span) / micros(by)),
            _ => ints(Op::FloorDiv, span.micros(), by.micros())?,
        }));
    }
    let Some(by) = right.as_float() else { return Ok(None) };
    if by == 0.0 {
        return by_zero().map(Some);
    }
    Ok(Some(match (op, right.as_int()) {
        (Op::FloorDiv, Some(by)) => match ints(Op::FloorDiv, span.micros(), by)? {
            Val::Int(micros) => span_of_float(micros as f64)?,
            other => other,
        },
        (Op::FloorDiv, None) => return Ok(None),
        _ => span_of_float(micros(span) / by)?,
    }))
}

fn room(needed: usize, most: usize) -> Result<(), Fault> {
    if needed > most {
        return Err(Fault::Failed(format!("it makes a value of more than {most} bytes or items")));
    }
    Ok(())
}

fn joined<'a>(left: &Val<'a>, right: &Val<'a>) -> Result<Vec<Val<'a>>, Fault> {
    let mut items = left.items()?;
    let more = right.items()?;
    room(items.len() + more.len(), MAX_ITEMS)?;
    items.extend(more);
    Ok(items)
}

fn repeated<'a>(many: &Val<'a>, times: usize) -> Result<Vec<Val<'a>>, Fault> {
    let items = many.items()?;
    let length = items.len().saturating_mul(times);
    room(length, MAX_ITEMS)?;
    Ok(items.iter().cycle().take(length).cloned().collect())
}

/// `-value`
pub(in super::super) fn negate<'a>(value: &Val<'a>) -> Done<'a> {
    value.defined()?;
    match value {
        Val::Float(float) => Ok(Val::Float(-float)),
        Val::Span(span) => Ok(Val::Span(Rc::new(span.negated()))),
        other => match other.as_int() {
            Some(int) => int.checked_neg().map_or_else(too_large, |int| Ok(Val::Int(int))),
            None => Err(Fault::Type(format!("`-` does not go before {}", other.kind()))),
        },
    }
}
