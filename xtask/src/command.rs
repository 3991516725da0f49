//! Starting other programs, with errors that name what was run.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The result of every task; the text says what to do.
pub type Outcome<T = ()> = Result<T, String>;

/// The root of the checkout.
pub fn root() -> &'static Path {
    // Xtask is always built and run from its own checkout, one folder below the root.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// The folder for tools fetched by `setup`; ignored by git.
pub fn cache() -> PathBuf {
    root().join(".cache")
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command to its end; anything but success is an error.
pub fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", show(command))) }
}

/// Runs a command quietly and gives its standard output; its errors appear only when it fails.
pub fn output(command: &mut Command) -> Outcome<String> {
    let done =
        command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))?;
    if done.status.success() {
        return String::from_utf8(done.stdout)
            .map_err(|_| format!("`{}` printed something that is not UTF-8", show(command)));
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("`{}` ended with {}:\n{}", show(command), done.status, said.trim_end()))
}

/// Where a program is, searching `PATH` as a shell would.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether a cargo subcommand such as `nextest` is installed.
pub fn has_cargo(subcommand: &str) -> bool {
    let mut command = cargo();
    command.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The command as one would type it, for messages.
pub fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start `{}`: {error}", show(command))
}
