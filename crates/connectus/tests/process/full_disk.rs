//! The disk runs full under a server: callers are told, nothing is lost, and it goes on by itself.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::connectus::{Server, json};

/// A file system with little room; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount one.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&at);
        mount.output().is_ok_and(|done| done.status.success()).then_some(Self(at))
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).unwrap();
        while file.write_all(&[0; 64 * 1024]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn put(server: &Server, key: &str, record: &str, body: &str) -> (u16, Value) {
    let path = format!("/api/v1/collections/digisol_crm/contacts/records/{record}");
    let (status, said) = server.call("PUT", &path, key, body);
    (status, serde_json::from_str(&said).unwrap())
}

#[test]
fn a_full_disk_is_told_loses_nothing_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path().join("data")) else {
        eprintln!("SKIPPED: only root can mount a small disk to fill");
        return;
    };
    let root: &Path = folder.path();
    json(root, &["tenant", "create", "Acme", "--json"]);
    let key = json(root, &["token", "create", "--tenant", "Acme", "--role", "owner", "--json"]);
    let key = key["token"].as_str().unwrap();
    let server = Server::start(root, &[]);
    assert_eq!(put(&server, key, "before", r#"{"n": 1}"#).0, 201);
    let filler = disk.fill();
    // Larger than what the files have left in their last pages.
    let large = format!(r#"{{"text": "{}"}}"#, "x".repeat(100_000));
    let (status, said) = put(&server, key, "during", &large);
    assert_eq!((status, &said["code"]), (507, &"storage_full".into()), "{said}");
    assert!(said["detail"].as_str().unwrap().contains("Free some space"), "{said}");
    assert_eq!(server.call("GET", "/health/ready", "", "").0, 503);
    let kept = "/api/v1/collections/digisol_crm/contacts/records";
    assert_eq!(server.get(kept, key)["total_count"], 1, "reading goes on");
    fs::remove_file(filler).unwrap();
    assert_eq!(put(&server, key, "after", r#"{"n": 2}"#).0, 201, "it goes on by itself");
    assert_eq!(server.get(kept, key)["total_count"], 2);
    let (status, _) = server.stop();
    assert!(status.success(), "{status}");
    Server::start(root, &[]).stop();
}
