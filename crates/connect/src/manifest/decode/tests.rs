use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use super::*;
use crate::manifest::document::Node as DocumentNode;

fn decoder(component: &Value) -> Decoder {
    let owner = DocumentNode::from_value(&json!({"type": "SimpleRetriever", "decoder": component}));
    let DocumentNode::Map(map) = owner else { panic!("an object") };
    Decoder::compile(&Component::root(map), "decoder").unwrap()
}

fn decoded(component: &Value, body: &[u8]) -> Value {
    let bytes = decoder(component).decode(&Bytes::copy_from_slice(body)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

#[test]
fn tables_are_read_as_python_reads_them() {
    let text = "id,name,note\r\n1,\"a, \"\"b\"\"\r\nc\",x\n\n2,plain\"x,NA\n3\n4,,\"\"";
    let rows =
        decoded(&json!({"type": "CsvDecoder", "set_values_to_none": ["NA"]}), text.as_bytes());
    let expected = json!([
        {"id": "1", "name": "a, \"b\"\nc", "note": "x"},
        {"id": "2", "name": "plain\"x", "note": null},
        {"id": "3", "name": null, "note": null},
        {"id": "4", "name": "", "note": ""},
    ]);
    assert_eq!(rows, expected);
    let tabs = json!({"type": "CsvDecoder", "delimiter": "\\t", "encoding": "latin-1"});
    assert_eq!(decoded(&tabs, b"a\tb\n\xe9\t2\n"), json!([{"a": "\u{e9}", "b": "2"}]));
    assert_eq!(decoded(&json!({"type": "CsvDecoder"}), b""), json!([]));
}

#[test]
fn lines_and_items_become_lists() {
    let lines = decoded(&json!({"type": "JsonlDecoder"}), b"{\"a\": 1}\n\n{\"a\": [2]}\r\n");
    assert_eq!(lines, json!([{"a": 1}, {"a": [2]}]));
    let texts = decoded(&json!({"type": "IterableDecoder"}), b"one\r\ntwo\n\nthree");
    let expected = json!([{"record": "one"}, {"record": "two"}, {"record": ""},
        {"record": "three"}]);
    assert_eq!(texts, expected);
    let items = json!({"type": "JsonItemsDecoder", "items_path": "data.rows"});
    assert_eq!(decoded(&items, b"{\"data\": {\"rows\": [{\"a\": 1}]}}"), json!([{"a": 1}]));
}

#[test]
fn elements_become_members() {
    let text = "<?xml version='1.0'?><feed xmlns='urn:x'><item id='1'>a &amp; &#98;</item>\
        <item/><one><deep> <![CDATA[<x>]]> </deep></one><!-- no --></feed>";
    let expected = json!([{"feed": {"@xmlns": "urn:x",
        "item": [{"@id": "1", "#text": "a & b"}, null], "one": {"deep": "<x>"}}}]);
    assert_eq!(decoded(&json!({"type": "XmlDecoder"}), text.as_bytes()), expected);
    let bomb = "<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>";
    let decoder = decoder(&json!({"type": "XmlDecoder"}));
    for bad in [bomb, "<a>", "no", "<a></b>"] {
        assert!(decoder.decode(&Bytes::copy_from_slice(bad.as_bytes())).is_err(), "{bad}");
    }
}

#[test]
fn what_is_packed_is_unpacked() {
    let lines = json!({"type": "GzipDecoder", "decoder": {"type": "JsonlDecoder"}});
    let packed = gzip(b"{\"a\": 1}\n{\"a\": 2}\n");
    assert_eq!(decoded(&lines, &packed), json!([{"a": 1}, {"a": 2}]));
    assert_eq!(decoded(&lines, b"{\"a\": 3}"), json!([{"a": 3}]), "what is not packed is read");
    let cut = Bytes::copy_from_slice(&packed[..packed.len() - 4]);
    assert!(gunzipped(&cut).is_err());
}

#[test]
fn few_bytes_that_stand_for_very_many_are_refused() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b' '; 1024 * 1024];
    for _ in 0..=MAX_UNPACKED_BYTES / zeros.len() {
        packed.write_all(&zeros).unwrap();
    }
    let bomb: Bytes = packed.finish().unwrap().into();
    assert!(bomb.len() < MAX_UNPACKED_BYTES / 100);
    let error = gunzipped(&bomb).unwrap_err();
    assert_eq!(error.code, Code::TooLarge);
}

#[test]
fn archives_are_read_file_by_file() {
    let files = [("a.json", &b"[{\"a\": 1}]"[..]), ("dir/", b""), ("b.json", b"{\"a\": 2}")];
    let archive = archive(&files);
    let zip = json!({"type": "ZipfileDecoder", "decoder": {"type": "JsonDecoder"}});
    assert_eq!(decoded(&zip, &archive), json!([{"a": 1}, {"a": 2}]));
    let zip = decoder(&zip);
    for end in [0, 10, archive.len() - 30] {
        let cut = Bytes::copy_from_slice(&archive[..end]);
        assert!(zip.decode(&cut).is_err(), "{end}");
    }
    let mut damaged = archive.clone();
    damaged[36] ^= 1;
    assert!(zip.decode(&damaged.into()).is_err());
}

/// An archive of files that are not packed.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let at = u32::try_from(body.len()).unwrap();
        let mut sum = flate2::Crc::new();
        sum.update(content);
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let mut both = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        both.extend(sum.sum().to_le_bytes());
        both.extend(length);
        both.extend(length);
        both.extend(name_length);
        both.extend([0, 0]);
        body.extend(b"PK\x03\x04");
        body.extend(&both);
        body.extend(name.as_bytes());
        body.extend(*content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&both);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let at = u32::try_from(body.len()).unwrap().to_le_bytes();
    let length = u32::try_from(directory.len()).unwrap().to_le_bytes();
    body.extend(directory);
    body.extend(b"PK\x05\x06\0\0\0\0");
    body.extend([count, count].concat());
    body.extend([length, at].concat());
    body.extend([0, 0]);
    body
}
