//! Running statements.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
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
/// A statement that takes longer as a rule is run apart: a thread of the runtime has other work
/// waiting. Not one that did so once, as any may while the machine is busy: to be run apart costs
/// more than a short statement does.
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
#[derive(Debug)]
pub(crate) struct Known {
    columns: Arc<[Column]>,
    /// Which argument each placeholder stands for: SQLite numbers `$2` by where it is first
    /// written, not by its name.
    places: Box<[usize]>,
    arguments: usize,
    /// How long it takes as a rule, in nanoseconds. Each time counts for an eighth, the longest as
    /// if it had taken eight times [`SHORT`].
    usual: AtomicU64,
}

impl Known {
    fn is_long(&self) -> bool {
        u128::from(self.usual.load(Ordering::Relaxed)) >= SHORT.as_nanos()
    }

    fn took(&self, took: Duration) {
        let took = u64::try_from(took.min(SHORT * 8).as_nanos()).unwrap_or(u64::MAX);
        let usual = self.usual.load(Ordering::Relaxed);
        self.usual.store((usual * 7 + took) / 8, Ordering::Relaxed);
    }

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
        Ok(Self { columns: columns(statement), places, arguments, usual: AtomicU64::new(0) })
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
        self.timed(sql, |conn, known| conn.step(sql, known, [arguments], take))
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
        self.timed(sql, |conn, known| conn.step(sql, known, rows, Take::All)).map(|(rows, _)| rows)
    }

    /// Runs a statement, apart if it is known to take long.
    fn timed<T>(
        &mut self,
        sql: &str,
        run: impl FnOnce(&mut Self, Option<Arc<Known>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (began, known) = (Instant::now(), self.known.get(sql).cloned());
        let is_long = known.as_ref().is_some_and(|known| known.is_long());
        let outcome = match is_long && on_a_shared_thread() {
            true => tokio::task::block_in_place(|| run(self, known.clone())),
            false => run(self, known.clone()),
        };
        let took = began.elapsed();
        if let Some(known) = known {
            known.took(took);
        }
        if took > SLOW {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(action = "database.statement", status = "slow", took_ms, sql);
        }
        outcome
    }

    /// Carries a statement out for each list of arguments.
    fn step<'a, A: ToSql + 'a>(
        &mut self,
        sql: &str,
        known: Option<Arc<Known>>,
        each: impl IntoIterator<Item = &'a [A]>,
        take: Take,
    ) -> Result<(Vec<Row>, Done), Error> {
        let mut statement = self.db.prepare_cached(sql).map_err(failed)?;
        let known = match known {
            Some(known) => known,
            None => {
                let known = Arc::new(Known::of(&statement)?);
                if self.known.len() >= STATEMENTS_KEPT {
                    self.known.clear();
                }
                self.known.insert(sql.into(), known.clone());
                known
            }
        };
        let (mut found, mut done) = (Vec::new(), Done::default());
        for arguments in each {
            if arguments.len() != known.arguments {
                let (given, wanted) = (arguments.len(), known.arguments);
                let detail =
                    format!("the statement takes {wanted} arguments and was given {given}");
                return Err(Error::InvalidArgument(detail));
            }
            rows_of(&mut statement, arguments, &known, take, &mut found).map_err(failed)?;
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
    known: &Known,
    take: Take,
    found: &mut Vec<Row>,
) -> rusqlite::Result<()> {
    for (index, place) in known.places.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, &arguments[*place])?;
    }
    let mut names = known.columns.clone();
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
