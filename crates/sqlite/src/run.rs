//! Running statements.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{
    CachedStatement, ToSql,
    types::{ToSqlOutput, Value as Raw, ValueRef},
};
use sqlx_core::error::Error;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::{
    Connection,
    error::failed,
    row::{Column, Row, columns},
};

/// Prepared statements kept by a connection: all there are, with those over many rows in each of
/// their sizes.
pub const STATEMENTS_KEPT: usize = 512;
/// A statement that took longer once is run apart from then on: a thread of the runtime has other
/// work waiting.
const SHORT: Duration = Duration::from_millis(1);
/// A statement that takes longer is worth a line in the log.
const SLOW: Duration = Duration::from_secs(1);

/// What a statement did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    changed: u64,
}

impl Done {
    /// Rows written, changed or removed.
    pub fn rows_affected(&self) -> u64 {
        self.changed
    }
}

impl Extend<Done> for Done {
    fn extend<T: IntoIterator<Item = Done>>(&mut self, others: T) {
        self.changed += others.into_iter().map(|done| done.changed).sum::<u64>();
    }
}

/// What is known of a statement that has run.
pub(crate) struct Known {
    shape: Arc<Shape>,
    long: bool,
}

/// What a statement takes and returns.
#[derive(Debug)]
struct Shape {
    columns: Arc<[Column]>,
    /// Which argument each placeholder stands for: SQLite numbers `$2` by where it is first
    /// written, not by its name.
    places: Box<[usize]>,
    arguments: usize,
}

impl Shape {
    fn of(statement: &rusqlite::Statement<'_>) -> Result<Self, Error> {
        let place = |index| {
            let name = statement.parameter_name(index).and_then(|name| name.strip_prefix('$'));
            let number: Option<usize> = name.and_then(|name| name.parse().ok());
            let place = number.and_then(|number| number.checked_sub(1));
            place.ok_or_else(|| Error::Protocol("placeholders are written $1, $2, ...".to_owned()))
        };
        let places: Box<[usize]> =
            (1..=statement.parameter_count()).map(place).collect::<Result<_, _>>()?;
        let arguments = places.iter().max().map_or(0, |last| last + 1);
        Ok(Self { columns: columns(statement), places, arguments })
    }
}

/// A value for a placeholder, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Given<'v> {
    /// Nothing.
    Null,
    /// A number, or a truth value as 0 or 1.
    Int(i64),
    /// Text.
    Text(&'v str),
}

impl ToSql for Given<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// How many rows the caller takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    All,
    First,
}

impl Connection {
    /// Runs one statement.
    pub(crate) fn run(
        &mut self,
        sql: &str,
        arguments: &[Raw],
        take: Take,
    ) -> Result<(Vec<Row>, Done), Error> {
        self.timed(sql, |conn, shape| conn.step(sql, shape, [arguments], take))
    }

    /// Runs one statement once for each row of arguments, and returns what it returns each time.
    /// The statement is found once, and nothing is copied on the way: several times as fast as one
    /// statement over many rows.
    ///
    /// # Errors
    /// What SQLite says; rows before the one at fault are written.
    pub fn each<'v>(
        &mut self,
        sql: &str,
        rows: impl IntoIterator<Item = &'v [Given<'v>]>,
    ) -> Result<Vec<Row>, Error> {
        self.timed(sql, |conn, shape| conn.step(sql, shape, rows, Take::All)).map(|(rows, _)| rows)
    }

    /// Runs a statement, apart if it is known to take long.
    fn timed<T>(
        &mut self,
        sql: &str,
        run: impl FnOnce(&mut Self, Option<Arc<Shape>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let known = self.known.get(sql).map(|known| (known.shape.clone(), known.long));
        let (shape, is_long) = known.map_or((None, false), |(shape, long)| (Some(shape), long));
        let outcome = match is_long && on_a_shared_thread() {
            true => tokio::task::block_in_place(|| run(self, shape)),
            false => run(self, shape),
        };
        let took = began.elapsed();
        if took > SHORT {
            if let Some(known) = self.known.get_mut(sql) {
                known.long = true;
            }
            if took > SLOW {
                let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(action = "database.statement", status = "slow", took_ms, sql);
            }
        }
        outcome
    }

    /// Carries a statement out for each list of arguments; `shape` is what is known of it already.
    fn step<'a, A: ToSql + 'a>(
        &mut self,
        sql: &str,
        shape: Option<Arc<Shape>>,
        each: impl IntoIterator<Item = &'a [A]>,
        take: Take,
    ) -> Result<(Vec<Row>, Done), Error> {
        let mut statement = self.db.prepare_cached(sql).map_err(failed)?;
        let shape = match shape {
            Some(shape) => shape,
            None => {
                let shape = Arc::new(Shape::of(&statement)?);
                if self.known.len() >= STATEMENTS_KEPT {
                    self.known.clear();
                }
                self.known.insert(sql.into(), Known { shape: shape.clone(), long: false });
                shape
            }
        };
        let (mut found, mut done) = (Vec::new(), Done::default());
        for arguments in each {
            if arguments.len() != shape.arguments {
                let (given, wanted) = (arguments.len(), shape.arguments);
                let detail =
                    format!("the statement takes {wanted} arguments and was given {given}");
                return Err(Error::InvalidArgument(detail));
            }
            rows_of(&mut statement, arguments, &shape, take, &mut found).map_err(failed)?;
            if !statement.readonly() {
                done.changed += self.db.changes();
            }
        }
        Ok((found, done))
    }
}

fn rows_of<A: ToSql>(
    statement: &mut CachedStatement<'_>,
    arguments: &[A],
    shape: &Shape,
    take: Take,
    found: &mut Vec<Row>,
) -> rusqlite::Result<()> {
    for (index, place) in shape.places.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, &arguments[*place])?;
    }
    let mut names = shape.columns.clone();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        // Another process may have changed the schema since; SQLite has prepared it anew then.
        if row.as_ref().column_count() != names.len() {
            names = columns(row.as_ref());
        }
        // A statement that writes is carried to its end, whatever the caller takes of its rows.
        if take == Take::All || found.is_empty() {
            found.push(Row::copy(&names, row)?);
        }
    }
    Ok(())
}

/// Whether other tasks wait for this thread.
fn on_a_shared_thread() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}
