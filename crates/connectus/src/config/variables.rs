//! Settings in the environment: `CONNECTUS_` names for all of them, and the names people already
//! have.

use std::{collections::BTreeMap, path::Path};

use connectus_core::{Code, Error, Result};
use toml::Value;

use super::{entry::Entry, manual};

/// What every name of ours begins with.
const PREFIX: &str = "CONNECTUS_";

/// Other names of settings, in the order in which they yield: a later one wins, and the full name
/// (`CONNECTUS_SERVER_LISTEN`) wins over all.
const ALIASES: &[(&str, &str)] = &[
    ("CONNECTUS_LISTEN", "server.listen"),
    ("CONNECTUS_PUBLIC_URL", "server.public_url"),
    ("DATABASE_URL", "data.database_url"),
    ("CONNECTUS_MASTER_KEY", "keys.master_key"),
    ("CONNECTUS_MASTER_KEY_FILE", "keys.master_key_file"),
    ("ENABLE_EVENT_BUS", "events.enabled"),
    ("EVENT_LOG_LEVEL", "events.log_level"),
    ("DIGITALCLOUD360_SERVICE_SECRET", "auth.service_secret"),
    ("ALLOW_INSECURE_HTTP", "egress.allow_insecure_http"),
    ("SMTP_URL", "smtp.url"),
    ("SMTP_FROM", "smtp.from"),
    ("REDIS_URL", "redis.url"),
    ("CELERY_BROKER_URL", "celery.broker_url"),
    ("CELERY_RESULT_BACKEND", "celery.result_backend"),
    ("MAX_CONCURRENT_GENERATIONS", "queues.max_concurrent_generations"),
    ("GENERATION_TIMEOUT", "queues.generation_timeout"),
    ("OPENAI_API_KEY", "ai.openai_api_key"),
    ("DEEPSEEK_API_KEY", "ai.deepseek_api_key"),
    ("KIMI_API_KEY", "ai.kimi_api_key"),
    ("TAVILY_API_KEY", "ai.tavily_api_key"),
    ("LOGOAI_API_KEY", "ai.logoai_api_key"),
    ("DIGITALCLOUD360_API_URL", "digitalcloud360.api_url"),
    ("DC360_WEBHOOK", "digitalcloud360.webhook_url"),
    ("DC360_WEBHOOK_URL", "digitalcloud360.webhook_url"),
    ("PLAN_DEFAULT", "briefs.plan_default"),
    ("GENESIS_TIMEOUT_STATUS", "briefs.timeout_status"),
    ("BRIEF_RETENTION_DAYS", "briefs.retention_days"),
    ("LOGO_CDN_BASE", "briefs.logo_cdn_base"),
    ("RETAIN_PROVIDER_RAW", "briefs.retain_provider_raw"),
];

/// Names the environment, whose settings file is read over the ordinary one.
pub const ENVIRONMENT: &str = "CONNECTUS_ENVIRONMENT";
/// Variables that are no settings: the one above, and those of the developer's tools.
const NOT_SETTINGS: &[&str] = &[ENVIRONMENT, "CONNECTUS_TEST_", "CONNECTUS_SPECS"];

/// Variables by name. `.env` comes first, so the environment wins.
pub type Variables = BTreeMap<String, String>;

/// The environment of this process over the `.env` file of a folder.
///
/// # Errors
/// `invalid` naming the line of `.env` that cannot be read.
pub fn of_process(folder: &Path) -> Result<Variables> {
    let mut variables = dot_env(&folder.join(".env"))?;
    // Names and values that are not text cannot be settings.
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    variables.extend(std::env::vars_os().filter_map(text));
    Ok(variables)
}

fn dot_env(path: &Path) -> Result<Variables> {
    if !path.is_file() {
        return Ok(Variables::new());
    }
    let unreadable = |error: dotenvy::Error| {
        let reason = match error {
            dotenvy::Error::LineParse(line, _) => {
                // The line may hold a secret: only its name is repeated.
                let name = line.split('=').next().unwrap_or_default().trim();
                format!("the line of `{name}` is not NAME=value")
            }
            other => other.to_string(),
        };
        Error::new(Code::Invalid, format!("{} cannot be read: {reason}.", path.display()))
    };
    let lines = dotenvy::from_path_iter(path).map_err(unreadable)?;
    lines.map(|line| line.map_err(unreadable)).collect()
}

/// The settings among variables. Empty variables say nothing, as most shells mean it.
///
/// # Errors
/// `invalid` naming the variable and what would be right.
pub fn entries(variables: &Variables) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for (name, path) in ALIASES {
        found.extend(entry(variables, name, path)?);
    }
    for path in manual::settings().keys() {
        found.extend(entry(variables, &full_name(path), path)?);
    }
    Ok(found)
}

/// Variables that look like settings and are none: most likely misspelt.
pub fn unknown(variables: &Variables) -> Vec<&str> {
    let known = |name: &str| {
        ALIASES.iter().any(|(alias, _)| *alias == name)
            || manual::settings().keys().any(|path| full_name(path) == name)
            || NOT_SETTINGS.iter().any(|start| name.starts_with(start))
    };
    let ours = variables.keys().map(String::as_str).filter(|name| name.starts_with(PREFIX));
    ours.filter(|name| !known(name)).collect()
}

