//! HTTP messages as they come in, piece by piece.

use std::io;

/// A message that is here to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'b> {
    /// Its first line.
    pub first: &'b str,
    /// How long it is, with its body.
    pub len: usize,
}

impl Message<'_> {
    /// The status, of an answer.
    pub fn status(&self) -> Option<u16> {
        self.first.get(9..12)?.parse().ok()
    }
}

/// The message that bytes begin with, once it is complete. Of its headers only the length of the
/// body counts; without one there is no body.
///
/// # Errors
/// When it is no message, or its length cannot be known before its end.
pub fn whole(bytes: &[u8]) -> io::Result<Option<Message<'_>>> {
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head]).map_err(|_| bad("headers that are no text"))?;
    let mut lines = text.split("\r\n");
    let (first, mut body) = (lines.next().unwrap_or_default(), 0);
    if !first.contains("HTTP/1.") {
        return Err(bad("no HTTP message"));
    }
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body = value.trim().parse().map_err(|_| bad("a length that is no number"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(bad("a message that does not say how long it is"));
        }
    }
    let len = head + 4 + body;
    Ok((bytes.len() >= len).then_some(Message { first, len }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_with_its_body() {
        let text = b"HTTP/1.1 202 Accepted\r\nx: y\r\nContent-Length: 3\r\n\r\nabc";
        let read = whole(text).unwrap().unwrap();
        assert_eq!((read.status(), read.len), (Some(202), text.len()));
        assert_eq!(whole(&text[..text.len() - 1]).unwrap(), None);
        assert_eq!(whole(&text[..20]).unwrap(), None);
        let read = whole(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET").unwrap().unwrap();
        assert_eq!((read.first, read.len), ("GET / HTTP/1.1", 27));
        assert!(whole(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(whole(b"nothing of the kind\r\ncontent-length: 1\r\n\r\na").is_err());
    }
}
