//! One byte form per JSON value, and the SHA-256 of it.
//!
//! The form is RFC 8785 (JSON Canonicalization Scheme) with one widening: an integer beyond 2^53
//! keeps all its digits, because 64-bit identifiers of providers must not collide. Numbers equal
//! in value have equal forms: `1`, `1.0` and `1e0` are the same.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, shown and stored as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 hexadecimal digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected 64 hexadecimal digits"))
    }
}

/// The SHA-256 of a value's canonical form.
pub fn digest(value: &Value) -> Digest {
    let mut bytes = Vec::with_capacity(256);
    write(value, &mut bytes);
    Digest::of(&bytes)
}

/// The canonical form as text.
pub fn text(value: &Value) -> String {
    let mut bytes = Vec::with_capacity(256);
    write(value, &mut bytes);
    String::from_utf8(bytes).unwrap_or_default()
}

/// Appends the canonical form of a value.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => write_object(members, out),
    }
}

/// Appends the canonical form of an object given as its members.
pub fn write_object(members: &serde_json::Map<String, Value>, out: &mut Vec<u8>) {
    // Sorted here even if the map sorts: whether it does is a feature any dependency can flip.
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_unstable_by(|(a, _), (b, _)| {
        // RFC 8785 orders by UTF-16 units, which differs from byte order beyond ASCII only.
        if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
    });
    out.push(b'{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write(value, out);
    }
    out.push(b'}');
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut clean_from = 0;
    let bytes = text.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0x00..=0x1f => b"\\u00",
            _ => continue,
        };
        out.extend_from_slice(bytes.get(clean_from..index).unwrap_or_default());
        out.extend_from_slice(escape);
        if escape == b"\\u00" {
            out.extend_from_slice(hex::encode([*byte]).as_bytes());
        }
        clean_from = index + 1;
    }
    out.extend_from_slice(bytes.get(clean_from..).unwrap_or_default());
    out.push(b'"');
}

fn write_number(number: &Number, out: &mut Vec<u8>) {
    // 2^63 and 2^64 as floats: whole numbers below them have an exact integer form.
    const I64_LIMIT: f64 = 9_223_372_036_854_775_808.0;
    const U64_LIMIT: f64 = 18_446_744_073_709_551_616.0;
    let text = match number.as_f64() {
        Some(float) if number.is_f64() => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the guards admit whole numbers inside the range only"
            )]
            if float.fract() == 0.0 && (-I64_LIMIT..I64_LIMIT).contains(&float) {
                (float as i64).to_string()
            } else if float.fract() == 0.0 && (0.0..U64_LIMIT).contains(&float) {
                (float as u64).to_string()
            } else {
                ecmascript(float)
            }
        }
        _ => number.to_string(),
    };
    out.extend_from_slice(text.as_bytes());
}

/// The shortest digits that read back as the same float, laid out as ECMAScript does.
fn ecmascript(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-6..21).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn reread(source: &str) -> String {
        text(&serde_json::from_str(source).unwrap())
    }

    #[test]
    fn follows_the_rfc_8785_examples() {
        // Section 3.2.2 and 3.2.3 of the RFC.
        assert_eq!(
            reread(
                r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
                "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                "literals":[null,true,false]}"#
            ),
            concat!(
                r#"{"literals":[null,true,false],"#,
                r#""numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
                r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
            )
        );
        let sorted = reread(
            r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#,
        );
        assert_eq!(
            sorted,
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn equal_numbers_have_one_form_and_large_ones_keep_their_digits() {
        for same in ["1", "1.0", "1e0", "10e-1"] {
            assert_eq!(reread(same), "1");
        }
        for (source, form) in [
            ("-0.0", "0"),
            ("9007199254740993", "9007199254740993"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1e19", "10000000000000000000"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("0.1", "0.1"),
        ] {
            assert_eq!(reread(source), form, "{source}");
        }
    }

    #[test]
    fn digests_read_back() {
        let digest = digest(&json!({"b": 1, "a": [true, null]}));
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse("ab"), None);
        assert_eq!(Digest::of(br#"{"a":[true,null],"b":1}"#), digest);
    }

    proptest! {
        #[test]
        fn every_float_reads_back_as_itself(float in any::<f64>()) {
            if let Some(number) = Number::from_f64(float) {
                let form = text(&Value::Number(number));
                let back: f64 = serde_json::from_str::<Value>(&form).unwrap().as_f64().unwrap();
                prop_assert!(back == float, "{float:e} became {form}");
            }
        }

        #[test]
        fn every_string_reads_back_as_itself(string in any::<String>()) {
            let back: String = serde_json::from_str(&text(&json!(string))).unwrap();
            prop_assert_eq!(back, string);
        }
    }
}
