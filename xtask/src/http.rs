//! HTTP/1.1 over loopback, as little of it as these tasks need.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::command::Outcome;

/// Longest wait for any part of an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest body taken, in bytes.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;
/// Most headers of an answer, chunks of a body not counted.
const MAX_HEADERS: usize = 200;

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
    let failed = |error| format!("{} {base_url}{}: {error}", request.method, request.target);
    let mut request = request.clone();
    request.headers.push(("connection", "close".into()));
    Connection::open(base_url).and_then(|mut connection| connection.send(&request)).map_err(failed)
}

/// A connection that is used for one request after the other.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
    prefix: String,
}

impl Connection {
    /// Connects to `http://host:port`; a path behind it is put before every target.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn open(base_url: &str) -> io::Result<Self> {
        let rest = base_url.strip_prefix("http://").unwrap_or(base_url);
        let (host, prefix) = rest
            .split_once('/')
            .map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
        let stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host: host.to_owned(), prefix })
    }

    /// What carries it, for whoever reads answers by other means.
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// When the connection ends early or what comes is not HTTP.
    pub fn send(&mut self, request: &Request) -> io::Result<Answer> {
        let bytes = self.render(request);
        self.exchange(&bytes)
    }

    /// A request as the bytes that [`Connection::exchange`] sends.
    pub fn render(&self, request: &Request) -> Vec<u8> {
        let Request { method, target, headers, body } = request;
        let mut text =
            format!("{method} {}{target} HTTP/1.1\r\nhost: {}\r\n", self.prefix, self.host);
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            text += &format!("content-length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += body;
        text.into_bytes()
    }

    /// Sends rendered bytes and reads the answer.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn exchange(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        self.stream.get_mut().write_all(bytes)?;
        read_answer(&mut self.stream)
    }
}

fn read_answer(stream: &mut impl BufRead) -> io::Result<Answer> {
    let first = line(stream)?;
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        .ok_or_else(|| bad(&format!("no HTTP answer: {first}")))?;
    let mut headers = Vec::new();
    loop {
        let header = line(stream)?;
        if header.is_empty() {
            break;
        }
        if headers.len() == MAX_HEADERS {
            return Err(bad("too many headers"));
        }
        let (name, value) =
            header.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: String::new() };
    let body = read_body(stream, &answer)?;
    answer.body = String::from_utf8(body).map_err(|_| bad("a body that is not UTF-8"))?;
    Ok(answer)
}

fn read_body(stream: &mut impl BufRead, answer: &Answer) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if matches!(answer.status, 204 | 304) {
        return Ok(body);
    }
    let chunked =
        answer.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    if chunked {
        while read_chunk(stream, &mut body)? {}
    } else if let Some(length) = answer.header("content-length") {
        let length = length.parse().map_err(|_| bad("a content-length that is no number"))?;
        read_exactly(stream, length, &mut body)?;
    } else {
        // The end of the connection is the end of the body.
        stream.take(MAX_BODY_BYTES).read_to_end(&mut body)?;
    }
    Ok(body)
}

/// Reads one chunk; false after the last.
fn read_chunk(stream: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<bool> {
    let head = line(stream)?;
    let size = head.split(';').next().unwrap_or_default().trim();
    let size = u64::from_str_radix(size, 16).map_err(|_| bad("a chunk without a size"))?;
    if size == 0 {
        // Trailers end with an empty line.
        while !line(stream)?.is_empty() {}
        return Ok(false);
    }
    read_exactly(stream, size, body)?;
    if line(stream)?.is_empty() { Ok(true) } else { Err(bad("a chunk longer than its size")) }
}

fn read_exactly(stream: &mut impl BufRead, size: u64, body: &mut Vec<u8>) -> io::Result<()> {
    if body.len() as u64 + size > MAX_BODY_BYTES {
        return Err(bad("a body that is too large"));
    }
    let read = stream.take(size).read_to_end(body)?;
    if read as u64 == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    const MAX_LINE_BYTES: u64 = 64 * 1024;
    let mut text = String::new();
    stream.take(MAX_LINE_BYTES).read_line(&mut text)?;
    match text.strip_suffix('\n') {
        Some(line) => Ok(line.strip_suffix('\r').unwrap_or(line).to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Answer> {
        read_answer(&mut text.as_bytes())
    }

    #[test]
    fn reads_plain_and_chunked_answers() {
        let plain = read("HTTP/1.1 404 Not Found\r\nX-A: b:c\r\n\r\ngone").unwrap();
        assert_eq!((plain.status, plain.header("x-a"), &*plain.body), (404, Some("b:c"), "gone"));
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(read(text).unwrap().body, "abcde");
    }

    #[test]
    fn leaves_the_next_answer_on_the_connection() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 204 No Content\r\n\r\n\
                    HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n";
        let mut stream = text.as_bytes();
        let bodies = [(); 3].map(|()| read_answer(&mut stream).unwrap().body);
        assert_eq!(bodies, ["ab", "", "c"]);
        assert!(stream.is_empty());
    }

    #[test]
    fn refuses_what_is_not_an_answer_or_ends_early() {
        for text in [
            "",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nabc",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
