//! Prism, the judge nobody here wrote: installed at an exact version, started as a proxy.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    command::{self, Outcome, cache},
    http::{self, Answer, Request},
    node,
};

const PACKAGE: &str = "@stoplight/prism-cli";
const VERSION: &str = "5.14.2";
/// Loading a specification takes a second, and forty on a machine that is busy otherwise.
const START_TIMEOUT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(100);

fn folder() -> PathBuf {
    cache().join("npm-contract")
}

/// Installs Prism into the cache folder unless that version is there.
pub fn install(node: &Path) -> Outcome {
    if installed_version().as_deref() == Some(VERSION) {
        return Ok(());
    }
    println!("Installing {PACKAGE} {VERSION}");
    fs::create_dir_all(folder()).map_err(|error| format!("cannot create .cache: {error}"))?;
    let beside = node.with_file_name("npm");
    let mut npm = Command::new(if beside.exists() { beside } else { "npm".into() });
    npm.args(["install", "--no-audit", "--no-fund", "--package-lock=false", "--save-exact"])
        // Packages have no business running programs of theirs at installation.
        .arg("--ignore-scripts")
        .arg("--prefix")
        .arg(folder())
        .arg(format!("{PACKAGE}@{VERSION}"))
        .current_dir(folder());
    node::lend(node, &mut npm);
    command::output(&mut npm).map(drop)
}

fn installed_version() -> Option<String> {
    let manifest = folder().join("node_modules").join(PACKAGE).join("package.json");
    let manifest: Value = serde_json::from_str(&fs::read_to_string(manifest).ok()?).ok()?;
    manifest.get("version")?.as_str().map(str::to_owned)
}

/// One Prism in front of one fake, stopped when dropped.
pub struct Judge {
    process: Child,
    base_url: String,
    log: PathBuf,
}

impl Judge {
    /// Starts it; [`Judge::wait`] says when it is ready, so that several can start at once.
    pub fn start(node: &Path, spec: &Path, upstream: &str) -> Outcome<Self> {
        let port = free_port()?;
        let log = spec.with_extension("log");
        let failed = |error| format!("cannot start Prism: {error}");
        let output = fs::File::create(&log).map_err(failed)?;
        let process = Command::new(node)
            .arg(folder().join("node_modules/.bin/prism"))
            .arg("proxy")
            .arg(spec)
            .arg(upstream)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stderr(output.try_clone().map_err(failed)?)
            .stdout(output)
            .spawn()
            .map_err(failed)?;
        Ok(Self { process, base_url: format!("http://127.0.0.1:{port}"), log })
    }

    /// Waits until it answers.
    pub fn wait(&self) -> Outcome {
        let begun = Instant::now();
        let host = self.base_url.trim_start_matches("http://");
        while TcpStream::connect(host).is_err() {
            if begun.elapsed() > START_TIMEOUT {
                return Err(format!("Prism did not start; see {}", self.log.display()));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Sends a request through it.
    pub fn send(&self, request: &Request) -> Outcome<Answer> {
        http::send(&self.base_url, request)
            .map_err(|reason| format!("{reason}; see {}", self.log.display()))
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do then.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let addr = listener.and_then(|listener| listener.local_addr());
    addr.map(|addr| addr.port()).map_err(|error| format!("no free port: {error}"))
}
