//! Where a stream was read to, and how that moves.

use std::collections::HashSet;

use connectus_core::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Version of the stored form.
const VERSION: u32 = 1;
/// Records remembered at the boundary so that reading it again does not deliver them again.
/// Beyond it a record may be delivered twice, which a sink keyed by id absorbs.
const MAX_SEEN: usize = 500;

/// Where a stream was read to: opaque JSON, to be stored in the transaction that stores the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CursorState(pub Value);

impl CursorState {
    /// A place in a stream of a manifest: its state, and when the first read of all began as long
    /// as that goes on.
    ///
    /// # Errors
    /// `internal` when it has no JSON form.
    pub(crate) fn in_manifest(
        stream: &str,
        since: Option<Timestamp>,
        state: Map<String, Value>,
    ) -> Result<Self> {
        let stored = InManifest { v: VERSION, stream: stream.to_owned(), since, state };
        Ok(Self(serde_json::to_value(stored).map_err(Error::internal)?))
    }

    /// What [`Self::in_manifest`] was made of.
    ///
    /// # Errors
    /// `invalid` when it is no place in this stream.
    pub(crate) fn of_manifest(&self, stream: &str) -> Result<ManifestPlace> {
        let stored = serde_json::from_value(self.0.clone()).map_err(not_of_this_version);
        let stored: InManifest = stored?;
        belongs(stored.v, &stored.stream, stream)?;
        Ok((stored.since, stored.state))
    }

    /// When the full read within which it lies began; none outside of one.
    pub fn full_since(&self) -> Option<Timestamp> {
        if let Ok(stored) = serde_json::from_value::<InManifest>(self.0.clone()) {
            return stored.since;
        }
        let stored: Stored = serde_json::from_value(self.0.clone()).ok()?;
        match stored.position {
            Position::Full { since, .. } => Some(since),
            Position::Delta(_) => None,
        }
    }
}

/// When a first read of all began, and the state of the source.
type ManifestPlace = (Option<Timestamp>, Map<String, Value>);

/// What is inside, in a stream of a manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InManifest {
    v: u32,
    stream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    state: Map<String, Value>,
}

/// What is inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    v: u32,
    stream: String,
    pub position: Position,
}

/// A place in a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Position {
    /// Within a full read that began at `since`.
    Full {
        /// When the full read began: changes after it are the delta's.
        since: Timestamp,
        /// The token of the next page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<String>,
    },
    /// Reading changes.
    Delta(Delta),
}

/// A place among the changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delta {
    /// Everything before it was delivered. Never moves back.
    pub since: Timestamp,
    /// The newest change seen in a read that is not yet finished and not in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<Timestamp>,
    /// The token of the next page of that read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The job that gathers the records of that read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Where a time shared by more records than one query yields was read to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ties: Option<Ties>,
    /// Records at the boundary already delivered: time of change and id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<(Timestamp, String)>,
}

/// A time shared by more records than one query yields, read in the order of ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ties {
    /// The time.
    pub at: Timestamp,
    /// The last id delivered; empty before the first.
    pub last_id: String,
}

impl Delta {
    pub fn since(since: Timestamp) -> Self {
        Self { since, high: None, page: None, job: None, ties: None, seen: Vec::new() }
    }

    /// Drops records that were delivered already.
    pub fn fresh(&self, records: &mut Vec<Value>, mark: impl Fn(&Value) -> Option<Mark>) {
        if self.seen.is_empty() {
            return;
        }
        let seen: HashSet<(Timestamp, &str)> =
            self.seen.iter().map(|(at, id)| (*at, id.as_str())).collect();
        records.retain(|record| match mark(record) {
            Some((at, id)) => !seen.contains(&(at, id.as_str())),
            None => true,
        });
    }

    /// Remembers delivered records from `floor` on, the newest first to stay.
    pub fn remember(&mut self, marks: impl Iterator<Item = Mark>, floor: Timestamp) {
        let known: HashSet<Mark> = self.seen.drain(..).collect();
        let mut all: Vec<Mark> =
            known.into_iter().chain(marks).filter(|(at, _)| *at >= floor).collect();
        all.sort_unstable();
        all.dedup();
        let surplus = all.len().saturating_sub(MAX_SEEN);
        all.drain(..surplus);
        self.seen = all;
    }
}

/// A record's time of change and id.
pub(super) type Mark = (Timestamp, String);

pub(super) fn load(state: &CursorState, stream: &str) -> Result<Position> {
    let stored = serde_json::from_value(state.0.clone()).map_err(not_of_this_version);
    let stored: Stored = stored?;
    belongs(stored.v, &stored.stream, stream)?;
    Ok(stored.position)
}

fn not_of_this_version(error: serde_json::Error) -> Error {
    let message = "is not a cursor of this version; start the stream from the beginning";
    Error::invalid("cursor", message).caused_by(error)
}

fn belongs(version: u32, to: &str, stream: &str) -> Result<()> {
    if version == VERSION && to == stream {
        return Ok(());
    }
    let message = format!("belongs to the stream `{to}`, version {version}");
    Err(Error::invalid("cursor", message))
}

pub(super) fn save(position: &Position, stream: &str) -> Result<CursorState> {
    let stored = Stored { v: VERSION, stream: stream.to_owned(), position: position.clone() };
    Ok(CursorState(serde_json::to_value(stored).map_err(Error::internal)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stored_cursors_of_version_1_stay_readable() {
        let full = CursorState(json!({"v": 1, "stream": "contacts",
            "position": {"phase": "full", "since": "2026-01-01T00:00:00Z", "page": "100"}}));
        let delta = CursorState(json!({"v": 1, "stream": "contacts",
            "position": {"phase": "delta", "since": "2026-01-01T00:00:00Z",
                "seen": [["2026-01-01T00:00:00Z", "7"]],
                "ties": {"at": "2026-01-01T00:00:00Z", "last_id": "9"}}}));
        for state in [full, delta] {
            let position = load(&state, "contacts").unwrap();
            assert_eq!(save(&position, "contacts").unwrap(), state);
        }
    }

    #[test]
    fn foreign_and_broken_cursors_are_refused() {
        let good = json!({"v": 1, "stream": "contacts",
            "position": {"phase": "full", "since": "2026-01-01T00:00:00Z"}});
        assert!(load(&CursorState(good.clone()), "deals").is_err());
        let mut later = good;
        later["v"] = json!(2);
        for state in [later, json!(null), json!({}), json!("x")] {
            assert!(load(&CursorState(state), "contacts").is_err());
        }
    }

    #[test]
    fn remembers_the_newest_and_never_too_many() {
        let mut delta = Delta::since(Timestamp(0));
        let marks = |range: std::ops::Range<i64>| range.map(|n| (Timestamp(n), n.to_string()));
        delta.remember(marks(0..2_000), Timestamp(10));
        assert_eq!(delta.seen.len(), MAX_SEEN);
        assert_eq!(delta.seen[0].0, Timestamp(1_500));
        delta.remember(marks(1_999..2_001), Timestamp(1_999));
        assert_eq!(delta.seen.len(), 2);
    }
}
