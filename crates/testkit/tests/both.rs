//! The harness itself: each test of a pair gets an empty database of the right kind, and keeps it
//! over a restart.

use connectus_testkit::both;

both! {
    /// Run twice on one database, the second would find the tenant of the first.
    async fn starts_empty_and_survives_a_restart(db: TestStore) {
        assert!(db.store.read().await.unwrap().tenants().await.unwrap().is_empty());
        let ctx = db.tenant("Only one").await.unwrap();
        db.restart().await.unwrap();
        let tenants = db.store.read().await.unwrap().tenants().await.unwrap();
        assert_eq!(tenants.len(), 1);
        assert_eq!(&tenants[0].id, ctx.tenant());
    }

    async fn starts_empty_again(db: TestStore) {
        assert!(db.store.read().await.unwrap().tenants().await.unwrap().is_empty());
        db.tenant("Another").await.unwrap();
    }
}

#[test]
fn each_half_runs_on_its_own_database() {
    let seen = std::sync::Mutex::new(Vec::new());
    let note = async |kind: &'static str| seen.lock().unwrap().push(kind);
    connectus_testkit::both::on_sqlite(async |db| note(db.store.kind()).await);
    connectus_testkit::both::on_postgres(async |db| note(db.store.kind()).await);
    let has_cluster = connectus_testkit::postgres::cluster().is_some();
    let expected: &[&str] = if has_cluster { &["sqlite", "postgres"] } else { &["sqlite"] };
    assert_eq!(*seen.lock().unwrap(), expected);
}
