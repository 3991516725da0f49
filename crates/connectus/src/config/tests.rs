use secrecy::ExposeSecret;

use super::*;

/// All digits: it must stay a text.
const SERVICE_SECRET: &str = "01234567890123456789012345678901";

/// What one test says in each of the places.
#[derive(Default)]
struct Said<'s> {
    file: &'s str,
    variables: &'s [(&'s str, &'s str)],
    flags: &'s [(&'s str, &'s str)],
}

fn load(said: &Said<'_>) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data").join(FILE_NAME), said.file).unwrap();
    let pair = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    let flag = |(path, text): &(&str, &str)| {
        ((*path).to_owned(), (*text).to_owned(), format!("--set {path}"))
    };
    Config::load(&Sources {
        flags: Flags { file: None, settings: said.flags.iter().map(flag).collect() },
        variables: said.variables.iter().map(pair).collect(),
        folder: folder.path().to_path_buf(),
    })
}

#[test]
fn nothing_said_is_a_complete_configuration() {
    let config = load(&Said::default()).unwrap();
    assert_eq!(config.settings.server.listen.to_string(), "127.0.0.1:8360");
    assert_eq!(config.settings.server.roles.len(), 3);
    assert!(config.settings.data.database_url.is_none());
    assert!(config.settings.keys.master_key.is_none());
    assert!(!config.settings.egress.allow_insecure_http);
    assert!(config.remarks.is_empty());
    assert!(!config.is_set("server.listen"));
}

#[test]
fn what_is_said_later_wins() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\n[log]\nlevel = \"warn\"\n";
    let variable: &[_] = &[("CONNECTUS_LISTEN", "127.0.0.1:2")];
    let full: &[_] =
        &[("CONNECTUS_LISTEN", "127.0.0.1:2"), ("CONNECTUS_SERVER_LISTEN", "127.0.0.1:3")];
    let flag: &[_] = &[("server.listen", "127.0.0.1:4")];
    for (said, listen) in [
        (Said::default(), 8360),
        (Said { file, ..Said::default() }, 1),
        (Said { variables: variable, ..Said::default() }, 2),
        (Said { file, variables: variable, ..Said::default() }, 2),
        (Said { file, variables: full, ..Said::default() }, 3),
        (Said { file, variables: full, flags: flag }, 4),
    ] {
        let config = load(&said).unwrap();
        assert_eq!(config.settings.server.listen.port(), listen);
        // A layer says only what it says.
        let level = if said.file.is_empty() { "info" } else { "warn" };
        assert_eq!(config.settings.log.level, level);
        assert_eq!(config.is_set("server.listen"), listen != 8360);
    }
}

#[test]
fn names_of_existing_environments_work() {
    let config = load(&Said {
        variables: &[
            ("DATABASE_URL", "postgres://u:pw@h/db"),
            ("DC360_WEBHOOK", "https://old.example.org/"),
            ("DC360_WEBHOOK_URL", "https://new.example.org/"),
            ("DIGITALCLOUD360_SERVICE_SECRET", SERVICE_SECRET),
            ("EVENT_LOG_LEVEL", "INFO"),
            ("GENESIS_TIMEOUT_STATUS", "500"),
        ],
        ..Said::default()
    })
    .unwrap();
    let settings = &config.settings;
    let exposed = |secret: &Option<secrecy::SecretString>| {
        secret.as_ref().map(|secret| secret.expose_secret().to_owned())
    };
    assert_eq!(exposed(&settings.data.database_url).unwrap(), "postgres://u:pw@h/db");
    assert_eq!(exposed(&settings.auth.service_secret).unwrap(), SERVICE_SECRET);
    let webhook = exposed(&settings.digitalcloud360.webhook_url).unwrap();
    assert_eq!(webhook, "https://new.example.org/");
    assert_eq!(settings.events.log_level, Some(tracing::Level::INFO));
    assert_eq!(settings.briefs.timeout_status, 500);
}

#[test]
fn complaints_say_where_and_what_is_right() {
    for (said, expected) in [
        (
            Said { file: "\n[server]\nlisten = \"8360\"\n", ..Said::default() },
            [&format!("{FILE_NAME} line 3"), "`server.listen`", "127.0.0.1:8360"],
        ),
        (
            Said { variables: &[("CONNECTUS_LISTEN", "here")], ..Said::default() },
            ["CONNECTUS_LISTEN", "`server.listen`", "an address and a port"],
        ),
        (
            Said { flags: &[("queues.concurrency", "export")], ..Said::default() },
            ["--set queues.concurrency", "`queues.concurrency`", "workflow=128"],
        ),
        (
            Said { variables: &[("DATABASE_URL", "mysql://x")], ..Said::default() },
            ["DATABASE_URL", "SQLite", "postgres://user@host/name"],
        ),
        (
            Said { variables: &[("CONNECTUS_AUTH_JWT_SECRET", "short")], ..Said::default() },
            ["CONNECTUS_AUTH_JWT_SECRET", "`auth.jwt_secret`", "at least 32 characters"],
        ),
        (
            Said { variables: &[("CONNECTUS_EGRESS_ALLOW", "10.0.0.0/8,what")], ..Said::default() },
            ["CONNECTUS_EGRESS_ALLOW", "10.1.0.0/16", "`what`"],
        ),
        (
            Said { file: "[log]\nformat = \"xml\"\n", ..Said::default() },
            [&format!("{FILE_NAME} line 2"), "`log.format`", "text"],
        ),
        (
            Said { flags: &[("server.listn", "x")], ..Said::default() },
            ["--set server.listn", "must be a setting", "[server] has"],
        ),
        (
            Said { file: "[data]\ndir = \"elsewhere\"\n", ..Said::default() },
            [&format!("{FILE_NAME} line 2"), "`data.dir` cannot be set", "--data-dir"],
        ),
    ] {
        let error = load(&said).unwrap_err();
        assert_eq!(error.code, Code::Invalid);
        for part in expected {
            assert!(error.detail.contains(part), "{part:?} in {}", error.detail);
        }
    }
}

