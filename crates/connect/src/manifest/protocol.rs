//! The Airbyte protocol: one JSON object a line, as other runners of manifests write them.

use std::io::{self, Write};

use connectus_core::{Env, Error, Result};
use serde_json::{Map, Value, json};

use super::{auth::SecretBook, reader::Event, source::Source};

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

    /// Reads streams one after another. One that fails does not keep the others from being read.
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
        for stream in streams {
            let state = states.get(&stream.name).and_then(Value::as_object);
            let state = state.filter(|_| stream.incremental);
            self.status(&stream.name, "STARTED")?;
            let read = self.stream(source, &stream.name, state).await?;
            match read {
                Ok(records) => {
                    let message = format!("Read {records} records from {} stream", stream.name);
                    self.log("INFO", &message)?;
                    self.status(&stream.name, "COMPLETE")?;
                }
                Err(error) => {
                    let error = source.book().clean_error(error);
                    self.error(&error, Some(&stream.name), source.book())?;
                    self.status(&stream.name, "INCOMPLETE")?;
                    failed.push(format!("{}: {}", stream.name, error.detail));
                }
            }
            self.flush()?;
        }
        if failed.is_empty() {
            return Ok(());
        }
        let detail = format!("These streams were not read to their end: {}", failed.join("; "));
        Err(Error::new(connectus_core::Code::ProviderRefused, detail))
    }

    /// The outer error is ours, the inner one the stream's.
    async fn stream(
        &mut self,
        source: &Source,
        name: &str,
        state: Option<&Map<String, Value>>,
    ) -> Result<Result<u64>> {
        let mut reader = match source.read(name, state) {
            Ok(reader) => reader,
            Err(error) => return Ok(Err(error)),
        };
        let quoted = Value::from(name).to_string();
        let before = format!("{{\"type\":\"RECORD\",\"record\":{{\"stream\":{quoted},\"data\":");
        let (mut records, mut since) = (0_u64, 0_u64);
        loop {
            match reader.read().await {
                Ok(None) => return Ok(Ok(records)),
                Err(error) => return Ok(Err(error)),
                Ok(Some(Event::State(state))) => {
                    self.state(name, &state, since)?;
                    since = 0;
                }
                Ok(Some(Event::Page { batch, .. })) => {
                    if records == 0 {
                        self.status(name, "RUNNING")?;
                    }
                    let after = format!(",\"emitted_at\":{}}}}}\n", self.env.now().millis());
                    let out = &mut self.out;
                    batch.write(before.as_bytes(), after.as_bytes(), out).map_err(unwritable)?;
                    records += batch.len() as u64;
                    since += batch.len() as u64;
                }
            }
        }
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
