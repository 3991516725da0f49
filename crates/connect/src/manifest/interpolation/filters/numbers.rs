//! Filters that make numbers.

use super::{
    super::{
        program::Fault,
        run::{Arguments, Done, flag, int},
        values::{
            Val, float_of_text, int_of_text, negate, power_of_ten, round_half_even, truncate,
        },
    },
    Filter,
};

pub(super) fn apply<'a>(filter: Filter, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    match filter {
        Filter::Int => whole(value, args),
        Filter::Float => {
            let [usual] = args.bind(["default"])?;
            value.defined()?;
            let found = match value {
                Val::Str(text) => float_of_text(text),
                other => other.as_float(),
            };
            Ok(found.map_or_else(|| usual.unwrap_or(Val::Float(0.0)), Val::Float))
        }
        Filter::Round => rounded(value, args),
        Filter::Abs => {
            args.none()?;
            match value {
                Val::Undefined(_) => Err(Fault::Type("`abs` wants a number".to_owned())),
                Val::Float(float) => Ok(Val::Float(float.abs())),
                Val::Int(int) if *int >= 0 => Ok(value.clone()),
                Val::Span(span) if span.is_exact() && span.micros() >= 0 => Ok(value.clone()),
                Val::Bool(_) => Ok(Val::Int(value.as_int().unwrap_or(0))),
                other => negate(other),
            }
        }
        _ => file_size(value, args),
    }
}

/// Never fails on what is no number: gives the default.
fn whole<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let [usual, base] = args.bind(["default", "base"])?;
    value.defined()?;
    let found = match value {
        Val::Str(text) => {
            let base = u32::try_from(int(base.as_ref(), 10)?).unwrap_or(1);
            int_of_text(text, base).or_else(|| float_of_text(text).and_then(truncate))
        }
        Val::Float(float) => truncate(*float),
        other => other.as_int(),
    };
    Ok(found.map_or_else(|| usual.unwrap_or(Val::Int(0)), Val::Int))
}

fn rounded<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let [places, method] = args.bind(["precision", "method"])?;
    let places = int(places.as_ref(), 0)?;
    let places = i32::try_from(places.clamp(-400, 400)).unwrap_or(0);
    let method = method.as_ref().and_then(Val::as_str).unwrap_or("common");
    let Some(float) = value.as_float() else {
        return Err(Fault::Type(format!("`round` does not take a value of type {}", value.kind())));
    };
    if !matches!(method, "common" | "ceil" | "floor") {
        return Err(Fault::Failed("the method of `round` is common, ceil or floor".to_owned()));
    }
    if method != "common" {
        let scale = power_of_ten(places);
        let scaled = float * scale;
        return Ok(Val::Float(
            if method == "ceil" { scaled.ceil() } else { scaled.floor() } / scale,
        ));
    }
    match value.as_int() {
        Some(int) if places >= 0 => Ok(Val::Int(int)),
        Some(int) => Ok(Val::Int(int_to_places(int, places.unsigned_abs()))),
        None => Ok(Val::Float(round_half_even(float, places))),
    }
}

fn int_to_places(int: i128, places: u32) -> i128 {
    let Some(unit) = 10_i128.checked_pow(places) else { return 0 };
    let rest = int.rem_euclid(unit);
    let down = int - rest;
    let up = rest * 2 > unit || (rest * 2 == unit && (down / unit) % 2 != 0);
    if up { down + unit } else { down }
}

fn file_size<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let [binary] = args.bind(["binary"])?;
    let binary = flag(binary.as_ref());
    let size = match value {
        Val::Str(text) => float_of_text(text),
        other => other.as_float(),
    };
    let size = size.ok_or_else(|| Fault::Type("`filesizeformat` wants a number".to_owned()))?;
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if size < base {
        let whole = truncate(size).unwrap_or(0);
        let text =
            if whole == 1 && size == 1.0 { "1 Byte".to_owned() } else { format!("{whole} Bytes") };
        return Ok(Val::text(text));
    }
    let mut unit = base * base;
    for prefix in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
        if size < unit || prefix == "Y" {
            let number = base * size / unit;
            let prefix = if binary { prefix.to_uppercase() + "i" } else { prefix.to_owned() };
            return Ok(Val::text(format!("{number:.1} {prefix}B")));
        }
        unit *= base;
    }
    Ok(Val::None)
}
