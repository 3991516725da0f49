//! Every statement is understood by both databases, and every file that holds some is listed.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use std::{collections::BTreeSet, fs, path::Path};

use connectus_sqlite::Options;
use connectus_store::{Database, SQL_DIALECTS, SQL_ROWS, SQL_STATEMENTS};
use connectus_testkit::both;
use sqlx::{Connection, Executor, PgConnection, SqlSafeStr};

fn statements(postgres: bool) -> Vec<(String, String)> {
    let shared = SQL_STATEMENTS.iter().flat_map(|(file, list)| {
        list.iter().map(move |(name, text)| (file, *name, (*text).to_owned()))
    });
    let many = SQL_ROWS.iter().flat_map(|(file, list)| {
        list.iter().flat_map(move |(name, rows)| {
            rows.samples(postgres).into_iter().map(move |text| (file, *name, text))
        })
    });
    let differing = SQL_DIALECTS.iter().flat_map(|(file, list)| {
        list.iter().map(move |(name, text)| {
            let text = if postgres { text.postgres } else { text.sqlite };
            (file, *name, text.to_owned())
        })
    });
    shared
        .chain(many)
        .chain(differing)
        .map(|(file, name, text)| (format!("{file}.{name}"), text))
        .collect()
}

both! {
    async fn every_statement_prepares(db: TestStore) {
        let mut refused = Vec::new();
        match &db.database {
            Database::Sqlite(path) => {
                let mut conn = Options::new(path).open().unwrap();
                for (name, text) in statements(false) {
                    let text = sqlx::AssertSqlSafe(text).into_sql_str();
                    if let Err(error) = conn.prepare(text).await {
                        refused.push(format!("{name}: {error}"));
                    }
                }
            }
            Database::Postgres(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                for (name, text) in statements(true) {
                    let text = sqlx::AssertSqlSafe(text).into_sql_str();
                    if let Err(error) = conn.prepare(text).await {
                        refused.push(format!("{name}: {error}"));
                    }
                }
            }
        }
        assert!(refused.is_empty(), "{}", refused.join("\n"));
        assert!(statements(false).len() > 100, "the list looks cut off");
    }
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.display().to_string(), text));
        }
    }
}

#[test]
fn every_file_with_statements_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let holding = |marker: &str| -> BTreeSet<String> {
        let prefix = format!("{}/", root.display());
        files
            .iter()
            .filter(|(_, text)| text.lines().any(|line| line.starts_with(marker)))
            .map(|(path, _)| path.trim_start_matches(&prefix).trim_end_matches(".rs").to_owned())
            .collect()
    };
    let listed = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(holding("sql! {"), listed(SQL_STATEMENTS.iter().map(|(file, _)| *file).collect()));
    assert_eq!(
        holding("dialects! {"),
        listed(SQL_DIALECTS.iter().map(|(file, _)| *file).collect())
    );
    assert_eq!(holding("rows! {"), listed(SQL_ROWS.iter().map(|(file, _)| *file).collect()));
}

#[test]
fn every_statement_on_tenant_rows_binds_the_tenant() {
    // What legitimately spans tenants: sign-in before the tenant is known, the engine's look for
    // work, what is measured of the whole process, and the tables that no tenant owns.
    let spanning = [
        "installation.",
        "workers.",
        "providers.",
        "login_attempts.",
        "setup_links.",
        "tenants.",
        "runs/ready.",
        "event_cursors.BEHIND",
        "event_cursors.NAMES",
        "event_cursors.RETIRE",
        "event_cursors.POSITIONS",
        "event_cursors.EMITTED",
        "event_cursors.SUBSCRIPTIONS_LAG",
        "event_cursors.WATCHES_LAG",
        "deliveries/made.BEHIND",
        "deliveries/tried.READY",
        "deliveries/tried.NEXT_DUE",
        "deliveries.PURGE",
        "blobs/refer.TOTALS",
        "webhook_subscriptions.ANY_ENABLED",
        "receipts.FORGET",
        "runs.FORGET",
        "workflow_watches.BEHIND",
        "workflow_watches.ANY",
        "workflows.DUE",
        "workflows.NEXT_DUE",
        "flows.DUE",
        "flows.NEXT_DUE",
        "figures.CALLS",
        "figures.QUEUES",
        "idempotency.ABANDON",
        "idempotency.PURGE",
        "notifications.DUE",
        "notifications.NEXT_DUE",
        "notifications.FORGET",
        "oauth_states.",
        "plans.FORGET",
        "logins.BY_SECRET",
        "logins.PURGE",
        "refresh_tokens.GET",
        "refresh_tokens.USE",
        "refresh_tokens.PURGE",
        "api_keys.BY_SECRET",
        "users.COUNT_ALL",
        "users.BY_EMAIL",
        "users.BY_ID_ANYWHERE",
        "users.BY_EXTERNAL_ID",
    ];
    let all = statements(false).into_iter().chain(statements(true));
    let loose: Vec<_> = all
        .filter(|(name, _)| !spanning.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|(_, text)| {
            // A tenant's own row is found by its identifier.
            let own = text.contains("WHERE id = $1") || text.contains("WHERE id = v.column1");
            let own_row = text.contains(" tenants ") && own;
            let inserts = text.starts_with("INSERT") && text.contains("tenant_id");
            let each = text.contains("WHERE (tenant_id, run_id");
            !(own_row || inserts || each || is_held_to_a_tenant(text))
        })
        .collect();
    assert!(loose.is_empty(), "not held to one tenant: {loose:#?}");
}

