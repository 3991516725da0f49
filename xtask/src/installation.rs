//! Connectus as its users have it: the program, a data directory of its own, a running server.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    command::{self, Outcome},
    http::{self, Request},
};

/// Longest time a server gets to be ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How often readiness is asked for.
const POLL: Duration = Duration::from_millis(1);
/// Lines of the log shown when something failed.
const SHOWN_LINES: usize = 30;

/// A data directory of its own, removed in the end unless it is worth a look.
#[derive(Debug)]
pub struct Installation {
    folder: PathBuf,
    binary: PathBuf,
    variables: Vec<(String, String)>,
    keep: bool,
}

impl Installation {
    /// An empty directory for a program. `name` tells apart what one process makes.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn create(binary: &Path, name: &str) -> Outcome<Self> {
        let folder = env::temp_dir().join(format!("connectus-{name}-{}", std::process::id()));
        fs::create_dir(&folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let variables = Vec::new();
        Ok(Self { folder, binary: binary.to_owned(), variables, keep: false })
    }

    /// Sets a variable for all its processes.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Leaves the directory where it is.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a command that answers in JSON.
    ///
    /// # Errors
    /// When it fails or answers something else.
    pub fn ask(&self, arguments: &[&str]) -> Outcome<Value> {
        let mut command = self.command();
        let said = command::output(command.args(arguments).arg("--json"))?;
        serde_json::from_str(&said).map_err(|_| format!("{arguments:?} answered no JSON: {said}"))
    }

    /// Starts the server on a free port.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start(&self) -> Outcome<Starting> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_file());
        let log = log.map_err(|error| format!("cannot write the log: {error}"))?;
        let since = Instant::now();
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(log);
        let mut process =
            command.spawn().map_err(|error| format!("cannot start the server: {error}"))?;
        let (send, address) = mpsc::channel();
        if let Some(output) = process.stdout.take() {
            thread::spawn(move || {
                // Read to the end: a full pipe would stop the server.
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Some(address) = address_in(&line) {
                        // Nobody waits any more for a second address.
                        let _late = send.send(address);
                    }
                }
            });
        }
        Ok(Starting { process: Process(process), address, since })
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn serve(&self) -> Outcome<Server> {
        self.start()?.ready().map_err(|reason| format!("{reason}\n{}", self.log_tail()))
    }

    /// All it logged, over all its processes.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The newest lines of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        // Settings of whoever runs this must not leak in, and neither must a `.env` file.
        command.env_clear().current_dir(&self.folder);
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("CONNECTUS_DATA_DIR", self.folder.join("data"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if !self.keep {
            let _best_effort = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A process that does not outlive its owner.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn kill(&mut self) {
        // It may have ended by itself; there is nothing left to do then.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server that was started a moment ago.
#[derive(Debug)]
pub struct Starting {
    process: Process,
    address: mpsc::Receiver<String>,
    since: Instant,
}

impl Starting {
    /// Waits until it is ready to work.
    ///
    /// # Errors
    /// When it ends, or is not ready in time.
    pub fn ready(self) -> Outcome<Server> {
        let Self { process, address, since } = self;
        let base_url = address
            .recv_timeout(START_TIMEOUT)
            .map_err(|_| "the server ended, or did not say where it listens".to_owned())?;
        let request =
            Request { method: "GET", target: "/health/ready".into(), ..Request::default() };
        loop {
            let answer = http::send(&base_url, &request);
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                break;
            }
            if since.elapsed() > START_TIMEOUT {
                return Err(format!("the server did not become ready: {answer:?}"));
            }
            thread::sleep(POLL);
        }
        Ok(Server { process, base_url, ready_after: since.elapsed() })
    }

    /// Kills it, wherever it is.
    pub fn kill(mut self) {
        self.process.kill();
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    process: Process,
    /// Its address, as `http://127.0.0.1:40123`.
    pub base_url: String,
    /// From the start of the process to the first "ready".
    pub ready_after: Duration,
}

impl Server {
    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Ends it as a power cut does: nothing is flushed, nobody is told.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it ends badly.
    pub fn stop(mut self) -> Outcome {
        command::output(Command::new("kill").args(["-TERM", &self.pid().to_string()]))?;
        let status = self.process.0.wait().map_err(|error| format!("lost the server: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }
}

/// The address a line of output names, if it does.
fn address_in(line: &str) -> Option<String> {
    let rest = line.split_once("http://127.0.0.1:")?.1;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("http://127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_in_what_the_server_says() {
        let line = "Connectus 0.1.0 is ready at http://127.0.0.1:8360";
        assert_eq!(address_in(line).as_deref(), Some("http://127.0.0.1:8360"));
        let link = "Set up: http://127.0.0.1:41/setup?t=1";
        assert_eq!(address_in(link).as_deref(), Some("http://127.0.0.1:41"));
        assert_eq!(address_in("note: nothing"), None);
        assert_eq!(address_in("http://127.0.0.1:"), None);
    }
}
