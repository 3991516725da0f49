//! Calls that are answered with what a service said, once what was done is written down.

use std::{collections::HashMap, net::SocketAddr, path::Path};

use mio::Token;
use rusqlite::params;
use serde_json::{Value, json};

use crate::{
    Outcome,
    door::{Door, Line},
    open,
};

/// What is under way for a caller.
struct Call {
    caller: Token,
    input: Vec<u8>,
    fields: Value,
}

pub fn run(folder: &Path, upstream: SocketAddr) -> Outcome {
    let db = open(
        folder,
        "CREATE TABLE executions (id INTEGER PRIMARY KEY, input BLOB NOT NULL, \
         fields TEXT NOT NULL, output TEXT NOT NULL)",
    )?;
    let put = "INSERT INTO executions (input, fields, output) VALUES (?, ?, ?)";
    let mut put = db.prepare(put)?;
    let mut door = Door::open()?;
    let (mut lines, mut free): (HashMap<Token, Line>, Vec<Token>) = Default::default();
    let mut calls: HashMap<Token, Call> = HashMap::new();
    loop {
        let heard = door.hear(&mut lines)?;
        for (caller, input) in heard.requests {
            let fields = edited(&serde_json::from_slice(&input)?);
            let token = match free.pop() {
                Some(token) => token,
                None => {
                    let (token, line) = door.call(upstream)?;
                    lines.insert(token, line);
                    token
                }
            };
            let body = json!({ "email": fields["email"], "name": fields["name"] }).to_string();
            let length = body.len();
            let request = format!(
                "PUT /contacts HTTP/1.1\r\nhost: {upstream}\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n{body}"
            );
            let line = lines.get_mut(&token).ok_or("no way to the service")?;
            line.say(request.as_bytes())?;
            calls.insert(token, Call { caller, input, fields });
        }
        if heard.answers.is_empty() {
            continue;
        }
        let mut answers = Vec::with_capacity(heard.answers.len());
        db.execute_batch("BEGIN IMMEDIATE")?;
        for (token, answer) in heard.answers {
            free.push(token);
            let Some(Call { caller, input, fields }) = calls.remove(&token) else { continue };
            let answer: Value = serde_json::from_slice(&answer)?;
            let output = json!({ "contact": answer["id"], "total": fields["total"] }).to_string();
            put.execute(params![input, fields.to_string(), output])?;
            answers.push((caller, output));
        }
        db.execute_batch("COMMIT")?;
        for (caller, output) in answers {
            let length = output.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n{output}"
            );
            door.answer(caller, head.as_bytes())?;
        }
    }
}

/// The four fields of the benchmark's workflow.
fn edited(body: &Value) -> Value {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    json!({
        "email": text("email").to_lowercase(),
        "name": text("name").to_uppercase(),
        "total": body["pieces"].as_u64().unwrap_or(0) * 12,
        "currency": text("currency").to_uppercase(),
    })
}
