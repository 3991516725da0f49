//! The `lookup` step: a table from what a provider says to what is wanted.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::{
    rule::{Pointer, flag, members},
    step::{Cell, plain_text, shown},
};
use crate::error::FieldError;

/// Most rows in one table.
const MAX_ROWS: usize = 1_000;

#[derive(Clone, Debug)]
pub(super) struct Lookup {
    table: BTreeMap<String, Value>,
    default: Option<Value>,
    ignore_case: bool,
}

impl Lookup {
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Self, FieldError> {
        let members = members(options, &["table", "default", "ignore_case"], at)?;
        let ignore_case = flag(members, "ignore_case", at)?;
        let rows = match members.get("table").and_then(Value::as_object) {
            Some(rows) if (1..=MAX_ROWS).contains(&rows.len()) => rows,
            _ => {
                let message = format!("must be an object of 1 to {MAX_ROWS} rows.");
                return Err(at.key("table").error(&message));
            }
        };
        let fold = |key: &String| if ignore_case { key.to_lowercase() } else { key.clone() };
        let table: BTreeMap<_, _> =
            rows.iter().map(|(key, value)| (fold(key), value.clone())).collect();
        if table.len() < rows.len() {
            return Err(at.key("table").error("has rows that differ in case only."));
        }
        Ok(Self { table, default: members.get("default").cloned(), ignore_case })
    }

    pub(super) fn run<'a>(&'a self, value: &Value) -> Result<Cell<'a>, String> {
        let key = plain_text(value).ok_or_else(|| format!("{} is no key.", shown(value)))?;
        let row = if self.ignore_case {
            self.table.get(&key.to_lowercase())
        } else {
            self.table.get(&*key)
        };
        row.or(self.default.as_ref())
            .map(Cow::Borrowed)
            .ok_or_else(|| format!("{} is not in the lookup table.", shown(value)))
    }
}
