//! Starting, stopping, and the reasons not to start.

use std::{fs, time::Duration};

use crate::connectus::{Server, refusal, run, text};

#[test]
fn a_server_starts_with_nothing_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    let ready = server.get("/health/ready", "");
    let names: Vec<_> = ready["checks"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["process", "database", "engine", "disk"]);
    let link = server.read_until("/setup?token=");
    let path = format!("/setup{}", link.trim().split("/setup").nth(1).unwrap());
    assert_eq!(server.call("GET", &path, "", "").0, 200);
    let (status, took) = server.stop();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(!folder.path().join("data/connectus.db-wal").exists(), "the log was not written back");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let said = refusal(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    for part in ["connectus serve", "http://127.0.0.1:", "--data-dir"] {
        assert!(said.contains(part), "{said}");
    }
    // A server that was killed leaves no lock behind.
    server.kill();
    Server::start(folder.path(), &[]);
}

#[test]
fn a_database_that_was_not_closed_is_checked_and_found_whole() {
    let folder = tempfile::tempdir().unwrap();
    let checked = "action=database.check service=store status=success";
    let server = Server::start(folder.path(), &[]);
    assert!(!server.log().contains(checked), "{}", server.log());
    server.kill();
    let server = Server::start(folder.path(), &[]);
    assert!(server.log().contains(checked), "{}", server.log());
}

#[test]
fn a_wrong_key_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder.path(), &[]).stop();
    let key = folder.path().join("data/keys/master.key");
    let right = fs::read_to_string(&key).unwrap();
    fs::write(&key, "ab".repeat(32)).unwrap();
    let said = refusal(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("not the one that sealed") && said.contains("Restore"), "{said}");
    fs::remove_file(&key).unwrap();
    let said = refusal(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("gone") && said.contains("CONNECTUS_MASTER_KEY_FILE"), "{said}");
    assert!(!key.exists(), "a key was made in place of the lost one");
    fs::write(folder.path().join("elsewhere"), right).unwrap();
    let named = "keys.master_key_file=elsewhere";
    Server::start(folder.path(), &["--set", named]).stop();
}

#[test]
fn a_port_in_use_is_told_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refusal(folder.path(), &["serve", "--listen", &address]);
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn wrong_settings_are_told_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, "[server]\nlisten = \"everywhere\"\n").unwrap();
    let said = refusal(folder.path(), &["serve", "--config", "mine.toml"]);
    assert!(said.contains("mine.toml line 2") && said.contains("127.0.0.1:8360"), "{said}");
    let said = refusal(folder.path(), &["doctor", "--set", "log.level=loud=very"]);
    assert!(said.contains("--set log.level"), "{said}");
    fs::write(folder.path().join(".env"), "CONNECTUS_LISTEN=127.0.0.1:7\n").unwrap();
    let printed = text(&run(folder.path(), &["config", "print"]).stdout);
    assert!(printed.contains("listen = \"127.0.0.1:7\"  # CONNECTUS_LISTEN"), "{printed}");
}

#[test]
fn figures_can_have_an_address_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let address = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let set = format!("server.metrics_listen={address}");
    let server = Server::start(folder.path(), &["--set", &set]);
    assert_eq!(server.call("GET", "/metrics", "", "").0, 404);
    let (status, figures) = server.at(&address).call("GET", "/metrics", "", "");
    assert_eq!(status, 200);
    assert!(figures.contains("process_resident_memory_bytes"), "{figures}");
    assert_eq!(server.at(&address).call("GET", "/health", "", "").0, 404);
}
