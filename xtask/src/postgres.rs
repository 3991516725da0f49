//! A throw-away PostgreSQL for the tests: its own data folder, its own port, gone afterwards.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    command::{self, Outcome},
    setup,
};

/// The variable through which tests learn where the cluster is.
pub const URL_VARIABLE: &str = "CONNECTUS_TEST_POSTGRES_URL";

/// How long the server may take to accept connections.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Starts the server and waits for the end of *our* standard input, which comes however the
/// parent ends: done, failed, interrupted or killed. Then it stops the server and leaves nothing.
const KEEPER: &str = r#"
"$1/postgres" -D "$2/data" -k "" -h 127.0.0.1 -p "$3" >"$2/log" 2>&1 &
server=$!
read -r _
kill -QUIT "$server" 2>/dev/null
wait "$server"
cd / && rm -rf "$2"
"#;

/// Settings of the cluster. Writes reach the disk as in production (`fsync` stays on).
const SETTINGS: &str = "
max_connections = 300
shared_buffers = 64MB
max_wal_size = 256MB
logging_collector = off
log_min_messages = warning
jit = off
";

/// A running cluster; it ends with this value.
pub struct Cluster {
    keeper: Child,
    /// Closing it is the order to stop.
    lifeline: Option<ChildStdin>,
    folder: PathBuf,
    port: u16,
}

impl Cluster {
    /// Creates and starts a cluster on a free loopback port.
    pub fn start() -> Outcome<Self> {
        let binaries = find_or_install()?;
        let owner = Owner::find()?;
        let folder = scratch_folder(owner.as_ref())?;
        let initdb = prepare(&binaries, &folder, owner.as_ref());
        if let Err(reason) = initdb {
            let _best_effort = fs::remove_dir_all(&folder);
            return Err(reason);
        }
        let port = free_port()?;
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEPER, "postgres-keeper"]).arg(&binaries).arg(&folder);
        keeper.arg(port.to_string()).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null());
        // Ctrl-C goes to the whole process group: in its own, the keeper ends in its own order.
        keeper.process_group(0);
        become_owner(&mut keeper, owner.as_ref());
        let mut keeper = keeper.spawn().map_err(|error| format!("cannot start sh: {error}"))?;
        let lifeline = keeper.stdin.take();
        let cluster = Self { keeper, lifeline, folder, port };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// Where tests connect. They create their own databases beside `postgres`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn wait_until_ready(&self) -> Outcome {
        let deadline = Instant::now() + START_LIMIT;
        let pid_file = self.folder.join("data/postmaster.pid");
        while Instant::now() < deadline {
            // The server writes "ready" on the eighth line when it accepts queries.
            let is_ready = fs::read_to_string(&pid_file)
                .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"));
            if is_ready && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            if self.log().contains("FATAL") {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(format!("PostgreSQL did not start within {START_LIMIT:?}. Its log:\n{}", self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if !matches!(self.keeper.try_wait(), Ok(None)) {
                // The server's account may not remove the folder from a private `TMPDIR`.
                let _gone_already_is_fine = fs::remove_dir_all(&self.folder);
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        eprintln!("PostgreSQL in {} did not stop; end it by hand", self.folder.display());
    }
}

/// Runs one command with the cluster's address in its environment.
pub fn run_with(words: &[String]) -> Outcome {
    let [program, arguments @ ..] = words else {
        return Err("name the command to run: cargo xtask with-postgres COMMAND".into());
    };
    let cluster = Cluster::start()?;
    eprintln!("{URL_VARIABLE}={}", cluster.url());
    command::run(Command::new(program).args(arguments).env(URL_VARIABLE, cluster.url()))
}

/// The folder with `postgres` and `initdb`, installing them when there are none.
pub fn find_or_install() -> Outcome<PathBuf> {
    if let Some(folder) = find() {
        return Ok(folder);
    }
    install()?;
    find().ok_or_else(|| "PostgreSQL was installed, but its `initdb` is nowhere to be seen".into())
}

/// Debian keeps the server outside `PATH`, one folder per version: the newest wins.
fn find() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let on_path = command::which("initdb").and_then(|file| file.parent().map(Path::to_path_buf));
    let candidates = versions.into_iter().rev().map(|(_, folder)| folder).chain(on_path);
    candidates
        .filter(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file())
        .find(|folder| command::output(Command::new(folder.join("postgres")).arg("-V")).is_ok())
}

/// Installs the server's programs only: Debian's package would also start a server of its own on
/// the standard port, which nobody asked for.
fn install() -> Outcome {
    let packages = ["postgresql"];
    let switch = Path::new("/etc/postgresql-common/createcluster.d/connectus-setup.conf");
    let written = setup::is_root()
        && switch.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok())
        && fs::write(switch, "create_main_cluster = false\n").is_ok();
    let done = setup::install(&packages, "PostgreSQL (the tests run on it too)");
    if written {
        let _best_effort = fs::remove_file(switch);
    }
    done
}

/// The unprivileged account a root process hands the server to: it refuses to run as root.
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// None when this process is not root and simply runs the server itself.
    fn find() -> Outcome<Option<Self>> {
        if !setup::is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::parse(&accounts, name))
            .map(Some)
            .ok_or_else(|| {
                "PostgreSQL needs an unprivileged account: add one named postgres".into()
            })
    }

    fn parse(accounts: &str, name: &str) -> Option<Self> {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2);
        let uid = numbers.next()?.parse().ok()?;
        let gid = numbers.next()?.parse().ok()?;
        Some(Self { uid, gid })
    }
}

