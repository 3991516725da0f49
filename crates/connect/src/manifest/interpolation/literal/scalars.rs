//! Numbers and quoted texts.

use super::Literal;

/// Where a number ends.
pub(super) fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    if matches!(bytes, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]) {
        return 2 + bytes[2..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
    }
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let exponent_sign = matches!(byte, b'+' | b'-')
            && matches!(bytes.get(end.wrapping_sub(1)), Some(b'e' | b'E'));
        if !(matches!(byte, b'0'..=b'9' | b'_' | b'.' | b'e' | b'E') || exponent_sign) {
            break;
        }
        end += 1;
    }
    end
}

/// A number without its sign, by Python's rules on underscores and leading zeros.
pub(in super::super) fn number(text: &str) -> Option<Literal> {
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let digits = digits.strip_prefix('_').unwrap_or(digits);
            return i128::from_str_radix(&grouped(digits)?, radix).ok().map(Literal::Int);
        }
    }
    if lower.contains(['.', 'e']) {
        return float(&lower).map(Literal::Float);
    }
    let digits = grouped(text)?;
    if digits.starts_with('0') && digits.bytes().any(|digit| digit != b'0') {
        return None;
    }
    digits.parse().ok().map(Literal::Int)
}

fn float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    if whole.is_empty() && fraction.is_none_or(str::is_empty) {
        return None;
    }
    let part = |digits: &str| match digits {
        "" => Some(String::new()),
        digits => grouped(digits),
    };
    let mut plain = part(whole)?;
    plain.push('.');
    plain.push_str(&part(fraction.unwrap_or(""))?);
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        plain.push('e');
        plain.push_str(if exponent.starts_with('-') { "-" } else { "" });
        plain.push_str(&grouped(digits)?);
    }
    plain.parse().ok()
}

/// Digits with single underscores between them.
fn grouped(digits: &str) -> Option<String> {
    let wrong = digits.is_empty()
        || digits.starts_with('_')
        || digits.ends_with('_')
        || digits.contains("__")
        || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (!wrong).then(|| digits.replace('_', ""))
}

/// Reads a quoted text into `out` and gives what follows it.
pub(super) fn string<'t>(text: &'t str, raw: bool, out: &mut String) -> Option<&'t str> {
    let quote = text.chars().next()?;
    let triple = text.starts_with(if quote == '"' { "\"\"\"" } else { "'''" });
    let end = if triple { &text[..3] } else { &text[..1] };
    let mut rest = &text[end.len()..];
    loop {
        if let Some(after) = rest.strip_prefix(end) {
            return Some(after);
        }
        let next = rest.chars().next()?;
        match next {
            '\n' | '\r' if !triple => return None,
            '\0' => return None,
            '\\' if raw => {
                out.push('\\');
                let escaped = rest[1..].chars().next()?;
                out.push(escaped);
                rest = &rest[1 + escaped.len_utf8()..];
            }
            '\\' => rest = escape(&rest[1..], out)?,
            other => {
                out.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
}

/// One escape after its backslash. Names of characters and lone surrogates are not read.
pub(in super::super) fn escape<'t>(text: &'t str, out: &mut String) -> Option<&'t str> {
    let first = text.chars().next()?;
    let plain = match first {
        '\n' => return Some(&text[1..]),
        '\\' | '\'' | '"' => first,
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '0'..='7' => {
            let digits = text.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte));
            let length = digits.count();
            let code = u32::from_str_radix(&text[..length], 8).ok()?;
            out.push(char::from_u32(code)?);
            return Some(&text[length..]);
        }
        'x' | 'u' | 'U' => {
            let length = match first {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let code = hex(text.get(1..=length)?)?;
            let rest = &text[1 + length..];
            // Two halves of a character are read as what they make together in JSON.
            if let Some(low) = rest.strip_prefix("\\u").and_then(|next| hex(next.get(..4)?))
                && (0xd800..0xdc00).contains(&code)
                && (0xdc00..0xe000).contains(&low)
            {
                out.push(char::from_u32(0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00))?);
                return Some(&rest[6..]);
            }
            out.push(char::from_u32(code)?);
            return Some(rest);
        }
        'N' => return None,
        other => {
            out.push('\\');
            other
        }
    };
    out.push(plain);
    Some(&text[first.len_utf8()..])
}

fn hex(digits: &str) -> Option<u32> {
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok())?
}
