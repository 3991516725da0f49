//! YAML as people write it by hand, read and written as JSON values.

use connectus_core::{Code, Error, Result};
use serde_json::Value;

/// Largest text that is read, in bytes.
pub const MAX_YAML_BYTES: usize = 1024 * 1024;

/// Reads YAML, of which JSON is a part.
///
/// # Errors
/// `bad_request` naming the line of what cannot be read.
pub fn read(text: &str) -> Result<Value> {
    if text.len() > MAX_YAML_BYTES {
        let detail = format!("The text is larger than {MAX_YAML_BYTES} bytes.");
        return Err(Error::new(Code::BadRequest, detail));
    }
    serde_saphyr::from_str(text)
        .map_err(|error| Error::new(Code::BadRequest, format!("This is not YAML: {error}")))
}

/// Writes a value as YAML.
///
/// # Errors
/// `internal`, which no JSON value brings about.
pub fn write(value: &Value) -> Result<String> {
    serde_saphyr::to_string(value).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for value in [
            json!({"a": [1, 2.5, "x", null, true, {"b": []}], "empty": {}, "text": "two\nlines\n"}),
            json!({"yes": "yes", "no": "no", "number": "007", "null": "null", "tilde": "~"}),
            json!({"template": "{{ trigger.name }}", "colon": "a: b", "hash": "# no"}),
            json!({"dash": "- x"}),
            json!({"spaces": "  x  ", "quote": "it's \"so\"", "time": "2026-01-05", "hex": "0x1f"}),
            json!({"long": "word ".repeat(60), "tab": "a\tb", "unicode": "héllo ✓", "on": "on"}),
        ] {
            let text = write(&value).unwrap();
            assert_eq!(read(&text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn what_is_no_yaml_is_refused() {
        assert_eq!(read("a: [").unwrap_err().code, Code::BadRequest);
        assert!(read(&" ".repeat(MAX_YAML_BYTES + 1)).is_err());
        // Aliases that grow without end.
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
            + &(1..9)
                .map(|n| {
                    let (own, before) = (char::from(b'a' + n), char::from(b'a' + n - 1));
                    let many = vec![format!("*{before}"); 9].join(",");
                    format!("{own}: &{own} [{many}]\n")
                })
                .collect::<String>();
        assert!(read(&bomb).is_err());
    }
}
