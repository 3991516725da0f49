//! The Airbyte protocol: one JSON object a line, as other runners of manifests write them.

use std::io::{self, Write};

use connectus_core::{Env, Error, Result};
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{Map, Value, json};

use super::{
    auth::SecretBook,
    reader::{Event, StreamReader},
    source::Source,
};

/// A stream to read, and from where.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Its name.
    pub name: String,
    /// Goes on from a state, where there is one.
    pub incremental: bool,
}

/// Writes messages.
pub struct Messages<W> {
    out: W,
    env: Env,
}

impl<W: Write> Messages<W> {
    /// Into a writer, which should have a buffer.
    pub fn new(out: W, env: Env) -> Self {
        Self { out, env }
    }

    /// One message.
    ///
    /// # Errors
    /// `storage_full` or `unavailable` when it cannot be written.
    pub fn write(&mut self, message: &Value) -> Result<()> {
        let line = serde_json::to_writer(&mut self.out, message).map_err(io::Error::from);
        line.and_then(|()| self.out.write_all(b"\n")).map_err(unwritable)
    }

    /// Hands everything on.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(unwritable)
    }

    /// A line for people.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn log(&mut self, level: &str, message: &str) -> Result<()> {
        self.write(&json!({"type": "LOG", "log": {"level": level, "message": message}}))
    }

    /// What became of a stream.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn status(&mut self, stream: &str, status: &str) -> Result<()> {
        let status = json!({"stream_descriptor": {"name": stream}, "status": status});
        let at = self.env.now().millis();
        let trace = json!({"type": "STREAM_STATUS", "emitted_at": at, "stream_status": status});
        self.write(&json!({"type": "TRACE", "trace": trace}))
    }

    /// An error, without the secrets of the source.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn error(&mut self, error: &Error, stream: Option<&str>, book: &SecretBook) -> Result<()> {
        let kind = error.extra.get("failure_type").and_then(Value::as_str);
        let kind =
            kind.unwrap_or(if error.is_transient() { "transient_error" } else { "system_error" });
        let cause = error.cause.as_deref().unwrap_or(&error.detail);
        let mut told = Map::from_iter([
            ("message".to_owned(), book.clean(&error.detail).into()),
            ("internal_message".to_owned(), book.clean(cause).into()),
            ("failure_type".to_owned(), kind.into()),
        ]);
        if let Some(stream) = stream {
            told.insert("stream_descriptor".into(), json!({"name": stream}));
        }
        let at = self.env.now().millis();
        let trace = json!({"type": "ERROR", "emitted_at": at, "error": told});
        self.write(&json!({"type": "TRACE", "trace": trace}))
    }

    fn state(&mut self, stream: &str, state: &Map<String, Value>, records: u64) -> Result<()> {
        #[expect(clippy::cast_precision_loss, reason = "the protocol counts in floats")]
        let count = records as f64;
        let stream = json!({"stream_descriptor": {"name": stream}, "stream_state": state});
        let stats = json!({"recordCount": count});
        let state = json!({"type": "STREAM", "stream": stream, "sourceStats": stats});
        self.write(&json!({"type": "STATE", "state": state}))
    }

    /// Reads streams, as many at once as the source allows. One that fails does not keep the
    /// others from being read.
    ///
    /// # Errors
    /// `provider_refused` naming the streams that failed, after all were read; as [`Self::write`].
    pub async fn read(
        &mut self,
        source: &Source,
        streams: &[Selected],
        states: &Map<String, Value>,
    ) -> Result<()> {
        let mut failed = Vec::new();
        let mut waiting = streams.iter();
        let mut reading = FuturesUnordered::new();
        loop {
            while reading.len() < source.at_once()
                && let Some(stream) = waiting.next()
            {
                self.status(&stream.name, "STARTED")?;
                let state = states.get(&stream.name).and_then(Value::as_object);
                let state = state.filter(|_| stream.incremental);
                match source.read(&stream.name, state) {
                    Ok(reader) => reading.push(Flow::of(&stream.name, reader).next()),
                    Err(error) => failed.push(self.broken(source, &stream.name, error)?),
                }
            }
            let Some((mut flow, event)) = reading.next().await else { break };
            match event {
                Ok(Some(event)) => {
                    self.event(&mut flow, event)?;
                    reading.push(flow.next());
                }
                Ok(None) => {
                    let message = format!("Read {} records from {} stream", flow.count, flow.name);
                    self.log("INFO", &message)?;
                    self.status(&flow.name, "COMPLETE")?;
                    self.flush()?;
                }
                Err(error) => failed.push(self.broken(source, &flow.name, error)?),
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        let detail = format!("These streams were not read to their end: {}", failed.join("; "));
        Err(Error::new(connectus_core::Code::ProviderRefused, detail))
    }

    fn broken(&mut self, source: &Source, stream: &str, error: Error) -> Result<String> {
        let error = source.book().clean_error(error);
        self.error(&error, Some(stream), source.book())?;
        self.status(stream, "INCOMPLETE")?;
        self.flush()?;
        Ok(format!("{stream}: {}", error.detail))
    }

    fn event(&mut self, flow: &mut Flow, event: Event) -> Result<()> {
        match event {
            Event::State(state) => {
                self.state(&flow.name, &state, flow.since)?;
                flow.since = 0;
            }
            Event::Page { batch, .. } => {
                if flow.count == 0 {
                    self.status(&flow.name, "RUNNING")?;
                }
                let after = format!(",\"emitted_at\":{}}}}}\n", self.env.now().millis());
                let (before, after) = (flow.before.as_bytes(), after.as_bytes());
                batch.write(before, after, &mut self.out).map_err(unwritable)?;
                flow.count += batch.len() as u64;
                flow.since += batch.len() as u64;
            }
        }
        Ok(())
    }
}

/// A stream being read.
struct Flow {
    name: String,
    reader: StreamReader,
    /// What stands before each record.
    before: String,
    count: u64,
    /// Records since the last state.
    since: u64,
}

impl Flow {
    fn of(name: &str, reader: StreamReader) -> Self {
        let quoted = Value::from(name).to_string();
        let before = format!("{{\"type\":\"RECORD\",\"record\":{{\"stream\":{quoted},\"data\":");
        Self { name: name.to_owned(), reader, before, count: 0, since: 0 }
    }

    async fn next(mut self) -> (Self, Result<Option<Event>>) {
        let event = self.reader.read().await;
        (self, event)
    }
}

fn unwritable(error: io::Error) -> Error {
    let full = error.kind() == io::ErrorKind::StorageFull;
    let code =
        if full { connectus_core::Code::StorageFull } else { connectus_core::Code::Unavailable };
    Error::new(code, "The messages cannot be written.").caused_by(error)
}

/// The streams of a configured catalogue.
///
/// # Errors
/// `invalid` when it is none.
pub fn configured(catalog: &Value) -> Result<Vec<Selected>> {
    let streams = catalog.get("streams").and_then(Value::as_array);
    let streams = streams.ok_or_else(|| Error::invalid("catalog.streams", "must be a list"))?;
    let one = |stream: &Value| {
        let name = stream.pointer("/stream/name").and_then(Value::as_str);
        let name = name.ok_or_else(|| Error::invalid("catalog.streams", "need a stream.name"))?;
        let mode = stream.get("sync_mode").and_then(Value::as_str);
        Ok(Selected { name: name.to_owned(), incremental: mode == Some("incremental") })
    };
    streams.iter().map(one).collect()
}

/// States by stream, from a list of state messages, as another read wrote them.
///
/// # Errors
/// `invalid` when it is no list of states.
pub fn states(value: &Value) -> Result<Map<String, Value>> {
    let wrong = || Error::invalid("state", "must be a list of stream states");
    let mut states = Map::new();
    let list = match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) if map.contains_key("stream") || map.contains_key("state") => {
            vec![value]
        }
        Value::Object(map) if map.is_empty() => Vec::new(),
        _ => return Err(wrong()),
    };
    for state in list {
        let state = state.get("state").filter(|inner| inner.is_object()).unwrap_or(state);
        let stream = state.get("stream").ok_or_else(wrong)?;
        let name = stream.pointer("/stream_descriptor/name").and_then(Value::as_str);
        let own = stream.get("stream_state").cloned().unwrap_or_else(|| json!({}));
        states.insert(name.ok_or_else(wrong)?.to_owned(), own);
    }
    Ok(states)
}
