//! Format specifications: what stands after the colon in `{:>8.2f}`, and after `%`.

use super::{
    super::{MAX_TEXT_BYTES, print, program::Fault},
    Shower, Val,
};

/// Widest field and most digits that are printed.
const MAX_WIDTH: usize = 10_000;

/// How a value is to be printed.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Spec {
    pub fill: Option<char>,
    /// `<`, `>`, `^` or `=`.
    pub align: Option<char>,
    /// `+`, `-` or a blank.
    pub sign: Option<char>,
    pub alternate: bool,
    pub zeros: bool,
    pub width: usize,
    /// `,` or `_` between groups of three.
    pub group: Option<char>,
    pub precision: Option<usize>,
    pub letter: Option<char>,
}

impl Spec {
    /// Reads the mini-language of `format()`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = || Fault::Failed(format!("`{text}` is no format specification"));
        let mut rest: Vec<char> = text.chars().collect();
        rest.reverse();
        let mut spec = Self::default();
        let is_align = |c: Option<&char>| c.is_some_and(|c| matches!(c, '<' | '>' | '^' | '='));
        if rest.len() > 1 && is_align(rest.get(rest.len() - 2)) {
            spec.fill = rest.pop();
            spec.align = rest.pop();
        } else if is_align(rest.last()) {
            spec.align = rest.pop();
        }
        let mut take = |wanted: &[char]| {
            let found = rest.last().copied().filter(|c| wanted.contains(c));
            if found.is_some() {
                rest.pop();
            }
            found
        };
        spec.sign = take(&['+', '-', ' ']);
        spec.alternate = take(&['#']).is_some();
        spec.zeros = take(&['0']).is_some();
        spec.width = number(&mut rest).unwrap_or(0);
        let mut take = |wanted: &[char]| {
            let found = rest.last().copied().filter(|c| wanted.contains(c));
            if found.is_some() {
                rest.pop();
            }
            found
        };
        spec.group = take(&[',', '_']);
        if take(&['.']).is_some() {
            spec.precision = Some(number(&mut rest).ok_or_else(wrong)?);
        }
        spec.letter = rest.pop();
        let bounded = spec.width <= MAX_WIDTH && spec.precision.unwrap_or(0) <= MAX_WIDTH;
        if rest.is_empty() && bounded { Ok(spec) } else { Err(wrong()) }
    }

    /// Prints a value as `format(value, spec)` does.
    pub fn apply(&self, value: &Val<'_>) -> Result<String, Fault> {
        let unfit = || {
            let letter = self.letter.unwrap_or(' ');
            let what =
                format!("the format `{letter}` does not fit a value of type {}", value.kind());
            Fault::Failed(what)
        };
        match value {
            Val::Str(text) => {
                if !matches!(self.letter, None | Some('s')) || self.align == Some('=') {
                    return Err(unfit());
                }
                let cut: String = match self.precision {
                    Some(most) => text.chars().take(most).collect(),
                    None => text.to_string(),
                };
                self.padded("", &cut, '<')
            }
            Val::Float(float) => self.float(*float).ok_or_else(unfit)?,
            Val::Int(_) | Val::Bool(_) => {
                let int = value.as_int().unwrap_or(0);
                match self.letter {
                    None if matches!(value, Val::Bool(_)) && self.is_empty() => {
                        self.padded("", &Shower::text(value)?, '<')
                    }
                    None | Some('d' | 'n' | 'x' | 'X' | 'o' | 'b' | 'c') => {
                        self.int(int).ok_or_else(unfit)?
                    }
                    _ => self.float(value.as_float().unwrap_or(0.0)).ok_or_else(unfit)?,
                }
            }
            other if self.is_empty() => Shower::text(other),
            other => {
                let what =
                    format!("a value of type {} takes no format specification", other.kind());
                Err(Fault::Type(what))
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.width == 0 && self.letter.is_none() && self.precision.is_none() && self.align.is_none()
    }

    /// A whole number.
    pub fn int(&self, int: i128) -> Option<Result<String, Fault>> {
        let size = int.unsigned_abs();
        let (prefix, digits) = match self.letter {
            None | Some('d' | 'n' | 'i' | 'u') => ("", size.to_string()),
            Some('x') => ("0x", format!("{size:x}")),
            Some('X') => ("0X", format!("{size:X}")),
            Some('o') => ("0o", format!("{size:o}")),
            Some('b') => ("0b", format!("{size:b}")),
            Some('c') => ("", char::from_u32(u32::try_from(int).ok()?)?.to_string()),
            _ => return None,
        };
        let prefix = if self.alternate { prefix } else { "" };
        let sign = self.sign_of(int < 0);
        Some(self.number(&format!("{sign}{prefix}"), &self.grouped(&digits)))
    }

    /// A fraction.
    pub fn float(&self, float: f64) -> Option<Result<String, Fault>> {
        let size = float.abs();
        let digits = match self.letter {
            _ if !float.is_finite() => print::float(size),
            None if self.precision.is_none() => print::float(size),
            None => general(size, self.precision?, true, self.alternate),
            Some('f' | 'F') => format!("{size:.*}", self.precision.unwrap_or(6)),
            Some('%') => format!("{:.*}%", self.precision.unwrap_or(6), size * 100.0),
            Some('e' | 'E') => scientific(size, self.precision.unwrap_or(6)),
            Some('g' | 'G' | 'n') => {
                general(size, self.precision.unwrap_or(6), false, self.alternate)
            }
            _ => return None,
        };
        let digits = match self.letter {
            Some('E' | 'G' | 'F') => digits.to_uppercase(),
            _ => digits,
        };
        let negative = float.is_sign_negative() && !float.is_nan();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let grouped = self.grouped(&digits[..end]) + &digits[end..];
        Some(self.number(&self.sign_of(negative), &grouped))
    }

    fn sign_of(&self, negative: bool) -> String {
        match (negative, self.sign) {
            (true, _) => "-".to_owned(),
            (false, Some(sign @ ('+' | ' '))) => sign.to_string(),
            _ => String::new(),
        }
    }

    fn grouped(&self, digits: &str) -> String {
        let Some(mark) = self.group else { return digits.to_owned() };
        let size = if matches!(self.letter, Some('x' | 'X' | 'o' | 'b')) { 4 } else { 3 };
        let mut out = String::new();
        for (position, digit) in digits.chars().enumerate() {
            if position > 0 && (digits.len() - position).is_multiple_of(size) {
                out.push(mark);
            }
            out.push(digit);
        }
        out
    }

    fn number(&self, sign: &str, digits: &str) -> Result<String, Fault> {
        if self.zeros && self.align.is_none() {
            let spec = Self { fill: Some('0'), align: Some('='), ..self.clone() };
            return spec.padded(sign, digits, '>');
        }
        self.padded(sign, digits, '>')
    }

    /// Text in its field.
    pub fn padded(&self, sign: &str, text: &str, usual: char) -> Result<String, Fault> {
        let length = sign.chars().count() + text.chars().count();
        let missing = self.width.saturating_sub(length);
        if text.len() > MAX_TEXT_BYTES {
            return Err(Fault::Failed("it makes too long a text".to_owned()));
        }
        let fill = self.fill.unwrap_or(if self.zeros { '0' } else { ' ' });
        let pad = |count: usize| String::from(fill).repeat(count);
        Ok(match self.align.unwrap_or(usual) {
            '<' => format!("{sign}{text}{}", pad(missing)),
            '^' => format!("{}{sign}{text}{}", pad(missing / 2), pad(missing - missing / 2)),
            '=' => format!("{sign}{}{text}", pad(missing)),
            _ => format!("{}{sign}{text}", pad(missing)),
        })
    }
}

fn number(rest: &mut Vec<char>) -> Option<usize> {
    let mut found = None;
    while let Some(digit) = rest.last().and_then(|c| c.to_digit(10)) {
        rest.pop();
        found = Some((found.unwrap_or(0) * 10 + digit as usize).min(MAX_WIDTH + 1));
    }
    found
}

/// `1.500000e+00`
fn scientific(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

/// The shorter of both forms. `whole` keeps a digit after the point, as `format` without a letter.
fn general(size: f64, precision: usize, whole: bool, alternate: bool) -> String {
    let precision = precision.max(1);
    let text = scientific(size, precision - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i64 = exponent.parse().unwrap_or(0);
    let most = i64::try_from(precision).unwrap_or(i64::MAX) - i64::from(whole);
    let trimmed = |digits: &str| match digits.contains('.') && !alternate {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    if size != 0.0 && !(-4..most.max(1)).contains(&power) {
        return format!("{}e{exponent}", trimmed(mantissa));
    }
    let places = i64::try_from(precision).unwrap_or(0) - 1 - power;
    let fixed = format!("{size:.*}", usize::try_from(places.max(0)).unwrap_or(0));
    let fixed = trimmed(&fixed);
    if whole && !fixed.contains('.') { fixed + ".0" } else { fixed }
}