fn become_owner(command: &mut Command, owner: Option<&Owner>) {
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
}

fn scratch_folder(owner: Option<&Owner>) -> Outcome<PathBuf> {
    sweep_leftovers();
    let folder = env::temp_dir().join(format!("connectus-postgres-{}", std::process::id()));
    let made = fs::create_dir(&folder).and_then(|()| match owner {
        Some(owner) => chown(&folder, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    });
    made.map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// Removes what a machine that lost power left behind: folders whose maker no longer runs.
fn sweep_leftovers() {
    let Ok(mine) = fs::metadata("/proc/self").map(|process| process.uid()) else { return };
    for entry in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix("connectus-postgres-"));
        let Some(maker) = maker.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        let owned = entry.metadata().is_ok_and(|meta| mine == 0 || meta.uid() == mine);
        let server_runs = server_runs_in(&entry.path());
        if owned && !server_runs && !Path::new("/proc").join(maker.to_string()).exists() {
            let _best_effort = fs::remove_dir_all(entry.path());
        }
    }
}

fn server_runs_in(folder: &Path) -> bool {
    let Ok(file) = fs::File::open(folder.join("data/postmaster.pid")) else { return false };
    let first = BufReader::new(file).lines().next();
    first.and_then(Result::ok).is_some_and(|pid| Path::new("/proc").join(pid.trim()).exists())
}

fn prepare(binaries: &Path, folder: &Path, owner: Option<&Owner>) -> Outcome {
    let mut initdb = Command::new(binaries.join("initdb"));
    initdb.arg("-D").arg(folder.join("data")).current_dir("/");
    // Loopback only and short-lived: `trust` spares every test a password.
    initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    become_owner(&mut initdb, owner);
    command::output(&mut initdb)?;
    let file = folder.join("data/postgresql.conf");
    let add = fs::read_to_string(&file).and_then(|old| fs::write(&file, old + SETTINGS));
    add.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|at| at.port()).map_err(|error| format!("no free loopback port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_account_the_server_runs_as() {
        let accounts = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104:admin:/var/lib:/bin/sh\n";
        let owner = Owner::parse(accounts, "postgres").unwrap();
        assert_eq!((owner.uid, owner.gid), (101, 104));
        assert!(Owner::parse(accounts, "post").is_none());
    }
}
