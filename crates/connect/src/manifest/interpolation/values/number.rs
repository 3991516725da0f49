//! Numbers read from texts and rounded, as Python does.

use super::super::literal::{self, Literal};

/// `int(text, base)`
pub(in super::super) fn int_of_text(text: &str, base: u32) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let int = if base == 0 {
        match literal::number(&lower)? {
            Literal::Int(int) => int,
            _ => return None,
        }
    } else {
        let stripped = if prefix.is_empty() { None } else { lower.strip_prefix(prefix) };
        let digits = stripped.map_or(lower.as_str(), |rest| rest.strip_prefix('_').unwrap_or(rest));
        if digits.starts_with(['_', '+', '-']) || digits.ends_with('_') || digits.contains("__") {
            return None;
        }
        if !(2..=36).contains(&base) {
            return None;
        }
        i128::from_str_radix(&digits.replace('_', ""), base).ok()?
    };
    Some(if negative { -int } else { int })
}

/// `float(text)`
pub(in super::super) fn float_of_text(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match digits.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => return Some(f64::INFINITY * sign),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || digits.starts_with(['_', '+', '-'])
        || digits.ends_with('_')
        || digits.contains("__")
        || digits.contains("_.")
        || digits.contains("._")
    {
        return None;
    }
    digits.replace('_', "").parse::<f64>().ok().map(|float| float * sign)
}

/// `int()` of a float; `None` for what is no number or beyond what is held.
#[expect(clippy::cast_possible_truncation, reason = "the bound is checked first")]
pub(in super::super) fn truncate(float: f64) -> Option<i128> {
    (float.abs() < 1e38).then_some(float as i128)
}

/// Ten to a power, as Python's `10 ** n`.
pub(in super::super) fn power_of_ten(power: i32) -> f64 {
    format!("1e{power}").parse().unwrap_or(f64::INFINITY)
}

/// `round(float, places)`: of the decimal digits, half to even.
pub(in super::super) fn round_half_even(float: f64, places: i32) -> f64 {
    if !float.is_finite() || places > 308 {
        return float;
    }
    if places < 0 {
        let scale = power_of_ten(-places);
        return (float / scale).round_ties_even() * scale;
    }
    // Printing rounds the exact value of the float, half to even, as Python does.
    format!("{float:.*}", usize::try_from(places).unwrap_or(0)).parse().unwrap_or(float)
}
