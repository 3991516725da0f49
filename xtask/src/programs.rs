//! The programs of this workspace, built.

use std::path::PathBuf;

use crate::command::{self, Outcome};

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quickly; as the tests are.
    Debug,
    /// As it is shipped.
    Release,
}

impl Profile {
    const fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds a program and says where it is.
pub fn build(package: &str, profile: Profile) -> Outcome<PathBuf> {
    let mut build = command::cargo();
    build.args(["build", "--quiet", "--locked", "--package", package]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    command::run(&mut build)?;
    // Xtask itself stands in `target/<profile>`, wherever the target folder is.
    let own = std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let folder = own.parent().and_then(|profile| profile.parent());
    let program = folder.unwrap_or(&own).join(profile.folder()).join(package);
    if program.is_file() { Ok(program) } else { Err(format!("{} is not there", program.display())) }
}

/// A program that an earlier step built along with the tests, beside this one.
pub fn built(name: &str) -> Outcome<PathBuf> {
    let beside = std::env::current_exe().unwrap_or_default().with_file_name(name);
    // Cargo builds a program along with the tests only of a package that has a `tests` folder.
    if beside.is_file() { Ok(beside) } else { Err(format!("{name} was not built with the tests")) }
}
