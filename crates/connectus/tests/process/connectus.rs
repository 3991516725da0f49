//! The binary as a child process, and a client small enough to need no library.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Longest a process may take for anything; a test that waits longer fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// `connectus` on a data directory, without the environment of whoever runs the tests.
pub fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_connectus"));
    command.args(words).arg("--data-dir").arg(dir.join("data")).current_dir(dir);
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(dir: &Path, words: &[&str]) -> Output {
    command(dir, words).output().unwrap()
}

/// Runs a command that must succeed and answers in JSON.
#[track_caller]
pub fn json(dir: &Path, words: &[&str]) -> Value {
    let output = run(dir, words);
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that must fail and returns what it says.
#[track_caller]
pub fn refusal(dir: &Path, words: &[&str]) -> String {
    let output = run(dir, words);
    assert!(!output.status.success(), "{words:?} succeeded: {}", text(&output.stdout));
    text(&output.stderr)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where a server listens.
pub struct Address(String);

impl Address {
    /// Sends a request and reads the answer: status and body.
    pub fn call(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.0).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let authorization = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{authorization}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.0,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (
            status,
            if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.into() },
        )
    }
}

/// A running server. It is killed when dropped, however the test ends.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    log: PathBuf,
    address: String,
    /// What it has printed so far.
    pub printed: String,
}

impl Server {
    /// Starts a server on a free port and waits until it says that it is ready.
    pub fn start(dir: &Path, words: &[&str]) -> Self {
        Self::start_as(dir, &[&["serve", "--listen", "127.0.0.1:0"], words].concat())
    }

    /// Starts a process that is a server by these words.
    pub fn start_as(dir: &Path, words: &[&str]) -> Self {
        let mut command = command(dir, words);
        let log = dir.join(format!("log-{}", words.first().unwrap_or(&"")));
        let stderr = std::fs::File::create(&log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, out, log, address: String::new(), printed: String::new() };
        let ready = server.read_until("is ready at http://");
        server.address = ready.rsplit("http://").next().unwrap().trim().to_owned();
        server
    }

    /// Reads lines up to the one that holds a text.
    #[track_caller]
    pub fn read_until(&mut self, wanted: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).unwrap();
            assert!(read > 0, "ended without {wanted:?}; printed: {}", self.printed);
            self.printed.push_str(&line);
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// What it has logged so far, one line an event.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Another address of the same server.
    pub fn at(&self, address: &str) -> Address {
        Address(address.to_owned())
    }

    /// Sends a request and reads the answer: status and body.
    pub fn call(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        self.at(&self.address).call(method, path, token, body)
    }

    /// Reads JSON, which must be there.
    #[track_caller]
    pub fn get(&self, path: &str, token: &str) -> Value {
        let (status, body) = self.call("GET", path, token, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Asks again until the answer is as wanted: what the engine does takes its time.
    #[track_caller]
    pub fn until(&self, path: &str, token: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.get(path, token);
            if wanted(&answer) {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "{path} stays at {answer}");
            std::thread::yield_now();
        }
    }

    /// Tells the server to stop, as a supervisor does, and waits for its end.
    pub fn stop(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        (self.child.wait().unwrap(), began.elapsed())
    }

    /// Kills the server without a warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    whole
}
