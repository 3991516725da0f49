//! HTTP/1.1 over loopback, as little of it as this task needs.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::command::Outcome;

/// Longest wait for any part of an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer taken, in bytes.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// A request to a path of some server.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// HTTP method.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body, empty for none.
    pub body: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a request to `http://host:port` and reads the answer to its end.
pub fn send(base_url: &str, request: &Request) -> Outcome<Answer> {
    let host = base_url.strip_prefix("http://").unwrap_or(base_url);
    let (host, prefix) = host
        .split_once('/')
        .map_or((host, String::new()), |(host, path)| (host, format!("/{path}")));
    let failed = |error| format!("{} {base_url}{}: {error}", request.method, request.target);
    let text = exchange(host, &prefix, request).map_err(failed)?;
    read(&text).ok_or_else(|| format!("{base_url} gave no HTTP answer: {text}"))
}

fn exchange(host: &str, prefix: &str, request: &Request) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let Request { method, target, headers, body } = request;
    let mut head = format!("{method} {prefix}{target} HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("content-length: {}\r\n", body.len());
    }
    head += "connection: close\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut text = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn read(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked"));
    let body = if chunked { join_chunks(body)? } else { body.to_owned() };
    Some(Answer { status, headers, body })
}

fn join_chunks(mut body: &str) -> Option<String> {
    let mut joined = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(joined);
        }
        joined += rest.get(..size)?;
        body = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_and_chunked_answers() {
        let plain = read("HTTP/1.1 404 Not Found\r\nX-A: b:c\r\n\r\ngone").unwrap();
        assert_eq!((plain.status, plain.header("x-a"), &*plain.body), (404, Some("b:c"), "gone"));
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(read(text).unwrap().body, "abcde");
    }

    #[test]
    fn refuses_what_is_not_an_answer() {
        assert!(read("").is_none());
        assert!(read("HTTP/1.1 OK\r\n\r\n").is_none());
        assert!(join_chunks("5\r\nabc\r\n").is_none());
    }
}
