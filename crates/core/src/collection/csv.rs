//! Comma-separated export that a spreadsheet can open without running anything.

use serde_json::{Map, Value};

use crate::canonical;

/// Characters with which a spreadsheet takes a cell for a formula, and those it skips before one.
/// The full-width forms count too: some programs fold them to ASCII.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Writes records as RFC 4180 lines with a fixed set of columns.
///
/// A text that a spreadsheet would run as a formula gets an apostrophe in front, which the
/// spreadsheet hides. Numbers are written as they are, so `-5` stays a number. What is not a plain
/// value is written as JSON. Missing and null both give an empty cell.
#[derive(Clone, Debug)]
pub struct Csv {
    key: String,
    columns: Vec<String>,
}

impl Csv {
    /// A writer for these fields, in this order, after the key. The key's column is `key`, or
    /// `_key` where a field has that name: no two columns have one name.
    pub fn new(columns: Vec<String>) -> Self {
        let mut key = "key".to_owned();
        while columns.contains(&key) {
            key.insert(0, '_');
        }
        Self { key, columns }
    }

    /// Appends the line of column names.
    pub fn write_header(&self, out: &mut Vec<u8>) {
        write_text(&self.key, out);
        for column in &self.columns {
            out.push(b',');
            write_text(column, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends one record.
    pub fn write_row(&self, key: &str, data: &Map<String, Value>, out: &mut Vec<u8>) {
        write_text(key, out);
        for column in &self.columns {
            out.push(b',');
            match data.get(column) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => write_text(text, out),
                Some(Value::Bool(true)) => out.extend_from_slice(b"true"),
                Some(Value::Bool(false)) => out.extend_from_slice(b"false"),
                Some(number @ Value::Number(_)) => canonical::write(number, out),
                Some(nested) => write_quoted(&canonical::text(nested), "", out),
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let guard = if text.starts_with(FORMULA_STARTS) { "'" } else { "" };
    let plain = |b: u8| !matches!(b, b',' | b'"' | b'\r' | b'\n');
    // Some readers trim what is not quoted, and a quoted separator must stay one cell.
    let edges = text.starts_with(' ') || text.ends_with(' ');
    if text.bytes().all(plain) && !edges {
        out.extend_from_slice(guard.as_bytes());
        out.extend_from_slice(text.as_bytes());
    } else {
        write_quoted(text, guard, out);
    }
}

fn write_quoted(text: &str, guard: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(guard.as_bytes());
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn row(value: Value) -> String {
        let mut out = Vec::new();
        let data = Map::from_iter([("x".to_owned(), value)]);
        Csv::new(vec!["x".into()]).write_row("1", &data, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_follow_rfc_4180() {
        for (value, line) in [
            (json!("plain"), "1,plain\r\n"),
            (json!("a,b"), "1,\"a,b\"\r\n"),
            (json!("say \"hi\""), "1,\"say \"\"hi\"\"\"\r\n"),
            (json!("two\nlines"), "1,\"two\nlines\"\r\n"),
            (json!(" padded"), "1,\" padded\"\r\n"),
            (json!(null), "1,\r\n"),
            (json!(true), "1,true\r\n"),
            (json!(-5), "1,-5\r\n"),
            (json!(0.1), "1,0.1\r\n"),
            (json!({"b": [1], "a": "x"}), "1,\"{\"\"a\"\":\"\"x\"\",\"\"b\"\":[1]}\"\r\n"),
        ] {
            assert_eq!(row(value.clone()), line, "{value}");
        }
    }

    #[test]
    fn formulas_are_defused() {
        for text in [
            "=1+1",
            "=cmd|' /C calc'!A0",
            "+49 30 1234",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1+1",
            "=HYPERLINK(\"http://x\",\"y\")",
        ] {
            let line = row(json!(text));
            let cell = line.strip_prefix("1,").unwrap().trim_start_matches('"');
            assert!(cell.starts_with('\''), "{text:?} became {line:?}");
        }
    }

    #[test]
    fn keys_and_column_names_are_defused_too() {
        let mut out = Vec::new();
        let csv = Csv::new(vec!["=x".into(), "a,b".into()]);
        csv.write_header(&mut out);
        csv.write_row("=k", &Map::new(), &mut out);
        assert_eq!(out, b"key,'=x,\"a,b\"\r\n'=k,,\r\n");
    }

    #[test]
    fn the_column_of_the_key_has_a_name_of_its_own() {
        for (columns, header) in [
            (vec!["a"], "key,a\r\n"),
            (vec!["key", "a"], "_key,key,a\r\n"),
            (vec!["_key", "key"], "__key,_key,key\r\n"),
        ] {
            let mut out = Vec::new();
            Csv::new(columns.into_iter().map(str::to_owned).collect()).write_header(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), header);
        }
    }

    /// A reader of RFC 4180, to check the writer against.
    fn read(line: &str) -> Vec<String> {
        let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        let mut chars = line.strip_suffix("\r\n").unwrap().chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(std::mem::take(&mut cell)),
                other => cell.push(other),
            }
        }
        assert!(!quoted);
        cells.push(cell);
        cells
    }

    proptest! {
        #[test]
        fn every_text_reads_back_and_none_is_a_formula(text in "[=+\\-@\t\r\n,\" a-c＝]{0,8}") {
            let cells = read(&row(json!(text)));
            prop_assert_eq!(cells.len(), 2);
            let cell = &cells[1];
            prop_assert!(!cell.starts_with(FORMULA_STARTS), "{cell:?}");
            prop_assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), &text);
        }
    }
}