fn full_name(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

fn entry(variables: &Variables, name: &str, path: &str) -> Result<Option<Entry>> {
    let Some(text) = variables.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let value = value(path, text).map_err(|reason| {
        Error::new(Code::Invalid, format!("The variable {name} must be {reason}."))
    })?;
    Ok(Some(Entry { path: path.to_owned(), value, origin: name.to_owned() }))
}

/// A text as the type that the setting has; what would be right otherwise.
///
/// # Errors
/// In words, to put after "must be".
pub fn value(path: &str, text: &str) -> Result<Value, String> {
    let Some(default) = manual::settings().get(path) else {
        return Err(format!("a setting: {}", manual::instead_of(path)));
    };
    let text = text.trim();
    match default {
        Value::Boolean(_) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
            _ => Err("true or false".to_owned()),
        },
        Value::Integer(_) => {
            text.parse().map(Value::Integer).map_err(|_| "a whole number".to_owned())
        }
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(Value::from).collect()))
        }
        _ => Ok(Value::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn aliases_name_settings_that_exist_and_stand_in_the_manual() {
        for (name, path) in ALIASES {
            assert!(manual::settings().contains_key(*path), "{name} -> {path}");
            assert!(manual::TEXT.contains(name), "{name} is not in the manual");
        }
    }

    #[test]
    fn the_guide_has_every_setting_with_its_default_and_all_its_names() {
        const GUIDE: &str = include_str!("../../../../docs/guides/configuration.md");
        for (path, default) in manual::settings() {
            let start = format!("| `{path}` |");
            let row = GUIDE.lines().find(|line| line.starts_with(&start));
            let row = row.unwrap_or_else(|| panic!("{path} is not in the guide"));
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let others = ALIASES.iter().filter(|(_, of)| of == path).map(|(name, _)| *name);
            let mut names: Vec<String> =
                others.map(str::to_owned).chain([full_name(path)]).collect();
            // Of one that has two names, the one that wins comes first.
            names.reverse();
            names.dedup();
            assert_eq!(cells[2], code(&names), "{path}");
            let shown = match default {
                Value::Array(items) => code(&items.iter().map(text_of).collect::<Vec<_>>()),
                value if text_of(value).is_empty() => String::new(),
                value => code(&[text_of(value)]),
            };
            assert_eq!(cells[3], shown, "{path}");
        }
        for name in [ENVIRONMENT, "XDG_DATA_HOME"] {
            assert!(GUIDE.contains(name), "{name}");
        }
        let rows = GUIDE.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, manual::settings().len(), "a row of a setting that there is not");
    }

    fn code(words: &[String]) -> String {
        words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    }

    fn text_of(value: &Value) -> String {
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    #[test]
    fn every_setting_has_one_full_name() {
        let mut names: Vec<_> = manual::settings().keys().map(|path| full_name(path)).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn values_take_the_type_of_their_setting() {
        for (name, text, expected) in [
            ("CONNECTUS_SERVER_LISTEN", "0.0.0.0:1", Value::from("0.0.0.0:1")),
            // A secret of digits stays a text.
            ("CONNECTUS_AUTH_SERVICE_SECRET", "12345", Value::from("12345")),
            ("ENABLE_EVENT_BUS", "no", Value::from(false)),
            ("GENERATION_TIMEOUT", " 60 ", Value::from(60)),
            ("CONNECTUS_EGRESS_ALLOW", "a:1, b:2,", Value::from(vec!["a:1", "b:2"])),
        ] {
            let found = entries(&of(&[(name, text)])).unwrap();
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(found[0].value, expected, "{name}");
            assert_eq!(found[0].origin, name);
        }
        assert!(entries(&of(&[("REDIS_URL", "")])).unwrap().is_empty());
    }

    #[test]
    fn a_wrong_value_names_the_variable_and_not_the_value() {
        let error = entries(&of(&[("GENERATION_TIMEOUT", "s3cret")])).unwrap_err();
        assert!(error.detail.contains("GENERATION_TIMEOUT must be a whole number"));
        assert!(!error.detail.contains("s3cret"));
    }

    #[test]
    fn misspelt_variables_are_told() {
        let variables = of(&[
            ("CONNECTUS_SERVER_LISTN", "x"),
            ("CONNECTUS_LISTEN", "x"),
            ("CONNECTUS_TEST_POSTGRES_URL", "x"),
            ("PATH", "x"),
        ]);
        assert_eq!(unknown(&variables), ["CONNECTUS_SERVER_LISTN"]);
    }

    #[test]
    fn a_broken_dot_env_is_told_without_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), "A=1\nSECRET=\"s3cret\n").unwrap();
        let error = dot_env(&folder.path().join(".env")).unwrap_err();
        assert!(error.detail.contains("`SECRET`"), "{}", error.detail);
        assert!(!error.detail.contains("s3cret"), "{}", error.detail);
        std::fs::write(folder.path().join(".env"), "# x\nA=1\nexport B='two'\n").unwrap();
        let read = dot_env(&folder.path().join(".env")).unwrap();
        assert_eq!(read, of(&[("A", "1"), ("B", "two")]));
    }
}
