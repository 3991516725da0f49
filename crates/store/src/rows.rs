//! Statements that take many rows at once: what many runs write in one commit costs one statement,
//! not one each.
//!
//! On PostgreSQL rows travel as values, a placeholder each. A text is made per number of rows, and
//! only for a few numbers, so that every text stays prepared; what does not fit is split. SQLite is
//! in the process: there the text for one row runs once for each.

use std::sync::OnceLock;

use connectus_sqlite::{Connection as SqliteConnection, Given, Row as SqliteRow};
use serde_json::Value;
use sqlx::{FromRow, postgres::PgRow};

use crate::{
    conn::{Conn, Split},
    error::StoreResult,
};

/// Numbers of rows that have a text of their own, the largest first.
const SIZES: [usize; 11] = [64, 32, 16, 8, 7, 6, 5, 4, 3, 2, 1];

/// A statement over any number of rows.
pub struct Rows {
    before: &'static str,
    columns: &'static str,
    after: &'static str,
    texts: [OnceLock<String>; SIZES.len()],
    /// For one row, without a table of values.
    alone: OnceLock<String>,
}

impl Rows {
    /// The statement `before` + `VALUES` + `after`, with a letter for the type of each column: `t`
    /// for text, `i` for an integer, `b` for a boolean.
    pub(crate) const fn new(
        before: &'static str,
        columns: &'static str,
        after: &'static str,
    ) -> Self {
        let texts = [const { OnceLock::new() }; SIZES.len()];
        Self { before, columns, after, texts, alone: OnceLock::new() }
    }

    /// Its text for the largest number of rows up to `wanted`, and that number.
    fn text(&'static self, wanted: usize) -> (&'static str, usize) {
        let index = SIZES.iter().position(|size| *size <= wanted).unwrap_or(SIZES.len() - 1);
        let (rows, place) = (SIZES[index], &self.texts[index]);
        (place.get_or_init(|| self.written_for(rows)), rows)
    }

    /// A text for as many of these rows as it has one for, their cells, and the cells left over.
    fn split<'c, 'v>(
        &'static self,
        cells: &'c [Cell<'v>],
    ) -> (&'static str, &'c [Cell<'v>], &'c [Cell<'v>]) {
        let width = self.columns.len();
        let (text, rows) = self.text(cells.len() / width);
        let (now, later) = cells.split_at((rows * width).min(cells.len()));
        (text, now, later)
    }

    fn written_for(&self, rows: usize) -> String {
        let row = |row: usize| {
            let cells = self.columns.chars().enumerate().map(|(column, kind)| {
                let place = row * self.columns.len() + column + 1;
                match kind {
                    // The first row tells PostgreSQL the types of all.
                    'i' if row == 0 => format!("CAST(${place} AS BIGINT)"),
                    'b' if row == 0 => format!("CAST(${place} AS BOOLEAN)"),
                    _ => format!("${place}"),
                }
            });
            format!("({})", cells.collect::<Vec<_>>().join(", "))
        };
        let values = (0..rows).map(row).collect::<Vec<_>>().join(", ");
        format!("{}VALUES {values}{}", self.before, self.after)
    }

    /// A text for one row that names its values where it uses them: SQLite need not make a table of
    /// them first, which costs more than the change itself.
    fn written_alone(&self) -> String {
        let values: Vec<_> = (1..=self.columns.len()).map(|place| format!("${place}")).collect();
        let values = values.join(", ");
        if let (Some(change), Some(which)) =
            (self.before.strip_suffix(" FROM ("), self.after.strip_prefix(") AS v"))
        {
            return format!("{change}{which}").replace("v.column", "$");
        }
        match (self.before.strip_suffix(" IN ("), self.after.strip_prefix(')')) {
            (Some(which), Some(rest)) => format!("{which} = ({values}){rest}"),
            _ => format!("{}VALUES ({values}){}", self.before, self.after),
        }
    }

    fn alone(&'static self) -> &'static str {
        self.alone.get_or_init(|| self.written_alone())
    }

    /// Its texts for one row and for several on PostgreSQL, and the one on SQLite, for whoever
    /// checks that the databases take them.
    pub fn samples(&self, postgres: bool) -> Vec<String> {
        if postgres {
            return vec![self.written_for(1), self.written_for(3)];
        }
        vec![self.written_alone()]
    }
}

/// A value as its text. Several times as fast as its `Display`, which goes through a formatter.
pub(crate) fn json(value: &Value) -> String {
    // Writing to memory cannot fail, and the keys of a value are texts.
    serde_json::to_string(value).unwrap_or_default()
}

/// One value of a row.
#[derive(Clone, Debug)]
pub(crate) enum Cell<'v> {
    Text(&'v str),
    Owned(String),
    /// JSON that is parked when it is too large.
    Payload(String),
    Int(i64),
    Flag(bool),
    MaybeText(Option<String>),
    MaybeInt(Option<i64>),
}

impl Cell<'_> {
    fn given(&self) -> Given<'_> {
        match self {
            Cell::Text(text) => Given::Text(text),
            Cell::Owned(text) | Cell::Payload(text) | Cell::MaybeText(Some(text)) => {
                Given::Text(text)
            }
            Cell::Int(number) | Cell::MaybeInt(Some(number)) => Given::Int(*number),
            Cell::Flag(flag) => Given::Int(i64::from(*flag)),
            Cell::MaybeText(None) | Cell::MaybeInt(None) => Given::Null,
        }
    }
}

