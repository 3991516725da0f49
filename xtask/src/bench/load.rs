//! Many callers at once, each waiting for its answer before it asks again.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::latency::Latencies;
use crate::{command::Outcome, http::Connection};

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

/// Lets so many callers send what `next` gives them until it gives nothing.
///
/// # Errors
/// When an answer has another status than `expected`.
pub fn drive<'bytes>(
    base_url: &str,
    callers: usize,
    expected: u16,
    next: impl Fn() -> Option<&'bytes [u8]> + Sync,
) -> Outcome<Answers> {
    let connect = |_| Connection::open(base_url).map_err(|error| format!("{base_url}: {error}"));
    let connections: Vec<Connection> = (0..callers).map(connect).collect::<Outcome<_>>()?;
    let since = Instant::now();
    let next = &next;
    let times = thread::scope(|scope| {
        let callers: Vec<_> = connections
            .into_iter()
            .map(|connection| scope.spawn(move || call(connection, expected, next)))
            .collect();
        let ended = |caller: thread::ScopedJoinHandle<'_, Outcome<Vec<Duration>>>| {
            caller.join().map_err(|_| "a caller panicked".to_owned())?
        };
        callers.into_iter().map(ended).collect::<Outcome<Vec<_>>>()
    })?;
    Ok(Answers { wall: since.elapsed(), latencies: Latencies::of(times.concat()) })
}

fn call<'bytes>(
    mut connection: Connection,
    expected: u16,
    next: &impl Fn() -> Option<&'bytes [u8]>,
) -> Outcome<Vec<Duration>> {
    let mut times = Vec::new();
    while let Some(bytes) = next() {
        let since = Instant::now();
        let answer = connection.exchange(bytes).map_err(|error| format!("no answer: {error}"))?;
        times.push(since.elapsed());
        if answer.status != expected {
            return Err(format!("{} instead of {expected}: {}", answer.status, answer.body));
        }
    }
    Ok(times)
}
