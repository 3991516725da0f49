//! Answers that are no JSON.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::server::Answer;

const TABLE: &str = "id;name;note\r\n1;\"a; \"\"b\"\"\";x\r\n\r\n2;plain;NA\r\n3\r\n4;;\"\"\r\n";
const MARKUP: &str = "<?xml version=\"1.0\"?><feed next=\"1\"><item id=\"1\">a &amp; b</item>\
    <item id=\"2\"><deep/><deep>x</deep></item><!-- c --></feed>";
const MARKUP_END: &str = "<feed><item id=\"3\"><![CDATA[<x>]]> y</item>\
    <item id=\"4\"><z a=\"b\">&#65;</z></item></feed>";

/// What the fake answers.
pub fn answer(how: &str, page: u64) -> Answer {
    let plain = |text: &str| Answer::status(200, text);
    let raw = |body: Vec<u8>| Answer { body, ..Answer::status(200, "") };
    let lines = "{\"id\": 1, \"n\": {\"a\": [1, 2.5]}}\n{\"id\": 2}\n{\"id\": 3}\n";
    match how {
        "lines" => plain(lines),
        "lineswithin" if page < 2 => {
            let first = page * 10;
            plain(&format!(
                "{}\n{}\n",
                json!({"data": [{"id": first}, {"id": first + 1}]}),
                json!({"data": {"id": first + 2}}),
            ))
        }
        "lineswithin" => plain("{\"data\": []}\n"),
        "table" => plain(TABLE),
        "tabs" => raw(b"id\tname\n1\tcaf\xe9\n2\tx\n".to_vec()),
        "markup" if page == 0 => plain(MARKUP),
        "markup" => plain(MARKUP_END),
        "gzip" => raw(gzip(lines.as_bytes())),
        "gzipcsv" => raw(gzip(b"id,name\n1,a\n2,\"b, c\"\n")),
        "zip" => raw(zip()),
        "texts" => plain("one\ntwo\r\nthree"),
        "items" => Answer::json(&json!({"data": {"rows": [{"id": 1}, {"id": 2}], "n": 2}})),
        _ => Answer::status(404, ""),
    }
}

/// A file that a job made.
pub fn file(kind: &str, n: &str) -> Answer {
    let text = format!("id,kind,n\n1,{kind},{n}\n2,NA,\n3,\"x, y\",\"\"\n");
    match n {
        "plain" => Answer::status(200, &text),
        _ => Answer { body: gzip(text.as_bytes()), ..Answer::status(200, "") },
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

/// Two files, one of them deflated: made by Python's `zipfile`.
fn zip() -> Vec<u8> {
    hex::decode(ZIP).unwrap()
}

const ZIP: &str = concat!(
    "504b030414000000080000002158ce3ef63f2b0000009600000006000000612e6a736f6e8bae56ca4c51b252",
    "30d051502a49ad280132958af3735315401c4c8652ad8e02548721c93a8c88d5110b00504b03041400000000",
    "00000021588dca0d9e090000000900000006000000622e6a736f6e7b226964223a20397d504b010214031400",
    "0000080000002158ce3ef63f2b00000096000000060000000000000000000000800100000000612e6a736f6e",
    "504b01021403140000000000000021588dca0d9e090000000900000006000000000000000000000080014f00",
    "0000622e6a736f6e504b05060000000002000200680000007c0000000000",
);
