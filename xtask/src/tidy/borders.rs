//! What may be said only in certain places.

use super::{Tree, Violation, tree::File};

/// Where a tenant context may be made; everyone else is handed one.
const VOUCHERS: &[&str] =
    &["crates/core/", "crates/engine/", "crates/testkit/", "crates/connectus/src/auth"];

/// Where SQL may stand. These rules name it, too.
const SQL_PLACES: &[&str] = &["crates/sqlite/", "crates/store/", "xtask/src/tidy/"];
/// Where the query languages of providers stand, which look like it.
const QUERY_PLACES: &[&str] = &[
    "crates/connect/tests/it/google.rs",
    "crates/connect/tests/it/salesforce.rs",
    "crates/sandbox/src/google/",
    "crates/sandbox/src/salesforce/",
];

/// Words that together make a statement.
const STATEMENTS: &[&[&str]] = &[
    &["SELECT ", " FROM "],
    &["INSERT INTO "],
    &["UPDATE ", " SET "],
    &["DELETE FROM "],
    &["CREATE TABLE "],
    &["ALTER TABLE "],
];

/// Only a layer that verified something vouches for a tenant.
pub fn tenant_contexts(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        for (index, line) in rust.code.lines().enumerate() {
            let makes_one =
                line.contains("TenantCtx::establish") || line.contains("TenantCtx::system");
            if makes_one && !is_in(file, VOUCHERS) && !file.is_test_line(index + 1) {
                let message = "makes a `TenantCtx`; take one from the caller instead";
                found.push(Violation::new(&file.path, index + 1, message));
            }
        }
    }
    found
}

/// Statements stand in the store only, and the notes on migrations in the driver beneath it.
pub fn sql(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let may = |file: &File| is_in(file, SQL_PLACES) || is_in(file, QUERY_PLACES);
    for (file, rust) in tree.rust().filter(|(file, _)| !may(file)) {
        for (line, text) in &rust.strings {
            if STATEMENTS.iter().any(|words| words.iter().all(|word| text.contains(word))) {
                let message = "an SQL statement; add a method to the store instead";
                found.push(Violation::new(&file.path, *line, message));
            }
        }
    }
    found
}

/// Tests wait for conditions or move a simulated clock.
pub fn sleeping_tests(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust().filter(|(file, _)| file.path.starts_with("crates/")) {
        // Under a paused clock a sleep takes no time and is exact.
        if rust.code.contains("start_paused") {
            continue;
        }
        for (index, line) in rust.code.lines().enumerate() {
            let sleeps = line.contains("thread::sleep(") || line.contains("time::sleep(");
            if sleeps && file.is_test_line(index + 1) {
                let message = "a test sleeps; wait for the condition or advance the clock";
                found.push(Violation::new(&file.path, index + 1, message));
            }
        }
    }
    found
}

fn is_in(file: &File, places: &[&str]) -> bool {
    places.iter().any(|place| file.path.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_cannot_vouch_for_a_tenant() {
        let source = "fn f() {\n  TenantCtx::establish(a, b, c);\n}\n";
        let handler = ("crates/connectus/src/api/flows/create.rs", source);
        assert_eq!(tenant_contexts(&Tree::of(&[handler]))[0].line, 2);
        let system = ("crates/store/src/flows.rs", "TenantCtx::system(t)");
        assert_eq!(tenant_contexts(&Tree::of(&[system])).len(), 1);
    }

    #[test]
    fn the_layers_that_verify_and_the_tests_may() {
        let make = "TenantCtx::system(t);";
        let in_tests = "fn f() {}\n#[cfg(test)]\nmod tests {\n TenantCtx::system(t);\n}\n";
        let tree = Tree::of(&[
            ("crates/connectus/src/auth/session.rs", make),
            ("crates/engine/src/run.rs", make),
            ("crates/store/tests/flows.rs", make),
            ("crates/store/src/flows.rs", in_tests),
            ("crates/store/src/tenants.rs", "// TenantCtx::establish"),
        ]);
        assert!(tenant_contexts(&tree).is_empty());
    }

    #[test]
    fn sql_outside_the_store_is_found_in_any_kind_of_literal() {
        for source in [
            "q(\"SELECT id FROM run\")",
            "q(r#\"INSERT INTO run VALUES (1)\"#)",
            "q(\"UPDATE run\n SET a = 1\")",
            "q(\"DELETE FROM run\")",
        ] {
            assert_eq!(sql(&Tree::of(&[("crates/engine/src/x.rs", source)])).len(), 1, "{source}");
            assert!(sql(&Tree::of(&[("crates/store/src/x.rs", source)])).is_empty());
        }
        let prose = "// SELECT a FROM b\nlet x = \"Select a plan\"; let y = \"UPDATE done\";";
        assert!(sql(&Tree::of(&[("crates/engine/src/x.rs", prose)])).is_empty());
    }

    #[test]
    fn a_sleeping_test_is_found_unless_its_clock_is_paused() {
        let sleep = "fn a() { tokio::time::sleep(d).await; }\n";
        let test = format!("#[cfg(test)]\nmod tests {{\n{sleep}}}\n");
        let paused = format!("#[tokio::test(start_paused = true)]\n{test}");
        let tree = Tree::of(&[
            ("crates/a/src/x.rs", sleep),
            ("crates/a/src/y.rs", &test),
            ("crates/a/src/z.rs", &paused),
        ]);
        let found = sleeping_tests(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("crates/a/src/y.rs", 3));
    }
}
