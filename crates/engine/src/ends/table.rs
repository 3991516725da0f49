//! A table of a SQLite file or of a PostgreSQL server, written and read.
//!
//! What is written is told apart by the record's key, in a column of that purpose. What is read
//! goes by a column that grows with every change, where the flow names one, and else from the
//! first row to the last each time.

use std::sync::Arc;

use async_trait::async_trait;
use connectus_connect::{
    CursorState, Pages, RecordPage, Sending, Sent, WriteKind, WriteOutcome, path::JsonPath,
};
use connectus_core::{
    Code, Env, Error, Result, Timestamp,
    flow::{DataFlow, Direction, Fields},
};
use connectus_store::tables::{From, NewRow, Place, Server, Slice, Tables, check_name};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{End, Facts, Kind, Opening};

/// Rows written by one statement.
const BATCH: usize = 500;
/// Rows read by one statement.
const PAGE: u32 = 1_000;
/// The folder of SQLite files, beside the large values.
const FOLDER: &str = "tables";

pub(super) const SQLITE: Kind = Kind {
    provider: "sqlite",
    check,
    open: |opening| {
        Box::pin(async move {
            let place = file(&opening)?;
            Table::open(place, opening).await
        })
    },
};

pub(super) const POSTGRES: Kind = Kind {
    provider: "postgres",
    check,
    open: |opening| {
        Box::pin(async move {
            let place = server(&opening).await?;
            Table::open(place, opening).await
        })
    },
};

/// The stream of such a flow is the table.
fn check(flow: &DataFlow) -> Result<()> {
    check_name(&flow.stream).map_err(|error| Error::invalid("/stream", error.detail))?;
    if flow.direction == Direction::Bidirectional {
        let message = "a table is either written or read; use one flow for each.";
        return Err(Error::invalid("/direction", message));
    }
    if flow.direction == Direction::Outbound {
        for name in &flow.target_fields {
            check_name(name).map_err(|error| Error::invalid("/target_fields", error.detail))?;
        }
    }
    Ok(())
}

fn file(opening: &Opening<'_>) -> Result<Place> {
    let name = opening.text("file").unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > 60 || !name.chars().all(plain) {
        let message = "is a name of letters, digits, `_` and `-`, without a path or an ending.";
        return Err(Error::invalid("settings.file", message));
    }
    let folder = opening.parts.store.blobs().folder().ok_or_else(|| {
        Error::new(Code::Unavailable, "This installation has no folder for files.")
    })?;
    let tenant = opening.ctx.tenant().as_str();
    Ok(Place::Sqlite(folder.join(FOLDER).join(tenant).join(format!("{name}.sqlite"))))
}

async fn server(opening: &Opening<'_>) -> Result<Place> {
    let needed = |name: &str| {
        opening.text(name).map(str::to_owned).ok_or_else(|| {
            Error::invalid(format!("settings.{name}"), "is needed to reach the server.")
        })
    };
    let port = match opening.settings.get("port") {
        None => 5432,
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        Some(other) => other.as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or_default(),
    };
    let http = opening.parts.connections.http();
    let address = http.address(&needed("host")?, port).await?;
    Ok(Place::Postgres(Server {
        address,
        port,
        database: needed("database")?,
        user: needed("user")?,
        password: opening.secrets.get("password").cloned(),
        schema: opening.text("schema").unwrap_or("public").to_owned(),
        tls: opening.text("tls") != Some("off"),
    }))
}

struct Table {
    shared: Arc<Shared>,
    facts: Facts,
    /// The column that tells rows apart which are read.
    key: String,
    cursor: Option<String>,
    env: Env,
}

struct Shared {
    place: Place,
    table: String,
    open: Mutex<Option<Tables>>,
}

impl Shared {
    /// Does something with the connection; one that failed is not used again.
    async fn with<T>(&self, work: impl AsyncFnOnce(&mut Tables, &str) -> Result<T>) -> Result<T> {
        let mut open = self.open.lock().await;
        let mut tables = match open.take() {
            Some(tables) => tables,
            None => Tables::open(&self.place).await?,
        };
        let done = work(&mut tables, &self.table).await;
        if done.as_ref().err().is_none_or(|error| !error.is_transient()) {
            *open = Some(tables);
        }
        done
    }
}

impl Table {
    async fn open(place: Place, opening: Opening<'_>) -> Result<Arc<dyn End>> {
        let flow = opening.flow;
        check(flow)?;
        let shared = Shared { place, table: flow.stream.clone(), open: Mutex::default() };
        let env = opening.parts.env().clone();
        let mut table = Self {
            shared: Arc::new(shared),
            facts: Facts::by_key(),
            key: String::new(),
            cursor: flow.options.cursor_field.clone(),
            env,
        };
        if flow.direction == Direction::Inbound {
            table.key = table.find_key(flow).await?;
            let needed = [Some(&table.key), table.cursor.as_ref()].into_iter().flatten();
            table.facts = Facts {
                key: vec![JsonPath::from_segments(std::slice::from_ref(&table.key))],
                needed: needed.cloned().collect(),
                write: None,
            };
        }
        Ok(Arc::new(table))
    }

