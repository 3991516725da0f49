//! Finds what the tests need and installs what is missing. The second run finds everything and
//! installs nothing.

use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Command};

use crate::{
    command::{self, Outcome},
    node, postgres,
};

/// Brings the machine to the point where `cargo xtask test` can run.
pub fn run() -> Outcome {
    let binaries = postgres::find_or_install()?;
    println!("PostgreSQL: {}", binaries.display());
    let node = node::find_or_install()?;
    println!("Node: {}", node.display());
    Ok(())
}

/// Whether this process may install system packages.
pub fn is_root() -> bool {
    // `/proc/self` belongs to the effective user; this needs no foreign call.
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Installs Debian packages, or says in one line what the reader should install.
pub fn install(packages: &[&str], purpose: &str) -> Outcome {
    let wanted = packages.join(" ");
    if command::which("apt-get").is_none() {
        return Err(format!(
            "{purpose} is missing: install {wanted} (or your system's equivalent)"
        ));
    }
    if !is_root() {
        return Err(format!("{purpose} is missing: run `sudo apt-get install {wanted}` once"));
    }
    println!("{purpose} is missing: installing {wanted}");
    refresh_package_lists()?;
    command::output(apt(["install", "-y", "--no-install-recommends"]).args(packages)).map(drop)
}

/// Fetches the package lists once per machine start; they are what makes a bare image fail.
fn refresh_package_lists() -> Outcome {
    let lists = Path::new("/var/lib/apt/lists");
    let fetched = fs::read_dir(lists).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
    });
    if fetched && !lists_are_stale(lists) {
        return Ok(());
    }
    command::output(&mut apt(["update"])).map(drop)
}

/// Lists older than a day may name files the mirror no longer has.
fn lists_are_stale(lists: &Path) -> bool {
    const DAY_SECS: u64 = 24 * 60 * 60;
    let changed = fs::metadata(lists).and_then(|folder| folder.modified());
    changed.ok().and_then(|at| at.elapsed().ok()).is_none_or(|age| age.as_secs() > DAY_SECS)
}

fn apt<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq").args(arguments);
    command
}
