//! The default file: the list of all settings, their types and their defaults.

use std::{collections::BTreeMap, sync::OnceLock};

use toml::{Table, Value};

/// The commented default file, as people read it.
pub const TEXT: &str = include_str!("../../../../config/connectus.default.toml");

/// Every setting by its path (`server.listen`) with its default.
pub fn settings() -> &'static BTreeMap<String, Value> {
    static SETTINGS: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        // A test reads the file, so it is never the empty table here.
        let table: Table = toml::from_str(TEXT).unwrap_or_default();
        leaves(&table).into_iter().collect()
    })
}

/// All values of a table that are not tables themselves, by path.
pub fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                let inner = leaves(inner).into_iter();
                found.extend(inner.map(|(path, value)| (format!("{name}.{path}"), value)));
            }
            value => found.push((name.clone(), value.clone())),
        }
    }
    found
}

/// Says which settings there are in place of one that there is not.
pub fn instead_of(path: &str) -> String {
    let section = path.split('.').next().unwrap_or_default();
    let known = settings().keys().filter_map(|path| path.split_once('.'));
    let of_section: Vec<&str> =
        known.clone().filter(|(name, _)| *name == section).map(|(_, key)| key).collect();
    if of_section.is_empty() {
        let mut sections: Vec<&str> = known.map(|(name, _)| name).collect();
        sections.dedup();
        return format!("the sections are {}", sections.join(", "));
    }
    format!("[{section}] has {}", of_section.join(", "))
}

/// What a setting takes, in words.
pub fn kind(default: &Value) -> &'static str {
    match default {
        Value::Boolean(_) => "true or false",
        Value::Integer(_) => "a whole number",
        Value::Array(_) => "a list of texts",
        _ => "a text in quotes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_is_read_and_every_setting_is_in_a_section() {
        toml::from_str::<Table>(TEXT).unwrap();
        assert!(settings().len() > 30, "{}", settings().len());
        for path in settings().keys() {
            assert_eq!(path.split('.').count(), 2, "{path}");
        }
    }

    #[test]
    fn every_setting_has_a_comment_above_it() {
        let mut commented = false;
        for (number, line) in TEXT.lines().enumerate() {
            match line.chars().next() {
                Some('#') => commented = true,
                // A setting may share the comment of the one above it, a section may not.
                Some('[') | None => commented = false,
                Some(_) => assert!(commented, "line {}: {line}", number + 1),
            }
        }
    }
}
