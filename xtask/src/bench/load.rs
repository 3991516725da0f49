//! Many callers at once, each waiting for its answer before it asks again.
//!
//! One thread plays them all, as the load generators do that other products are measured with: a
//! thread for each caller would take more of the machine than the server does.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, event::Event};

use super::{latency::Latencies, message::whole};
use crate::{command::Outcome, http::Connection};

/// Longest wait for anything to happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes read at once.
const READ: usize = 16 * 1024;

/// What the callers saw.
#[derive(Debug)]
pub struct Answers {
    /// From the first request to the last answer.
    pub wall: Duration,
    /// Of each answer.
    pub latencies: Latencies,
}

impl Answers {
    /// Answers per second.
    #[expect(clippy::cast_precision_loss, reason = "no bench has 2^52 answers")]
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.wall.as_secs_f64()
    }
}

/// Lets so many callers send what `next` gives them until it gives nothing; not before its time,
/// where there is to be a pace of so many requests a second.
///
/// # Errors
/// When an answer has another status than `expected`.
pub fn drive<'bytes>(
    base_url: &str,
    (callers, pace): (usize, Option<u64>),
    expected: u16,
    next: impl FnMut() -> Option<&'bytes [u8]>,
) -> Outcome<Answers> {
    let failed = |error: io::Error| format!("{base_url}: {error}");
    let mut crowd = Crowd::gather(base_url, callers).map_err(failed)?;
    let mut source = Source { next, pace, given: 0, held: None, since: Instant::now() };
    let mut times = Vec::new();
    crowd.ask_all(&mut source).map_err(failed)?;
    while crowd.under_way > 0 || source.held.is_some() {
        let found = crowd.hear(&mut source, expected, &mut times).map_err(failed)?;
        if let Some(refused) = found {
            return Err(refused);
        }
    }
    Ok(Answers { wall: source.since.elapsed(), latencies: Latencies::of(times) })
}

/// What is to be asked.
struct Source<'bytes, N: FnMut() -> Option<&'bytes [u8]>> {
    next: N,
    pace: Option<u64>,
    given: u64,
    /// What comes next, whose time has not come.
    held: Option<&'bytes [u8]>,
    since: Instant,
}

impl<'bytes, N: FnMut() -> Option<&'bytes [u8]>> Source<'bytes, N> {
    fn take(&mut self) -> Option<&'bytes [u8]> {
        let bytes = self.held.take().or_else(|| (self.next)())?;
        if !self.wait().is_zero() {
            self.held = Some(bytes);
            return None;
        }
        self.given += 1;
        Some(bytes)
    }

    /// Until the next one's time.
    fn wait(&self) -> Duration {
        let due = |pace| Duration::from_micros(self.given * 1_000_000 / pace);
        self.pace.map(due).unwrap_or_default().saturating_sub(self.since.elapsed())
    }
}

/// All callers.
struct Crowd<'bytes> {
    poll: Poll,
    events: Events,
    callers: Vec<Caller<'bytes>>,
    idle: Vec<usize>,
    under_way: usize,
}

struct Caller<'bytes> {
    stream: mio::net::TcpStream,
    unsent: &'bytes [u8],
    answer: Vec<u8>,
    asked: Instant,
}

impl<'bytes> Crowd<'bytes> {
    fn gather(base_url: &str, callers: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let join = |number| {
            let stream: TcpStream = Connection::open(base_url)?.into_stream();
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            let wanted = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number), wanted)?;
            Ok(Caller { stream, unsent: &[], answer: Vec::new(), asked: Instant::now() })
        };
        let callers: Vec<_> = (0..callers).map(join).collect::<io::Result<_>>()?;
        let (events, idle) = (Events::with_capacity(callers.len()), (0..callers.len()).collect());
        Ok(Self { poll, events, callers, idle, under_way: 0 })
    }

    /// Lets those ask who have nothing to do.
    fn ask_all<N: FnMut() -> Option<&'bytes [u8]>>(
        &mut self,
        source: &mut Source<'bytes, N>,
    ) -> io::Result<()> {
        while !self.idle.is_empty() {
            let Some(bytes) = source.take() else { break };
            let Some(number) = self.idle.pop() else { break };
            self.callers[number].ask(bytes)?;
            self.under_way += 1;
        }
        Ok(())
    }

    /// Waits for answers and asks again. What was refused, if anything was.
    fn hear<N: FnMut() -> Option<&'bytes [u8]>>(
        &mut self,
        source: &mut Source<'bytes, N>,
        expected: u16,
        times: &mut Vec<Duration>,
    ) -> io::Result<Option<String>> {
        let until_next = source.held.filter(|_| !self.idle.is_empty()).map(|_| source.wait());
        self.poll.poll(&mut self.events, Some(until_next.unwrap_or(PATIENCE)))?;
        if self.events.is_empty() && until_next.is_none() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        for event in &self.events {
            let caller = &mut self.callers[event.token().0];
            let Some(status) = caller.go_on(event)? else { continue };
            times.push(caller.asked.elapsed());
            if status != Some(expected) {
                let answer = String::from_utf8_lossy(&caller.answer);
                return Ok(Some(format!("{status:?} instead of {expected}: {answer}")));
            }
            caller.answer.clear();
            self.idle.push(event.token().0);
            self.under_way -= 1;
        }
        self.ask_all(source)?;
        Ok(None)
    }
}

impl<'bytes> Caller<'bytes> {
    fn ask(&mut self, bytes: &'bytes [u8]) -> io::Result<()> {
        (self.unsent, self.asked) = (bytes, Instant::now());
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(self.unsent) {
                Ok(sent) => self.unsent = &self.unsent[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends and reads as far as that goes now; the status of the answer, once all of it is here.
    fn go_on(&mut self, event: &Event) -> io::Result<Option<Option<u16>>> {
        if event.is_writable() {
            self.send()?;
        }
        let mut piece = [0; READ];
        while event.is_readable() {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.answer.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            // What is not read to its end tells of itself once more.
            if let Some(answer) = whole(&self.answer)? {
                return Ok(Some(answer.status()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::upstream::Upstream;

    #[test]
    fn callers_ask_everything_once_and_keep_the_pace() {
        let upstream = Upstream::start().unwrap();
        let url = format!("http://{}", upstream.address);
        let request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}".as_slice();
        for (pace, least) in [(None, 0), (Some(1_000), 95)] {
            let mut left = 100;
            let answers = drive(&url, (7, pace), 200, || {
                left -= 1;
                (left >= 0).then_some(request)
            });
            let answers = answers.unwrap();
            assert_eq!(answers.latencies.len(), 100);
            assert!(answers.wall >= Duration::from_millis(least));
        }
        assert_eq!(upstream.answered(), 200);
        let mut once = Some(request);
        let refused = drive(&url, (1, None), 202, || once.take());
        assert!(refused.unwrap_err().starts_with("Some(200) instead of 202"));
    }
}
