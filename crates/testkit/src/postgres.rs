//! A database of a test's own in the cluster that the test command started.

use std::sync::atomic::{AtomicU32, Ordering};

use connectus_core::{Error, Result};
use connectus_store::Database;

/// Names the cluster; set by `cargo xtask test` and `cargo xtask with-postgres`.
pub const URL_VARIABLE: &str = "CONNECTUS_TEST_POSTGRES_URL";

/// The cluster to test on. None, said loudly, when this run has none.
pub fn cluster() -> Option<String> {
    let url = std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!(
            "SKIPPED on PostgreSQL: {URL_VARIABLE} is not set; `cargo xtask with-postgres \
             cargo test ...` starts a server for the command"
        );
    }
    url
}

/// Creates an empty database with a name of its own.
///
/// # Errors
/// `invalid` when the cluster's URL names no database; `unavailable` when the server refuses.
pub async fn fresh_database(cluster: &str) -> Result<Database> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("connectus_test_{}_{number}", std::process::id());
    let database = Database::Postgres(with_database(cluster, &name)?);
    // A process number can come again, and a test that failed leaves its database behind.
    database.remove().await?;
    database.create().await?;
    Ok(database)
}

/// The cluster's URL with another database in it.
fn with_database(cluster: &str, name: &str) -> Result<String> {
    let (address, parameters) = match cluster.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (cluster, String::new()),
    };
    let (server, _) = address
        .rsplit_once('/')
        .filter(|(server, _)| server.contains("://") && !server.ends_with('/'))
        .ok_or_else(|| Error::invalid(URL_VARIABLE, "must look like postgres://user@host/name."))?;
    Ok(format!("{server}/{name}{parameters}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_database_changes() {
        let url = with_database("postgres://me@127.0.0.1:5432/postgres?sslmode=disable", "t");
        assert_eq!(url.unwrap(), "postgres://me@127.0.0.1:5432/t?sslmode=disable");
        assert_eq!(with_database("postgres://h/a", "t").unwrap(), "postgres://h/t");
        assert!(with_database("postgres://h", "t").is_err());
        assert!(with_database("nonsense", "t").is_err());
    }
}
