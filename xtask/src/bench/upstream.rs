//! A service on this machine that workflows call: it answers at once, and counts.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::command::Outcome;

/// What it says.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                        content-length: 29\r\n\r\n{\"ok\":true,\"id\":\"contact-17\"}";
/// Largest body it takes, in bytes.
const MAX_BODY_BYTES: u64 = 64 * 1024;

/// The service.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens: `127.0.0.1:port`.
    pub address: String,
    answered: Arc<AtomicU64>,
}

impl Upstream {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system has no port.
    pub fn start() -> Outcome<Self> {
        let said = |error| format!("the service cannot listen: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(said)?;
        let address = listener.local_addr().map_err(said)?.to_string();
        let answered = Arc::<AtomicU64>::default();
        let count = answered.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = count.clone();
                // A caller that breaks off is done.
                thread::spawn(move || drop(answer(stream, &count)));
            }
        });
        Ok(Self { address, answered })
    }

    /// Requests answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Answers the requests of one connection.
fn answer(stream: TcpStream, count: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse().unwrap_or(0);
            }
        }
        std::io::copy(&mut stream.by_ref().take(length.min(MAX_BODY_BYTES)), &mut std::io::sink())?;
        count.fetch_add(1, Ordering::Relaxed);
        stream.get_mut().write_all(ANSWER)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, Request};

    #[test]
    fn it_answers_one_request_after_the_other_and_counts() {
        let upstream = Upstream::start().unwrap();
        let mut connection = Connection::open(&format!("http://{}", upstream.address)).unwrap();
        for body in ["", "{\"a\": 1}"] {
            let request = Request {
                method: "POST",
                target: "/".into(),
                headers: vec![],
                body: body.to_owned(),
            };
            let answer = connection.send(&request).unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, 29));
        }
        assert_eq!(upstream.answered(), 2);
    }
}
