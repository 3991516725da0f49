//! Which crate may depend on which.

use toml::{Table, Value};

use super::{Tree, Violation};

/// Every crate of the house and what it may build on. Reading order is bottom up.
const CRATES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("sqlite", &[]),
    ("store", &["core", "sqlite"]),
    ("connect", &["core"]),
    ("sandbox", &["core"]),
    ("engine", &["core", "store", "connect"]),
    ("content", &["core", "store", "connect", "engine"]),
    ("connectus", &["core", "store", "connect", "engine", "content", "sandbox"]),
    ("testkit", &["core", "store", "connect", "engine", "content", "sandbox", "connectus"]),
];

/// What any crate but `core` may use in its tests.
const FOR_TESTS: &[&str] = &["testkit", "sandbox"];

/// Libraries that open a door to the outside, and the crates that may hold it.
const DOORS: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("sqlx-core", &["sqlite"]),
    ("rusqlite", &["sqlite"]),
    ("reqwest", &["connect"]),
    // The binary answers with it, and its command line asks the server on its own data directory.
    ("hyper", &["connect", "connectus"]),
    ("axum", &["connectus", "sandbox"]),
];

/// Doors that no library of others may bring along, because it would pass by the guard.
const GUARDED: &[&str] = &["sqlx", "reqwest", "axum"];

/// Libraries that the pure core must not even see.
const NOT_IN_CORE: &[&str] = &["tokio", "futures", "tracing", "getrandom", "rand", "async-trait"];

/// Arrows between our own crates.
pub fn in_house(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for manifest in manifests(tree) {
        let Some((_, allowed)) = CRATES.iter().find(|(name, _)| *name == manifest.name) else {
            let message = format!("crate `{}` is not in the table of crates", manifest.name);
            found.push(Violation::new(manifest.path, 0, message));
            continue;
        };
        for dependency in &manifest.dependencies {
            let Some(target) = in_house_name(&dependency.name) else { continue };
            let for_tests =
                dependency.is_dev && manifest.name != "core" && FOR_TESTS.contains(&target);
            if !for_tests && !allowed.contains(&target) {
                let message = format!("`{}` must not depend on `{target}`", manifest.name);
                found.push(Violation::new(manifest.path, 0, message));
            }
        }
    }
    found
}

/// Libraries that only certain crates may use.
pub fn outside(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for manifest in manifests(tree) {
        for dependency in &manifest.dependencies {
            let name = dependency.name.as_str();
            let door = DOORS.iter().find(|(library, _)| *library == name);
            let is_closed = door.is_some_and(|(_, holders)| !holders.contains(&manifest.name));
            let is_impure = manifest.name == "core" && NOT_IN_CORE.contains(&name);
            if is_closed || is_impure {
                let message = format!("`{}` must not use the library `{name}`", manifest.name);
                found.push(Violation::new(manifest.path, 0, message));
            }
        }
    }
    found.extend(brought_along(tree));
    found
}

/// Libraries of others that bring a door of their own, read from the lock file.
fn brought_along(tree: &Tree) -> Vec<Violation> {
    let lock = tree.file("Cargo.lock").and_then(|file| file.text.parse::<Table>().ok());
    let packages = lock.as_ref().and_then(|table| table.get("package")).and_then(Value::as_array);
    let mut found = Vec::new();
    for package in packages.into_iter().flatten() {
        let Some(name) = package.get("name").and_then(Value::as_str) else { continue };
        // Our own crates have been read from their manifests.
        if in_house_name(name).is_some() {
            continue;
        }
        let dependencies = package.get("dependencies").and_then(Value::as_array);
        for dependency in dependencies.into_iter().flatten().filter_map(Value::as_str) {
            // `axum`, or `axum 0.8.9` where the lock holds two versions.
            let library = dependency.split(' ').next().unwrap_or(dependency);
            if GUARDED.contains(&library) {
                let message = format!("the library `{name}` brings its own `{library}`");
                found.push(Violation::new("Cargo.lock", 0, message));
            }
        }
    }
    found
}

