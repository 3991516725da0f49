//! One test body, two databases.

use std::future::Future;

use connectus_store::Database;

use crate::{TestStore, postgres};

/// Declares tests that run on SQLite and on PostgreSQL, each time on an empty database.
///
/// Each function becomes a module with the tests `sqlite` and `postgres`:
///
/// ```
/// connectus_testkit::both! {
///     /// A comment, if you like.
///     async fn names_its_kind(db: TestStore) {
///         assert!(["sqlite", "postgres"].contains(&db.store.kind()));
///     }
/// }
/// ```
#[macro_export]
macro_rules! both {
    ($($(#[$doc:meta])* async fn $name:ident($db:ident: TestStore) $body:block)*) => {$(
        $(#[$doc])*
        #[cfg(test)]
        mod $name {
            // The body sees what its file sees, whether it needs all of it or not.
            #[allow(unused_imports, reason = "an unneeded import is no fault here")]
            use super::*;

            #[test]
            fn sqlite() {
                $crate::both::on_sqlite(body);
            }

            #[test]
            fn postgres() {
                $crate::both::on_postgres(body);
            }

            #[allow(unused_mut, reason = "a body may restart its store")]
            async fn body(mut $db: $crate::TestStore) $body
        }
    )*};
}

/// Runs a body on a fresh SQLite file.
///
/// # Panics
/// When the database cannot be opened, and when the body does.
pub fn on_sqlite<F: Future<Output = ()>>(body: impl FnOnce(TestStore) -> F) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| fail("make a folder", &error));
    let database = Database::Sqlite(folder.path().join("connectus.db"));
    block_on(run(database, body));
}

/// Runs a body on a fresh PostgreSQL database, or says that it did not.
///
/// # Panics
/// When the server cannot be used, and when the body panics.
pub fn on_postgres<F: Future<Output = ()>>(body: impl FnOnce(TestStore) -> F) {
    let Some(cluster) = postgres::cluster() else { return };
    block_on(async {
        let database = postgres::fresh_database(&cluster).await;
        let database = database.unwrap_or_else(|error| fail("create a database", &error));
        run(database.clone(), body).await;
        database.remove().await.unwrap_or_else(|error| fail("remove the database", &error));
    });
}

async fn run<F: Future<Output = ()>>(database: Database, body: impl FnOnce(TestStore) -> F) {
    let opened = TestStore::open(database).await;
    let db = opened.unwrap_or_else(|error| fail("open the store", &error));
    let store = db.store.clone();
    body(db).await;
    store.close().await;
}

fn block_on(work: impl Future<Output = ()>) {
    // Two workers, so that a body can really race with itself.
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build();
    runtime.unwrap_or_else(|error| fail("start the runtime", &error)).block_on(work);
}

#[expect(clippy::panic, reason = "a test that cannot get its database must fail, loudly")]
fn fail(what: &str, error: &dyn std::fmt::Debug) -> ! {
    panic!("cannot {what}: {error:?}");
}