    /// The column that tells rows apart: the one the flow names, else the primary key.
    async fn find_key(&self, flow: &DataFlow) -> Result<String> {
        if let Some(named) = &flow.options.match_field {
            return Ok(named.clone());
        }
        let columns = self.shared.with(async |tables, table| tables.columns(table).await).await?;
        if columns.is_empty() {
            let detail = format!("There is no table `{}`.", flow.stream);
            return Err(Error::new(Code::NotFound, detail));
        }
        let mut primary = columns.into_iter().filter(|column| column.primary);
        match (primary.next(), primary.next()) {
            (Some(only), None) => Ok(only.name),
            _ => {
                let message = "is needed: the column that tells the rows of this table apart, \
                               since it has no primary key of one column.";
                Err(Error::invalid("/options/match_field", message))
            }
        }
    }
}

/// Where a table was read to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct At {
    /// The table, so that the cursor of another is not taken for this one's.
    table: String,
    /// When the read of all rows began that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    full: Option<Timestamp>,
    /// The value of the cursor column that was read to.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// The key of the last row of a read that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl At {
    fn stored(cursor: Option<&CursorState>, table: &str, now: Timestamp, by: bool) -> Self {
        let stored = cursor.and_then(|state| Self::deserialize(&state.0).ok());
        match stored.filter(|at| at.table == table) {
            // Without a column to go by, a read that has ended is followed by another of all rows.
            Some(at) if by || at.key.is_some() => at,
            _ => Self { table: table.to_owned(), full: Some(now), ..Self::default() },
        }
    }
}

struct Rows {
    shared: Arc<Shared>,
    key: String,
    cursor: Option<String>,
    at: At,
    ended: bool,
}

#[async_trait]
impl Pages for Rows {
    async fn next_page(&mut self) -> Result<Option<RecordPage>> {
        if self.ended {
            return Ok(None);
        }
        let Self { key, cursor, at, .. } = &*self;
        let rows = self
            .shared
            .with(async |tables, table| {
                let from = match (&at.key, &at.cursor) {
                    (Some(key), cursor) => From::After(cursor.as_deref(), key),
                    // What has the last value was perhaps not all there when it was read.
                    (None, Some(cursor)) => From::At(cursor),
                    (None, None) => From::Start,
                };
                let slice = Slice { key, cursor: cursor.as_deref(), from, limit: PAGE };
                tables.read(table, &slice).await
            })
            .await?;
        self.ended = rows.len() < PAGE as usize;
        if let Some(last) = rows.last() {
            self.at.key = Some(last.key.clone());
            self.at.cursor = last.cursor.clone();
        }
        if self.ended {
            (self.at.key, self.at.full) = (None, None);
        }
        let state = serde_json::to_value(&self.at).map_err(Error::internal)?;
        let records = rows.into_iter().map(|row| row.record).collect();
        Ok(Some(RecordPage { records, cursor: Some(CursorState(state)), calls: 1 }))
    }
}

#[async_trait]
impl End for Table {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    async fn read(&self, cursor: Option<&CursorState>, _fields: &Fields) -> Result<Box<dyn Pages>> {
        let (table, now) = (&self.shared.table, self.env.now());
        Ok(Box::new(Rows {
            shared: self.shared.clone(),
            key: self.key.clone(),
            cursor: self.cursor.clone(),
            at: At::stored(cursor, table, now, self.cursor.is_some()),
            ended: false,
        }))
    }

    fn full_since(&self, cursor: Option<&CursorState>, now: Timestamp) -> Option<Timestamp> {
        At::stored(cursor, &self.shared.table, now, self.cursor.is_some()).full
    }

    fn write_limit(&self, _kind: WriteKind) -> Option<usize> {
        Some(BATCH)
    }

    async fn write(
        &self,
        kind: WriteKind,
        _match_field: &str,
        rows: &[Sending],
        _key: &str,
    ) -> Result<WriteOutcome> {
        let refused = self
            .shared
            .with(async |tables, table| {
                if kind == WriteKind::Delete {
                    let keys: Vec<&str> = rows.iter().filter_map(|row| row.id.as_deref()).collect();
                    tables.delete(table, &keys).await?;
                    return Ok(vec![None; rows.len()]);
                }
                let new: Vec<NewRow<'_>> = rows
                    .iter()
                    .map(|row| NewRow { key: &row.matching, fields: &row.row })
                    .collect();
                tables.upsert(table, &new).await
            })
            .await?;
        let fate = |(row, refused): (&Sending, Option<String>)| match refused {
            Some(message) => Sent::Refused(message),
            None => Sent::Done(Some(row.id.clone().unwrap_or_else(|| row.matching.clone()))),
        };
        Ok(WriteOutcome { rows: rows.iter().zip(refused).map(fate).collect(), calls: 1 })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_of_another_table_or_of_a_read_that_has_ended_begins_anew() {
        let now = Timestamp(7);
        let state = |value| CursorState(value);
        let whole = At { table: "t".into(), full: Some(now), ..At::default() };
        assert_eq!(At::stored(None, "t", now, true), whole);
        let ended = state(json!({"table": "t", "cursor": "5"}));
        assert_eq!(At::stored(Some(&ended), "t", now, false), whole);
        assert_eq!(At::stored(Some(&ended), "t", now, true).cursor.as_deref(), Some("5"));
        assert_eq!(At::stored(Some(&ended), "other", now, true).full, Some(now));
        let within = state(json!({"table": "t", "full": Timestamp(3), "key": "k"}));
        assert_eq!(At::stored(Some(&within), "t", now, false).full, Some(Timestamp(3)));
    }
}