#[test]
fn a_file_named_on_the_command_line_is_the_only_one_and_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("mine.toml");
    std::fs::write(&named, "[data]\ndir = \"elsewhere\"\n").unwrap();
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    std::fs::write(folder.path().join("elsewhere").join(FILE_NAME), "not read").unwrap();
    let mut sources = Sources {
        flags: Flags { file: Some(named), settings: Vec::new() },
        folder: folder.path().to_path_buf(),
        ..Sources::default()
    };
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.data_dir, folder.path().join("elsewhere"));
    sources.flags.file = Some(folder.path().join("none.toml"));
    assert!(Config::load(&sources).unwrap_err().detail.contains("none.toml"));
}

#[test]
fn an_environment_has_settings_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let write = |name: &str, text: &str| std::fs::write(data.join(name), text).unwrap();
    write(FILE_NAME, "[server]\nlisten = \"127.0.0.1:1\"\ndrain_secs = 1\n");
    write("connectus.staging.toml", "[server]\nlisten = \"127.0.0.1:2\"\n");
    let load = |name: &str| {
        let variables = [("CONNECTUS_ENVIRONMENT".to_owned(), name.to_owned())].into();
        Config::load(&Sources { variables, folder: folder.path().into(), ..Sources::default() })
    };
    let staging = load("staging").unwrap();
    assert_eq!(staging.settings.server.listen.port(), 2);
    assert_eq!(staging.settings.server.drain_secs, 1);
    assert_eq!(load("").unwrap().settings.server.listen.port(), 1);
    assert!(load("production").unwrap_err().detail.contains("connectus.production.toml"));
    assert!(load("../x").unwrap_err().detail.contains("must be a word"));
}

#[test]
fn the_data_directory_falls_back_to_the_users_own() {
    let folder = tempfile::tempdir().unwrap();
    let load = |home: &str, here: &Path| {
        let variables = Variables::from([("XDG_DATA_HOME".to_owned(), home.to_owned())]);
        let sources = Sources { variables, folder: here.to_path_buf(), ..Sources::default() };
        Config::load(&sources).unwrap().data_dir
    };
    assert_eq!(load("/home/x/share", folder.path()), folder.path().join("data"));
    let nowhere = folder.path().join("gone");
    assert_eq!(load("/home/x/share", &nowhere), Path::new("/home/x/share/connectus"));
}

#[test]
fn the_print_can_be_read_again_and_holds_no_secret() {
    // A canary in every setting that takes any text.
    let canary = "c4nary-0123456789-0123456789-0123456789";
    let mut flags = Vec::new();
    for (path, default) in manual::settings() {
        let url = format!("postgres://user:{canary}@h/db?password={canary}");
        let web = format!("https://h/hook?token={canary}");
        let takes_canary = default.as_str() == Some("")
            && !path.starts_with("server.")
            && !matches!(
                path.as_str(),
                "data.dir"
                    | "data.blobs"
                    | "keys.master_key_file"
                    | "auth.jwt_issuer"
                    | "smtp.from"
            );
        let text = match path.as_str() {
            _ if !takes_canary => continue,
            "data.database_url" | "smtp.url" | "redis.url" | "celery.broker_url" => url,
            "digitalcloud360.api_url" | "digitalcloud360.webhook_url" => web,
            _ => canary.to_owned(),
        };
        flags.push((path.clone(), text));
    }
    assert!(flags.len() > 10);
    let flags: Vec<_> = flags.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let config = load(&Said { flags: &flags, ..Said::default() }).unwrap();
    let text = config.print();
    assert!(!text.contains("c4nary"), "{text}");
    assert!(text.contains("master_key = \"[redacted]\"  # --set keys.master_key"), "{text}");
    assert!(text.contains("user:redacted@h/db"), "{text}");
    let again = toml::from_str::<toml::Table>(&text).unwrap();
    assert_eq!(manual::leaves(&again).len(), manual::settings().len());
    assert!(!format!("{config:?}").contains("c4nary"), "Debug shows a secret");
}