struct Manifest<'a> {
    path: &'a str,
    name: &'a str,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    is_dev: bool,
}

/// `connectus-core` and the binary's own crate name.
fn in_house_name(package: &str) -> Option<&str> {
    package.strip_prefix("connectus-").or((package == "connectus").then_some(package))
}

fn manifests(tree: &Tree) -> impl Iterator<Item = Manifest<'_>> {
    tree.files.iter().filter_map(|file| {
        let name = file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        let table: Table = file.text.parse().ok()?;
        let mut dependencies = Vec::new();
        collect(&table, &mut dependencies);
        let targets = table.get("target").and_then(Value::as_table);
        for (_, target) in targets.into_iter().flatten() {
            target.as_table().inspect(|inner| collect(inner, &mut dependencies));
        }
        Some(Manifest { path: &file.path, name, dependencies })
    })
}

fn collect(table: &Table, into: &mut Vec<Dependency>) {
    for (section, is_dev) in
        [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        let entries = table.get(section).and_then(Value::as_table);
        for (key, value) in entries.into_iter().flatten() {
            // `other = { package = "sqlx" }` is still sqlx.
            let package = value.get("package").and_then(Value::as_str);
            into.push(Dependency { name: package.unwrap_or(key).to_owned(), is_dev });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(rule: fn(&Tree) -> Vec<Violation>, path: &str, manifest: &str) -> Vec<String> {
        let found = rule(&Tree::of(&[(path, manifest)]));
        found.into_iter().map(|violation| violation.message).collect()
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let up = "[dependencies]\nconnectus-core.workspace = true\nconnectus-engine.path = \"x\"";
        assert_eq!(
            messages(in_house, "crates/store/Cargo.toml", up),
            ["`store` must not depend on `engine`"]
        );
        let down = "[dependencies]\nconnectus-core.workspace = true";
        assert!(messages(in_house, "crates/store/Cargo.toml", down).is_empty());
    }

    #[test]
    fn tests_may_use_the_testkit_but_core_may_not() {
        let manifest = "[dev-dependencies]\nconnectus-testkit.workspace = true";
        assert!(messages(in_house, "crates/store/Cargo.toml", manifest).is_empty());
        assert_eq!(messages(in_house, "crates/core/Cargo.toml", manifest).len(), 1);
        let shipped = "[dependencies]\nconnectus-testkit.workspace = true";
        assert_eq!(messages(in_house, "crates/store/Cargo.toml", shipped).len(), 1);
    }

    #[test]
    fn a_crate_nobody_planned_is_found() {
        assert_eq!(messages(in_house, "crates/extra/Cargo.toml", "").len(), 1);
    }

    #[test]
    fn doors_are_closed_under_any_name_and_on_any_platform() {
        for manifest in [
            "[dependencies]\nsqlx.workspace = true",
            "[dev-dependencies]\nsqlx = \"0.9\"",
            "[dependencies]\nquery = { package = \"sqlx\", version = \"0.9\" }",
            "[target.'cfg(unix)'.dependencies]\nsqlx = \"0.9\"",
        ] {
            assert_eq!(messages(outside, "crates/engine/Cargo.toml", manifest).len(), 1);
            assert!(messages(outside, "crates/store/Cargo.toml", manifest).is_empty());
        }
        let runtime = "[dependencies]\ntokio.workspace = true";
        assert_eq!(messages(outside, "crates/core/Cargo.toml", runtime).len(), 1);
        assert!(messages(outside, "crates/store/Cargo.toml", runtime).is_empty());
    }

    #[test]
    fn a_library_that_brings_its_own_client_is_found() {
        let lock = "[[package]]\nname = \"chatty\"\ndependencies = [\"reqwest 0.12.0\"]\n\
                    [[package]]\nname = \"connectus-connect\"\ndependencies = [\"reqwest\"]\n";
        let found = messages(outside, "Cargo.lock", lock);
        assert_eq!(found, ["the library `chatty` brings its own `reqwest`"]);
    }
}
