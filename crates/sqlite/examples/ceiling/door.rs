//! Connections that requests come in by, and one HTTP message after the other.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
};

use mio::{
    Events, Interest, Poll, Registry, Token,
    net::{TcpListener, TcpStream},
};

use crate::Outcome;

/// What the door is called among connections.
const DOOR: Token = Token(usize::MAX);

/// A connection and what of the next message has come in.
pub struct Line {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// All callers.
pub struct Door {
    poll: Poll,
    listener: TcpListener,
    callers: HashMap<Token, Line>,
    events: Events,
    /// What the last connection is called.
    last: usize,
}

impl Door {
    /// Opens one, and prints where.
    pub fn open() -> Outcome<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        poll.registry().register(&mut listener, DOOR, Interest::READABLE)?;
        println!("{}", listener.local_addr()?);
        let (callers, events) = (HashMap::new(), Events::with_capacity(256));
        Ok(Self { poll, listener, callers, events, last: 0 })
    }

    /// Waits for bodies of requests, each with who asks, and for what `others` answer.
    pub fn hear(&mut self, others: &mut HashMap<Token, Line>) -> Outcome<Heard> {
        self.poll.poll(&mut self.events, None)?;
        let mut heard = Heard::default();
        for event in &self.events {
            let token = event.token();
            if token == DOOR {
                while let Ok((stream, _)) = self.listener.accept() {
                    self.last += 1;
                    let line = Line::of(stream, self.poll.registry(), Token(self.last))?;
                    self.callers.insert(Token(self.last), line);
                }
            } else if let Some(line) = self.callers.get_mut(&token) {
                if !line.hear(|body| heard.requests.push((token, body.to_vec())))? {
                    self.callers.remove(&token);
                }
            } else if let Some(line) = others.get_mut(&token)
                && !line.hear(|body| heard.answers.push((token, body.to_vec())))?
            {
                return Err("the service has gone".into());
            }
        }
        Ok(heard)
    }

    /// Opens a way to a service, and says what it is called.
    pub fn call(&mut self, service: std::net::SocketAddr) -> Outcome<(Token, Line)> {
        self.last += 1;
        let stream = std::net::TcpStream::connect(service)?;
        stream.set_nonblocking(true)?;
        let token = Token(self.last);
        Ok((token, Line::of(TcpStream::from_std(stream), self.poll.registry(), token)?))
    }

    /// Answers a caller, unless it has gone.
    pub fn answer(&mut self, caller: Token, bytes: &[u8]) -> io::Result<()> {
        self.callers.get_mut(&caller).map_or(Ok(()), |line| line.say(bytes))
    }
}

/// What came in at once.
#[derive(Default)]
pub struct Heard {
    /// Bodies of requests, and who asks.
    pub requests: Vec<(Token, Vec<u8>)>,
    /// Bodies of answers, and whose.
    pub answers: Vec<(Token, Vec<u8>)>,
}

impl Line {
    fn of(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Says something: little enough to be taken at once.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Hands on the bodies that have come in whole. False when nobody is there any more.
    fn hear(&mut self, mut whole_body: impl FnMut(&[u8])) -> io::Result<bool> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(false),
                Ok(read) => self.unread.extend_from_slice(piece.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        while let Some((head, body)) = whole(&self.unread) {
            whole_body(self.unread.get(head..head + body).unwrap_or_default());
            self.unread.drain(..head + body);
        }
        Ok(true)
    }
}

/// Lengths of the head and the body of the first message, once it is whole.
fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(bytes.get(..head)?).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let body = length.unwrap_or(0);
    (bytes.len() >= head + body).then_some((head, body))
}
