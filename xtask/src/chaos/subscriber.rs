//! Somebody who wants to be told of every run that ends well. Now and then he is busy, and wants to
//! be told again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    api::{Api, text},
    command::Outcome,
};

/// Every so many deliveries he is busy when he is told of it for the first time.
const BUSY_EVERY: usize = 9;
/// Longest wait for a part of a delivery: its sender may be dead.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest delivery taken, in bytes.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

/// What was heard: by run, the ids of deliveries that told of it.
type Heard = BTreeMap<String, BTreeSet<String>>;

/// The subscriber, who outlives the kills.
#[derive(Debug)]
pub struct Subscriber {
    /// Where he listens: `127.0.0.1:port`.
    pub address: String,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    heard: Heard,
    /// Deliveries that he was too busy for.
    refused: BTreeSet<String>,
    calls: usize,
}

impl Subscriber {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system has no port.
    pub fn start() -> Outcome<Self> {
        let said = |error| format!("the subscriber cannot listen: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(said)?;
        let address = listener.local_addr().map_err(said)?.to_string();
        let memory = Arc::<Mutex<Memory>>::default();
        let listening = memory.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let memory = listening.clone();
                // One that breaks off was sent by a process that died: it comes again.
                thread::spawn(move || drop(take(stream, &memory)));
            }
        });
        Ok(Self { address, memory })
    }

    /// Wants to be told.
    ///
    /// # Errors
    /// What the API says.
    pub fn subscribe(&self, api: &mut Api) -> Outcome {
        let url = format!("http://{}/told", self.address);
        let wish = json!({ "url": url, "events": ["run.completed", "flow.sync.completed"] });
        api.create("/api/v1/webhook-subscriptions", &wish).map(drop)
    }

    /// What was heard until now.
    pub fn heard(&self) -> Heard {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).heard.clone()
    }
}

/// Takes one delivery, or does not.
fn take(stream: TcpStream, memory: &Mutex<Memory>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut stream = BufReader::new(stream);
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "webhook-id" => value.clone_into(&mut id),
            "content-length" => length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    let mut body = Vec::new();
    stream.by_ref().take(length.min(MAX_BODY_BYTES)).read_to_end(&mut body)?;
    let event: Value = serde_json::from_slice(&body)?;
    let takes = memory.lock().unwrap_or_else(PoisonError::into_inner).hear(&id, &event);
    let answer = if takes { "204 No Content" } else { "503 Busy\r\nretry-after: 1" };
    write!(stream.get_mut(), "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

impl Memory {
    /// Whether it was not too busy.
    fn hear(&mut self, id: &str, event: &Value) -> bool {
        self.calls += 1;
        if self.calls.is_multiple_of(BUSY_EVERY) && self.refused.insert(id.to_owned()) {
            return false;
        }
        self.heard.entry(text(event, "subject").to_owned()).or_default().insert(id.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_heard_when_it_comes_again() {
        let mut memory = Memory::default();
        let told = |memory: &mut Memory, n: usize| {
            memory.hear(&format!("msg_{n}"), &json!({ "subject": format!("run_{n}") }))
        };
        let refused: Vec<usize> = (1..=BUSY_EVERY).filter(|n| !told(&mut memory, *n)).collect();
        assert_eq!(refused, [BUSY_EVERY]);
        assert!(told(&mut memory, BUSY_EVERY));
        assert!(told(&mut memory, 1), "told twice under one id");
        assert_eq!(memory.heard.len(), BUSY_EVERY);
        assert!(memory.heard.values().all(|ids| ids.len() == 1));
    }
}
