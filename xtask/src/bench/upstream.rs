//! A service on this machine that workflows call: it answers at once, and counts.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use super::message::whole;
use crate::command::Outcome;

/// What it says.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                        content-length: 29\r\n\r\n{\"ok\":true,\"id\":\"contact-17\"}";
/// Largest request it takes, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Bytes read at once.
const READ: usize = 16 * 1024;
/// What the door is called among connections.
const DOOR: Token = Token(usize::MAX);

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
        let said = |error: io::Error| format!("the service cannot listen: {error}");
        let anywhere = ([127, 0, 0, 1], 0).into();
        let mut listener = TcpListener::bind(anywhere).map_err(said)?;
        let address = listener.local_addr().map_err(said)?.to_string();
        let poll = Poll::new().map_err(said)?;
        poll.registry().register(&mut listener, DOOR, Interest::READABLE).map_err(said)?;
        let answered = Arc::<AtomicU64>::default();
        let hall = Hall { poll, listener, callers: HashMap::new(), answered: answered.clone() };
        // One thread for all callers: more would take more of the machine than the server does.
        thread::spawn(move || hall.serve());
        Ok(Self { address, answered })
    }

    /// Requests answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

/// All connections.
struct Hall {
    poll: Poll,
    listener: TcpListener,
    callers: HashMap<Token, Caller>,
    answered: Arc<AtomicU64>,
}

struct Caller {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Hall {
    fn serve(mut self) -> io::Result<()> {
        let (mut events, mut next) = (Events::with_capacity(256), 0);
        loop {
            self.poll.poll(&mut events, None)?;
            for event in &events {
                if event.token() == DOOR {
                    self.let_in(&mut next)?;
                } else if let Some(caller) = self.callers.get_mut(&event.token())
                    && caller.answer(&self.answered).is_err()
                {
                    // A caller that breaks off is done.
                    self.callers.remove(&event.token());
                }
            }
        }
    }

    fn let_in(&mut self, next: &mut usize) -> io::Result<()> {
        while let Ok((mut stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            *next += 1;
            self.poll.registry().register(&mut stream, Token(*next), Interest::READABLE)?;
            self.callers.insert(Token(*next), Caller { stream, unread: Vec::new() });
        }
        Ok(())
    }
}

impl Caller {
    /// Answers what has come in whole.
    fn answer(&mut self, answered: &AtomicU64) -> io::Result<()> {
        let mut piece = [0; READ];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.unread.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            while let Some(len) = whole(&self.unread)?.map(|message| message.len) {
                self.unread.drain(..len);
                answered.fetch_add(1, Ordering::Relaxed);
                self.stream.write_all(ANSWER)?;
            }
            if self.unread.len() > MAX_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
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
