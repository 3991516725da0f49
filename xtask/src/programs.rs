//! The programs of this workspace, built.

use std::path::{Path, PathBuf};

use crate::command::{self, Outcome};

/// The server and the sandbox it is tried with.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Connectus.
    pub server: PathBuf,
    /// The fakes.
    pub sandbox: PathBuf,
}

impl Programs {
    /// Builds both, or takes a server that is there, and the sandbox beside it if there is one.
    ///
    /// # Errors
    /// What the build says.
    pub fn find(server: Option<&Path>, profile: Profile) -> Outcome<Self> {
        let Some(server) = server else {
            let server = build("connectus", profile)?;
            return Ok(Self { server, sandbox: build("connectus-sandbox", profile)? });
        };
        let server = std::path::absolute(server).map_err(|error| error.to_string())?;
        let beside = server.with_file_name("connectus-sandbox");
        let sandbox = if beside.is_file() { beside } else { build("connectus-sandbox", profile)? };
        Ok(Self { server, sandbox })
    }

    /// Those that an earlier step built along with the tests.
    ///
    /// # Errors
    /// When it did not.
    pub fn built() -> Outcome<Self> {
        Ok(Self { server: built("connectus")?, sandbox: built("connectus-sandbox")? })
    }
}

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
    there(profile, &[package])
}

/// Builds an example of a package as it would be shipped, and says where it is.
pub fn example(package: &str, name: &str) -> Outcome<PathBuf> {
    let mut build = command::cargo();
    build.args(["build", "--quiet", "--locked", "--release", "--package", package]);
    command::run(build.args(["--example", name]))?;
    there(Profile::Release, &["examples", name])
}

/// Where a program stands that was built.
fn there(profile: Profile, path: &[&str]) -> Outcome<PathBuf> {
    // Xtask itself stands in `target/<profile>`, wherever the target folder is.
    let own = std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let folder = own.parent().and_then(|profile| profile.parent());
    let mut program = folder.unwrap_or(&own).join(profile.folder());
    program.extend(path);
    if program.is_file() { Ok(program) } else { Err(format!("{} is not there", program.display())) }
}

/// A program that an earlier step built along with the tests, beside this one.
pub fn built(name: &str) -> Outcome<PathBuf> {
    let beside = std::env::current_exe().unwrap_or_default().with_file_name(name);
    // Cargo builds a program along with the tests only of a package that has a `tests` folder.
    if beside.is_file() { Ok(beside) } else { Err(format!("{name} was not built with the tests")) }
}
