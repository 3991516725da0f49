//! A settings file, read so that every complaint names its line.

use std::path::Path;

use connectus_core::{Code, Error, Result};
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{entry::Entry, manual};

/// Reads a settings file. None when there is no such file.
///
/// # Errors
/// `invalid` naming file, line and what would be right.
pub fn read(path: &Path) -> Result<Option<Vec<Entry>>> {
    let name = path.display();
    match std::fs::read_to_string(path) {
        Ok(text) => entries(&name.to_string(), &text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(invalid(format!("{name} cannot be read: {error}."))),
    }
}

/// The settings in the text of a file called `name`.
///
/// # Errors
/// `invalid` naming file, line and what would be right.
pub fn entries(name: &str, text: &str) -> Result<Vec<Entry>> {
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(1, |span| line_of(text, span.start));
        invalid(format!("{name} line {at} is not TOML: {}.", error.message()))
    })?;
    let table: Table = toml::from_str(text)
        .map_err(|error| invalid(format!("{name} is not TOML: {}.", error.message())))?;
    let mut places = Vec::new();
    collect(document.get_ref(), "", &mut places);
    let mut found = Vec::new();
    for (path, start) in places {
        let origin = format!("{name} line {}", line_of(text, start));
        let Some(value) = lookup(&table, &path) else { continue };
        check(&path, value).map_err(|reason| invalid(format!("{origin}: {reason}.")))?;
        found.push(Entry { path, value: value.clone(), origin });
    }
    Ok(found)
}

/// Whether a setting exists and is of the right type; the complaint otherwise.
fn check(path: &str, value: &Value) -> Result<(), String> {
    let Some(default) = manual::settings().get(path) else {
        return Err(format!("there is no setting `{path}`; {}", manual::instead_of(path)));
    };
    let fits = default.same_type(value)
        && value.as_array().is_none_or(|items| items.iter().all(Value::is_str));
    if fits {
        return Ok(());
    }
    Err(format!("`{path}` must be {}, not {value}", manual::kind(default)))
}

/// The paths of all leaves with the byte at which their key stands.
fn collect(table: &DeTable<'_>, prefix: &str, found: &mut Vec<(String, usize)>) {
    for (key, value) in table {
        let path = match prefix {
            "" => key.get_ref().to_string(),
            prefix => format!("{prefix}.{}", key.get_ref()),
        };
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &path, found),
            _ => found.push((path, key.span().start)),
        }
    }
}

fn lookup<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    match path.split_once('.') {
        Some((first, rest)) => lookup(table.get(first)?.as_table()?, rest),
        None => table.get(path),
    }
}

fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|each| *each == b'\n').count() + 1
}

fn invalid(detail: String) -> Error {
    Error::new(Code::Invalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_remember_their_lines() {
        let text = "# mine\n[server]\nlisten = \"0.0.0.0:1\"\n\n[log]\nlevel = \"warn\"\n";
        let found = entries("my.toml", text).unwrap();
        let told: Vec<_> =
            found.iter().map(|entry| (entry.path.as_str(), entry.origin.as_str())).collect();
        assert!(told.contains(&("server.listen", "my.toml line 3")), "{told:?}");
        assert!(told.contains(&("log.level", "my.toml line 6")), "{told:?}");
    }

    #[test]
    fn complaints_name_the_line_and_what_is_right() {
        for (text, expected) in [
            (
                "[server]\nlistn = \"x\"\n",
                ["line 2", "`server.listn`", "[server] has cors_origins"],
            ),
            (
                "\n[servers]\nlisten = \"x\"\n",
                ["line 3", "`servers.listen`", "the sections are ai"],
            ),
            ("[server]\ndrain_secs = \"5\"\n", ["line 2", "`server.drain_secs`", "a whole number"]),
            ("[events]\nenabled = 1\n", ["line 2", "`events.enabled`", "true or false"]),
            ("[egress]\nallow = [1]\n", ["line 2", "`egress.allow`", "a list of texts"]),
            ("listen = \"x\"\n", ["line 1", "`listen`", "the sections are"]),
            ("[server]\n\nlisten = \n", ["line 3", "not TOML", "my.toml"]),
        ] {
            let error = entries("my.toml", text).unwrap_err();
            for part in expected {
                assert!(error.detail.contains(part), "{text:?}: {}", error.detail);
            }
        }
    }

    #[test]
    fn no_file_is_no_settings_and_a_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none.toml")).unwrap().is_none());
        assert!(read(folder.path()).is_err());
    }
}
