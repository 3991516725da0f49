//! How Python prints: `str` and `repr` of numbers, texts and JSON.

use std::fmt::Write;

use serde_json::{Number, Value};

/// `repr` of a float: the shortest digits that read back, exponents as Python writes them.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&power) {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", power.abs())
}

/// `repr` of a text.
pub(super) fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if character == quote => {
                out.push('\\');
                out.push(quote);
            }
            character if is_printable(character) => out.push(character),
            character => {
                let code = u32::from(character);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Whether `repr` shows a character as it is: not controls, separators and what has no form.
fn is_printable(character: char) -> bool {
    let code = u32::from(character);
    if (0x20..0x7f).contains(&code) {
        return true;
    }
    let hidden = character.is_control()
        || (character.is_whitespace() && character != ' ')
        || matches!(code, 0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x8e2 | 0x180e)
        || matches!(code, 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff)
        || matches!(code, 0xe000..=0xf8ff | 0xfff0..=0xfffb | 0xf_0000..)
        || code & 0xffff >= 0xfffe;
    !hidden
}

/// `str` of a JSON number.
pub(super) fn number(value: &Number, out: &mut String) {
    match value.as_f64() {
        Some(real) if value.is_f64() => out.push_str(&float(real)),
        _ => {
            let _ = write!(out, "{value}");
        }
    }
}

/// `repr` of JSON as the Python values it stands for.
pub(super) fn json(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
        Value::Number(value) => number(value, out),
        Value::String(text) => quoted(text, out),
        Value::Array(items) => array(items, out),
        Value::Object(fields) => object(fields.iter(), out),
    }
}

/// `repr` of a list.
pub(super) fn array(items: &[Value], out: &mut String) {
    out.push('[');
    for (position, item) in items.iter().enumerate() {
        out.push_str(if position == 0 { "" } else { ", " });
        json(item, out);
    }
    out.push(']');
}

/// `repr` of a dict.
pub(super) fn object<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>, out: &mut String) {
    out.push('{');
    for (position, (name, field)) in fields.enumerate() {
        out.push_str(if position == 0 { "" } else { ", " });
        quoted(name, out);
        out.push_str(": ");
        json(field, out);
    }
    out.push('}');
}
