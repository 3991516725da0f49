//! A provider of pages on this machine. A page is made once; for each answer only the numbers in
//! it are written anew, so that serving costs little beside reading.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use crate::command::Outcome;

/// The first number. All have as many digits.
const FIRST: u64 = 1_000_000_000;
/// Largest page it gives.
const MAX_PAGE: u64 = 10_000;

/// The provider. It listens until the process ends.
#[derive(Debug)]
pub struct Provider {
    /// Where: `127.0.0.1:port`.
    pub address: String,
}

impl Provider {
    /// Begins to listen; it has so many records.
    ///
    /// # Errors
    /// When the system has no port.
    pub fn start(records: u64) -> Outcome<Self> {
        let said = |error| format!("the provider cannot listen: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(said)?;
        let address = listener.local_addr().map_err(said)?.to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A caller that breaks off is done.
                thread::spawn(move || drop(serve(stream, records)));
            }
        });
        Ok(Self { address })
    }

    /// Settings that name it.
    pub fn config(&self) -> String {
        format!("{{\"base\": \"http://{}\"}}\n", self.address)
    }
}

/// How many of so many records are of the second kind, on pages of a thousand.
pub fn kept(records: u64) -> u64 {
    records / 1_000 * 333 + (records % 1_000 + 1) / 3
}

/// A record of about 520 bytes, as services have them.
fn record(kind: &str) -> String {
    let bio = "Likes long walks, short talks and records that fit on a line. ".repeat(3);
    format!(
        "{{\"id\":{FIRST},\"kind\":\"{kind}\",\"first\":\"Marguerite\",\
         \"last\":\"O\\u2019Sullivan\",\
         \"email\":\"marguerite@example.com\",\"active\":true,\"score\":71.25,\"note\":null,\
         \"address\":{{\"street\":\"Long Street 17\",\"city\":\"Zürich\",\"zip\":\"8001\"}},\
         \"tags\":[\"a\",\"b\",\"c\"],\"bio\":\"{bio}\",\
         \"created_at\":\"2024-01-15T08:00:00Z\",\"updated_at\":\"2024-03-15T10:30:00Z\"}}"
    )
}

/// A page and where its numbers stand.
struct Page {
    bytes: Vec<u8>,
    at: Vec<usize>,
}

impl Page {
    fn of(size: u64) -> Self {
        let (mut bytes, mut at) = (b"{\"data\":[".to_vec(), Vec::new());
        for index in 0..size {
            if index > 0 {
                bytes.push(b',');
            }
            at.push(bytes.len() + "{\"id\":".len());
            let kind = ["a", "b", "c"].get((index % 3) as usize).copied().unwrap_or("a");
            bytes.extend_from_slice(record(kind).as_bytes());
        }
        bytes.extend_from_slice(b"],\"page\":1}");
        Self { bytes, at }
    }

    fn number(&mut self, from: u64) {
        for (number, at) in (FIRST + from..).zip(&self.at) {
            let (mut number, end) = (number, at + 10);
            for digit in self.bytes.get_mut(*at..end).unwrap_or_default().iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
    }
}

fn serve(stream: TcpStream, records: u64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut page = Page::of(0);
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
        }
        let number = |name: &str, usual: u64| {
            let query = first.split([' ', '?', '&']);
            query.filter_map(|part| part.strip_prefix(name)?.parse().ok()).next().unwrap_or(usual)
        };
        let size = number("per_page=", 100).min(MAX_PAGE);
        let from = number("page=", 0).saturating_mul(size);
        let size = size.min(records.saturating_sub(from));
        if page.at.len() as u64 != size {
            page = Page::of(size);
        }
        page.number(from);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            page.bytes.len()
        );
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().write_all(&page.bytes)?;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::http::{Connection, Request};

    #[test]
    fn pages_are_numbered_and_end() {
        let provider = Provider::start(25).unwrap();
        let mut connection = Connection::open(&format!("http://{}", provider.address)).unwrap();
        let mut ids = Vec::new();
        for page in 0..4 {
            let target = format!("/rows?per_page=10&page={page}");
            let request = Request { method: "GET", target, headers: vec![], body: String::new() };
            let answer: Value =
                serde_json::from_str(&connection.send(&request).unwrap().body).unwrap();
            let rows = answer["data"].as_array().unwrap();
            ids.extend(rows.iter().map(|row| row["id"].as_u64().unwrap() - FIRST));
        }
        assert_eq!(ids, (0..25).collect::<Vec<_>>());
        assert!((450..600).contains(&record("a").len()), "{}", record("a").len());
    }
}
