//! The sandbox as a process: one line says where it listens, and it serves there.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
};

#[test]
fn the_program_says_where_it_listens_and_serves_there() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_connectus-sandbox"))
        .args(["--contacts", "300", "--bulk", "--no-limits", "--control"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let host = said["hubspot"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();

    let get = |path: &str| {
        let mut stream = TcpStream::connect(&host).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let page = get("/crm/v3/objects/contacts?limit=100&after=1000200");
    let state = get("/_sandbox/state");
    process.kill().unwrap();
    process.wait().unwrap();

    assert!(page.starts_with("HTTP/1.1 200") && page.contains("x-connectus-sandbox: 1"));
    assert_eq!(page.matches("\"hs_object_id\"").count(), 100);
    assert!(!page.contains("\"paging\""), "rows 201 to 300 are the last");
    assert!(state.contains("\"calls\":1,"), "{state}");
}
