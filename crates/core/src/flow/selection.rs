//! Which fields of the source a flow reads at all. What it does not read is gone before anything
//! looks at the record: mapping, refused rows, plans.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mapping::{MAX_FIELD_BYTES, MAX_FIELDS};
use crate::error::FieldError;

/// The member under which HubSpot-shaped records keep their fields.
pub const NESTED_FIELDS: &str = "properties";
/// The same, in front of a field.
const NESTED_PREFIX: &str = "properties.";

/// Which fields of the source a flow reads: all, only some, or all but some. Names are the
/// provider's, of fields at the top of a record or under `properties`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// Only these, where it names any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// All but these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl Fields {
    /// Whether every field is read.
    pub fn is_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether a field is read, by its name or by the first part of its path.
    pub fn reads(&self, name: &str) -> bool {
        let name = name.strip_prefix(NESTED_PREFIX).unwrap_or(name);
        let first = name.split('.').next().unwrap_or(name);
        let named = |list: &[String]| {
            list.iter().any(|other| {
                let other = other.strip_prefix(NESTED_PREFIX).unwrap_or(other);
                other == name || other == first
            })
        };
        if self.include.is_empty() { !named(&self.exclude) } else { named(&self.include) }
    }

    /// The fields that are left of a list of all that can be asked for.
    pub fn of<'a>(&'a self, all: &'a str) -> Vec<&'a str> {
        let plain = |name: &'a str| name.strip_prefix(NESTED_PREFIX).unwrap_or(name);
        if self.include.is_empty() {
            let all = all.split(',').map(str::trim).filter(|name| !name.is_empty());
            return all.filter(|name| self.reads(name)).collect();
        }
        self.include.iter().map(|name| plain(name)).collect()
    }

    /// What is wrong with them.
    pub(super) fn faults(&self) -> Vec<FieldError> {
        let mut wrong = Vec::new();
        if !self.include.is_empty() && !self.exclude.is_empty() {
            let message = "names fields to `include` or to `exclude`, not both.".to_owned();
            wrong.push(FieldError { field: "/options/fields".into(), message });
        }
        for (list, names) in [("include", &self.include), ("exclude", &self.exclude)] {
            if names.len() > MAX_FIELDS {
                let message = format!("at most {MAX_FIELDS} fields.");
                wrong.push(FieldError { field: format!("/options/fields/{list}"), message });
            }
            for (index, name) in names.iter().enumerate() {
                let plain = name.strip_prefix(NESTED_PREFIX).unwrap_or(name);
                let usable = !plain.trim().is_empty() && plain.len() <= MAX_FIELD_BYTES;
                if !usable || plain == NESTED_FIELDS {
                    let message = "names a field as the provider calls it.".to_owned();
                    let field = format!("/options/fields/{list}/{index}");
                    wrong.push(FieldError { field, message });
                }
            }
        }
        wrong
    }
}

/// A selection made ready to be applied to records.
#[derive(Clone, Debug)]
pub struct Selection {
    only: bool,
    named: HashSet<String>,
    /// Paths that stay in any case: what identifies a record and tells when it changed.
    needed: HashSet<String>,
}

impl Selection {
    /// None where every field is read. `needed` are dotted paths that stay in any case.
    pub fn of<'a>(fields: &Fields, needed: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        if fields.is_all() {
            return None;
        }
        let only = !fields.include.is_empty();
        let list = if only { &fields.include } else { &fields.exclude };
        let plain = |name: &str| {
            let name = name.strip_prefix(NESTED_PREFIX).unwrap_or(name);
            name.split('.').next().unwrap_or(name).to_owned()
        };
        let named = list
            .iter()
            .map(|name| name.strip_prefix(NESTED_PREFIX).unwrap_or(name).to_owned())
            .collect();
        Some(Self { only, named, needed: needed.into_iter().map(plain).collect() })
    }

    /// Takes out of a record what is not read.
    pub fn prune(&self, record: &mut Value) {
        let Value::Object(top) = record else { return };
        let stays =
            |name: &str| self.named.contains(name) == self.only || self.needed.contains(name);
        top.retain(|name, value| {
            if name == NESTED_FIELDS
                && let Value::Object(nested) = value
            {
                nested.retain(|name, _| stays(name));
                return true;
            }
            stays(name)
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(include: &[&str], exclude: &[&str]) -> Fields {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Fields { include: names(include), exclude: names(exclude) }
    }

    #[test]
    fn what_is_not_read_is_gone_but_for_what_is_needed() {
        let record = json!({"id": "1", "at": 5, "note": "n",
            "properties": {"email": "e", "ssn": "s", "changed": 7}});
        let pruned = |fields: &Fields| {
            let mut record = record.clone();
            let needed = ["id", "properties.changed"];
            let selection = Selection::of(fields, needed).unwrap();
            selection.prune(&mut record);
            record
        };
        assert_eq!(
            pruned(&fields(&["properties.email"], &[])),
            json!({"id": "1", "properties": {"email": "e", "changed": 7}})
        );
        assert_eq!(
            pruned(&fields(&[], &["ssn", "note", "id"])),
            json!({"id": "1", "at": 5, "properties": {"email": "e", "changed": 7}})
        );
        assert!(Selection::of(&Fields::default(), []).is_none());
    }

    #[test]
    fn names_and_paths_are_read_alike() {
        let some = fields(&["email", "owner"], &[]);
        for (name, read) in
            [("email", true), ("properties.email", true), ("owner.name", true), ("ssn", false)]
        {
            assert_eq!(some.reads(name), read, "{name}");
            assert_eq!(fields(&[], &["email", "owner"]).reads(name), !read, "{name}");
        }
        assert_eq!(some.of("a,b"), ["email", "owner"]);
        assert_eq!(fields(&[], &["b"]).of("a, b,c"), ["a", "c"]);
    }

    #[test]
    fn faults_are_named() {
        assert_eq!(fields(&["a"], &[]).faults(), []);
        let wrong = fields(&["a", " "], &["properties"]).faults();
        let places: Vec<&str> = wrong.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(
            places,
            ["/options/fields", "/options/fields/include/1", "/options/fields/exclude/0"]
        );
    }
}