/// Whether a condition that always counts says which tenant: `WHERE tenant_id = $1 AND ...`.
fn is_held_to_a_tenant(text: &str) -> bool {
    let conditions = ["tenant_id = $", "tenant_id = v.column1"];
    conditions.into_iter().flat_map(|condition| text.match_indices(condition)).any(|(at, known)| {
        let (before, condition) = text.split_at(at);
        let alias = |b: &str| b.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
        let before = before.strip_suffix('.').map_or(before, |b| &b[..alias(b)]);
        let after = condition[known.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
        let counts = ["WHERE ", "AND ", "ON "].iter().any(|word| before.ends_with(word));
        counts && !after.starts_with(" OR ")
    })
}

#[test]
fn a_condition_that_may_be_passed_by_holds_nothing() {
    for text in ["WHERE tenant_id = $1", "JOIN b ON b.tenant_id = $2 AND x", "AND f.tenant_id = $1"]
    {
        assert!(is_held_to_a_tenant(text), "{text}");
    }
    for text in [
        "SELECT tenant_id FROM runs WHERE id = $1",
        "WHERE (tenant_id = $1 OR 1 = 1) AND id = $2",
        "WHERE tenant_id = $1 OR id = $2",
        "SET tenant_id = $1 WHERE id = $2",
    ] {
        assert!(!is_held_to_a_tenant(text), "{text}");
    }
}

/// A backlog must not make the look for work slower: rows are found in the order they are taken in,
/// and what names a tenant or a status goes straight there.
#[test]
fn the_engine_finds_its_rows_by_an_index_in_order() {
    connectus_testkit::both::on_sqlite(|db| async move {
        let Database::Sqlite(path) = &db.database else { panic!("this is SQLite") };
        let mut conn = Options::new(path).open().unwrap();
        let all = statements(false);
        for (name, index) in [
            ("runs/ready.LINES", "runs_ready"),
            ("runs/ready.LINE", "runs_ready"),
            ("runs/ready.NEXT_DUE", "runs_due"),
            ("runs/ready.COME_DUE", "runs_due"),
            ("runs/ready.WITH_MAIL", "runs_under_way"),
            ("runs/ready.CLAIMS", "runs_under_way"),
            ("runs/ready.RELEASE", "runs_under_way"),
            ("runs/ready.ORPHANS", "runs_under_way"),
            ("figures.QUEUES", "runs_ready"),
            ("figures.QUEUES", "runs_quarantined"),
            ("queues.DEAD", "runs_failed"),
            ("queues.QUEUED", "runs_ready (queue=? AND held=? AND tenant_id=?)"),
            ("queues.OPEN", "runs_under_way (tenant_id=?)"),
            ("queues.OPEN", "runs_resting (tenant_id=?)"),
            ("runs/claims.CLAIM", "sqlite_autoindex_runs_1"),
        ] {
            let found = all.iter().find(|(known, _)| known == name);
            let text = &found.unwrap_or_else(|| panic!("no statement {name}")).1;
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
            let placeholders = (1..).take_while(|n| text.contains(&format!("${n}")));
            let query = placeholders.fold(sqlx::query_as(explain), |q, _| q.bind(None::<i64>));
            let plan: Vec<(i64, i64, i64, String)> = query.fetch_all(&mut conn).await.unwrap();
            let plan: Vec<String> = plan.into_iter().map(|row| row.3).collect();
            let plan = plan.join("\n");
            assert!(plan.contains(index), "{name}: {plan}");
            assert!(!plan.contains("FOR ORDER BY"), "{name}: {plan}");
            // An index may be gone through from end to end where it holds no other rows.
            let scans = plan.lines().filter(|line| line.starts_with("SCAN runs"));
            assert!(scans.clone().all(|line| line.contains("USING")), "{name}: {plan}");
            // What one tenant asks for goes through nobody else's runs.
            assert!(!name.starts_with("queues.") || scans.count() == 0, "{name}: {plan}");
        }
    });
}
