//! The driver as sqlx sees it.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use std::path::PathBuf;

use connectus_sqlite::{Connection, Options};
use sqlx_core::{
    acquire::Acquire, connection::Connection as _, error::Error, executor::Executor,
    from_row::FromRow, query::query, query_as::query_as, row::Row,
};
use tempfile::TempDir;

fn opened() -> (TempDir, PathBuf, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let mut conn = Options::new(&path).open().unwrap();
    conn.batch("CREATE TABLE t (id TEXT PRIMARY KEY, n BIGINT, f BOOLEAN, x REAL, b BLOB)")
        .unwrap();
    (folder, path, conn)
}

const PUT: &str = "INSERT INTO t (id, n, f, x, b) VALUES ($1, $2, $3, $4, $5)";
const COUNT: &str = "SELECT COUNT(*) FROM t";

async fn put(conn: &mut Connection, id: &str) -> Result<u64, Error> {
    let put = query(PUT).bind(id).bind(7).bind(true).bind(0.5).bind(&[1u8, 2][..]);
    put.execute(conn).await.map(|done| done.rows_affected())
}

async fn count(conn: &mut Connection) -> i64 {
    query_as::<_, (i64,)>(COUNT).fetch_one(conn).await.unwrap().0
}

#[derive(Debug, PartialEq)]
struct Named {
    id: String,
    n: Option<i64>,
}

impl FromRow<'_, connectus_sqlite::Row> for Named {
    fn from_row(row: &connectus_sqlite::Row) -> Result<Self, Error> {
        Ok(Self { id: row.try_get("id")?, n: row.try_get("n")? })
    }
}

#[tokio::test]
async fn values_come_back_as_they_were_given() {
    let (_folder, _, mut conn) = opened();
    assert_eq!(put(&mut conn, "a").await.unwrap(), 1);
    let none = query(PUT).bind("b").bind(None::<i64>).bind(None::<bool>);
    none.bind(None::<f64>).bind(None::<Vec<u8>>).execute(&mut conn).await.unwrap();
    type All = (String, Option<i64>, Option<bool>, Option<f64>, Option<Vec<u8>>);
    let all: Vec<All> = query_as("SELECT * FROM t ORDER BY id").fetch_all(&mut conn).await.unwrap();
    let a = ("a".to_owned(), Some(7), Some(true), Some(0.5), Some(vec![1, 2]));
    assert_eq!(all, [a, ("b".to_owned(), None, None, None, None)]);
    let named: Vec<Named> =
        query_as("SELECT n, id FROM t ORDER BY id").fetch_all(&mut conn).await.unwrap();
    assert_eq!(named[0], Named { id: "a".to_owned(), n: Some(7) });
    let number = query("SELECT n FROM t WHERE id = 'a'").fetch_one(&mut conn).await.unwrap();
    assert!(number.try_get::<String, _>("n").is_err(), "a number is no text");
    assert!(matches!(number.try_get::<i64, _>("x"), Err(Error::ColumnNotFound(_))));
}

#[tokio::test]
async fn a_placeholder_stands_for_its_number_wherever_it_is_written() {
    let (_folder, _, mut conn) = opened();
    let row: (i64, i64, i64) = query_as("SELECT $3, $1, $3 - $2")
        .bind(1)
        .bind(2)
        .bind(30)
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(row, (30, 1, 28));
    let too_few = query("SELECT $1, $2").bind(1).execute(&mut conn).await;
    assert!(matches!(too_few, Err(Error::InvalidArgument(_))), "{too_few:?}");
    let unnumbered = query("SELECT ?").bind(1).execute(&mut conn).await;
    assert!(matches!(unnumbered, Err(Error::Protocol(_))), "{unnumbered:?}");
}

#[tokio::test]
async fn what_a_write_returns_may_be_left_unread() {
    let (_folder, _, mut conn) = opened();
    put(&mut conn, "a").await.unwrap();
    put(&mut conn, "b").await.unwrap();
    let touch = "UPDATE t SET n = n + 1 RETURNING id";
    let first: Option<(String,)> = query_as(touch).fetch_optional(&mut conn).await.unwrap();
    assert!(first.is_some());
    let sum: (i64,) = query_as("SELECT SUM(n) FROM t").fetch_one(&mut conn).await.unwrap();
    assert_eq!(sum.0, 16, "both rows were changed");
}

#[tokio::test]
async fn errors_say_which_rule_refused() {
    let (_folder, path, mut conn) = opened();
    put(&mut conn, "a").await.unwrap();
    let Err(Error::Database(twice)) = put(&mut conn, "a").await else { panic!("stored twice") };
    assert!(twice.is_unique_violation() && !twice.is_foreign_key_violation());
    assert_eq!(twice.code().as_deref(), Some("1555"));
    assert!(twice.message().contains("t.id"), "{twice}");
    conn.batch("CREATE TABLE child (t TEXT REFERENCES t (id))").unwrap();
    let orphan = query("INSERT INTO child VALUES ($1)").bind("z").execute(&mut conn).await;
    let Err(Error::Database(orphan)) = orphan else { panic!("an orphan was stored") };
    assert!(orphan.is_foreign_key_violation());
    assert!(matches!(conn.execute("SELEC 1").await, Err(Error::Database(_))));
    let mut reader = Options::new(path).read_only().open().unwrap();
    assert_eq!(count(&mut reader).await, 1);
    assert!(put(&mut reader, "b").await.is_err(), "a reader wrote");
}

#[tokio::test]
async fn a_dropped_transaction_is_undone_and_an_inner_one_alone() {
    let (_folder, _, mut conn) = opened();
    let mut outer = Acquire::begin(&mut conn).await.unwrap();
    put(&mut outer, "a").await.unwrap();
    let mut inner = Acquire::begin(&mut *outer).await.unwrap();
    put(&mut inner, "b").await.unwrap();
    drop(inner);
    assert_eq!(count(&mut outer).await, 1);
    let mut inner = Acquire::begin(&mut *outer).await.unwrap();
    put(&mut inner, "c").await.unwrap();
    inner.commit().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(count(&mut conn).await, 2);
    let mut undone = Acquire::begin(&mut conn).await.unwrap();
    put(&mut undone, "d").await.unwrap();
    drop(undone);
    assert_eq!(count(&mut conn).await, 2);
    assert!(!conn.is_in_transaction());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_statement_that_takes_long_runs_apart_from_then_on() {
    let (_folder, _, mut conn) = opened();
    let count = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < $1) \
                 SELECT COUNT(*) FROM c";
    let mut counted = async |n: i64| -> i64 {
        query_as::<_, (i64,)>(count).bind(n).fetch_one(&mut conn).await.unwrap().0
    };
    // Once to learn that it is long, once apart: the answers are the same.
    for _ in 0..2 {
        assert_eq!(counted(300_000).await, 300_000);
    }
}

#[tokio::test]
async fn a_schema_that_changes_is_noticed() {
    let (_folder, path, mut conn) = opened();
    put(&mut conn, "a").await.unwrap();
    let all = "SELECT * FROM t";
    assert_eq!(query(all).fetch_one(&mut conn).await.unwrap().len(), 5);
    Options::new(path).open().unwrap().batch("ALTER TABLE t ADD COLUMN later TEXT").unwrap();
    assert_eq!(query(all).fetch_one(&mut conn).await.unwrap().len(), 6);
}