/// Runs the text for one row once for each.
fn one_by_one(
    conn: &mut SqliteConnection,
    statement: &'static Rows,
    cells: &[Cell<'_>],
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let given: Vec<Given<'_>> = cells.iter().map(Cell::given).collect();
    conn.each(statement.alone(), given.chunks_exact(statement.columns.len()))
}

macro_rules! bound {
    ($query:expr, $cells:expr) => {
        $cells.iter().fold($query, |query, cell| match cell {
            Cell::Text(text) => query.bind(*text),
            Cell::Owned(text) | Cell::Payload(text) => query.bind(text.as_str()),
            Cell::Int(number) => query.bind(*number),
            Cell::Flag(flag) => query.bind(*flag),
            Cell::MaybeText(text) => query.bind(text.as_deref()),
            Cell::MaybeInt(number) => query.bind(*number),
        })
    };
}

impl Conn {
    /// Runs a statement over rows, given one after the other.
    pub(crate) async fn with_rows(
        &mut self,
        statement: &'static Rows,
        cells: &[Cell<'_>],
    ) -> StoreResult<()> {
        if cells.is_empty() {
            return Ok(());
        }
        match self.split() {
            Split::Sqlite(c) => one_by_one(c, statement, cells).map(drop)?,
            Split::Postgres(c) => {
                let mut rest = cells;
                while !rest.is_empty() {
                    let (text, now, later) = statement.split(rest);
                    bound!(sqlx::query(text), now).execute(&mut *c).await?;
                    rest = later;
                }
            }
        }
        Ok(())
    }

    /// Runs a statement over rows and reads what it returns.
    pub(crate) async fn rows_returned<T>(
        &mut self,
        statement: &'static Rows,
        cells: &[Cell<'_>],
    ) -> StoreResult<Vec<T>>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let (mut rest, mut returned) = (cells, Vec::new());
        match self.split() {
            Split::Sqlite(_) if cells.is_empty() => {}
            Split::Sqlite(c) => {
                for row in one_by_one(c, statement, cells)? {
                    returned.push(T::from_row(&row)?);
                }
            }
            Split::Postgres(c) => {
                while !rest.is_empty() {
                    let (text, now, later) = statement.split(rest);
                    returned.extend(bound!(sqlx::query_as(text), now).fetch_all(&mut *c).await?);
                    rest = later;
                }
            }
        }
        Ok(returned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TWO_WIDE: Rows = Rows::new("INSERT INTO t (a, b) ", "ti", " ON CONFLICT DO NOTHING");

    static A_CHANGE: Rows = Rows::new(
        "UPDATE t SET b = v.column2 FROM (",
        "ti",
        ") AS v WHERE a = v.column1 AND b < v.column2",
    );
    static A_PAIR: Rows = Rows::new("DELETE FROM t WHERE (a, b) IN (", "ti", ") RETURNING a");

    #[test]
    fn one_row_alone_is_named_where_it_is_used() {
        assert_eq!(A_CHANGE.alone(), "UPDATE t SET b = $2 WHERE a = $1 AND b < $2");
        assert_eq!(A_PAIR.alone(), "DELETE FROM t WHERE (a, b) = ($1, $2) RETURNING a");
        let plain = "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        assert_eq!(TWO_WIDE.alone(), plain);
    }

    #[test]
    fn a_text_is_made_for_few_numbers_of_rows_and_once() {
        let (text, rows) = TWO_WIDE.text(2);
        assert_eq!(
            text,
            "INSERT INTO t (a, b) VALUES ($1, CAST($2 AS BIGINT)), ($3, $4) ON CONFLICT DO NOTHING"
        );
        assert_eq!(rows, 2);
        assert!(std::ptr::eq(text, TWO_WIDE.text(2).0));
        let taken: Vec<usize> = [1, 8, 15, 31, 100].map(|wanted| TWO_WIDE.text(wanted).1).to_vec();
        assert_eq!(taken, [1, 8, 8, 16, 64]);
    }
}
