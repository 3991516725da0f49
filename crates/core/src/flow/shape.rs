//! What the records of a source look like, learnt from the records themselves, and how that
//! changes: a field that is new, one that vanished, one whose type is another.
//!
//! The first read of a stream is learnt as it comes. Later, every field that was never seen is
//! new; of fields that the flow maps, one that was in every record so far and is in none of a page
//! has vanished, and one that holds a type it never held has changed it. Each is told once.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{mapping::MAX_FIELD_BYTES, selection::NESTED_FIELDS};

/// Most fields known of one source. Further ones are not watched.
pub const MAX_SHAPE_FIELDS: usize = 1_000;

const KINDS: [(u8, &str); 5] =
    [(1, "boolean"), (2, "number"), (4, "text"), (8, "list"), (16, "object")];

/// A field of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Its name.
    name: String,
    /// Whether it stands under `properties`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    nested: bool,
    /// The types it was seen to hold, as a sum of [`KINDS`].
    kinds: u8,
    /// Whether every record had it.
    always: bool,
}

/// What the records of a source look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Whether a read has come to its end, so that what is not known is new.
    #[serde(default)]
    learned: bool,
    /// Whether any record was seen.
    #[serde(default)]
    begun: bool,
    #[serde(default)]
    fields: Vec<Known>,
}

/// A field as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShapeField {
    /// As a mapping names it.
    pub name: String,
    /// The types it was seen to hold; none where it was only ever null.
    pub types: Vec<&'static str>,
    /// Whether every record had it.
    pub in_every_record: bool,
}

impl Shape {
    /// Whether a read has come to its end.
    pub fn is_learned(&self) -> bool {
        self.learned
    }

    /// A read has come to its end; of an empty stream nothing is learnt.
    pub fn learn(&mut self) {
        self.learned = !self.fields.is_empty();
    }

    /// The fields, in the order in which they were first seen.
    pub fn fields(&self) -> Vec<ShapeField> {
        let field = |known: &Known| ShapeField {
            name: self.full_name(known),
            types: types(known.kinds),
            in_every_record: known.always,
        };
        let holder = |known: &&Known| known.nested || known.name != NESTED_FIELDS;
        self.fields.iter().filter(holder).map(field).collect()
    }

    /// A name as a mapping would have to write it.
    fn full_name(&self, known: &Known) -> String {
        let shadowed = || self.fields.iter().any(|top| !top.nested && top.name == known.name);
        if known.nested && shadowed() {
            return format!("{NESTED_FIELDS}.{}", known.name);
        }
        known.name.clone()
    }
}

fn types(kinds: u8) -> Vec<&'static str> {
    KINDS.iter().filter(|(bit, _)| kinds & bit != 0).map(|(_, name)| *name).collect()
}

const fn kind_of(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 4,
        Value::Array(_) => 8,
        Value::Object(_) => 16,
    }
}

/// A field whose type is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeChange {
    /// The field.
    pub field: String,
    /// What it held so far.
    pub before: Vec<&'static str>,
    /// What it holds besides.
    pub now: Vec<&'static str>,
}

/// How a source has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Fields that were never seen before.
    pub added: Vec<String>,
    /// Mapped fields that were in every record and are gone.
    pub vanished: Vec<String>,
    /// Mapped fields that hold another type.
    pub changed: Vec<TypeChange>,
}

impl Drift {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.vanished.is_empty() && self.changed.is_empty()
    }

    /// Adds what was found later.
    pub fn merge(&mut self, later: Self) {
        self.added.extend(later.added);
        self.vanished.extend(later.vanished);
        self.changed.extend(later.changed);
    }

    /// In a sentence, naming the fields.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        if !self.added.is_empty() {
            parts.push(format!("new: {}", listed(self.added.iter().cloned())));
        }
        if !self.vanished.is_empty() {
            parts.push(format!("gone: {}", listed(self.vanished.iter().cloned())));
        }
        if !self.changed.is_empty() {
            let one = |change: &TypeChange| {
                let (before, now) = (change.before.join(" or "), change.now.join(" and "));
                format!("`{}` ({before}, now {now})", change.field)
            };
            parts.push(format!(
                "of another type: {}",
                self.changed.iter().map(one).collect::<Vec<_>>().join(", ")
            ));
        }
        parts.join("; ")
    }
}

fn listed(names: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 20;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// Looks at records as they come.
#[derive(Debug)]
pub struct Watch {
    shape: Shape,
    places: [HashMap<String, usize>; 2],
    /// Of each field: records of this page that hold it, types it holds in them, and whether the
    /// flow maps it.
    page: Vec<(usize, u8, bool)>,
    mapped: HashSet<String>,
    /// Fields the stream declares: they are no news.
    declared: HashSet<String>,
}

impl Watch {
    /// Goes on from what is known. `mapped` are the source fields of the mapping, `declared` those
    /// that the stream is known to have.
    pub fn new<'a>(
        mut shape: Shape,
        mapped: impl IntoIterator<Item = &'a str>,
        declared: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut names = HashSet::new();
        for name in mapped {
            let nested = name.strip_prefix(NESTED_FIELDS).and_then(|rest| rest.strip_prefix('.'));
            for name in [Some(name), nested].into_iter().flatten() {
                names.insert(name.to_owned());
                names.insert(name.split('.').next().unwrap_or(name).to_owned());
            }
        }
        let declared = declared.into_iter().collect();
        let fields = std::mem::take(&mut shape.fields);
        let mut watch =
            Self { shape, places: Default::default(), page: Vec::new(), mapped: names, declared };
        for known in fields {
            watch.add(known);
        }
        watch
    }

    /// What is known now.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Looks at a page. None where it is as it always was.
    pub fn page(&mut self, records: &[Value]) -> Option<Noticed> {
        let total = records.iter().filter(|record| record.is_object()).count();
        if total == 0 {
            return None;
        }
        let known = self.shape.fields.len();
        let first_page = !std::mem::replace(&mut self.shape.begun, true);
        for record in records {
            self.record(record);
        }
        let mut drift = Drift::default();
        let mut differs = first_page || self.shape.fields.len() > known;
        for at in 0..self.shape.fields.len() {
            differs |= self.settle(at, at < known, first_page, total, &mut drift);
        }
        differs.then(|| Noticed { drift, shape: self.shape.clone() })
    }

    /// Counts a field of a page into what is known of it. True where that changes.
    fn settle(
        &mut self,
        at: usize,
        known: bool,
        first_page: bool,
        total: usize,
        drift: &mut Drift,
    ) -> bool {
        let (Some(field), Some(page)) = (self.shape.fields.get(at), self.page.get_mut(at)) else {
            return false;
        };
        let (count, kinds, mapped) = (page.0, page.1, page.2);
        (page.0, page.1) = (0, 0);
        let learned = self.shape.learned;
        if !known && learned && !self.declared.contains(&field.name) {
            drift.added.push(self.shape.full_name(field));
        }
        let other = kinds & !field.kinds;
        if known && learned && mapped && other != 0 && field.kinds != 0 {
            let (field, before) = (self.shape.full_name(field), types(field.kinds));
            drift.changed.push(TypeChange { field, before, now: types(other) });
        }
        if known && learned && mapped && field.always && count == 0 {
            drift.vanished.push(self.shape.full_name(field));
        }
        let always =
            if known { field.always && count == total } else { first_page && count == total };
        let differs = other != 0 || always != field.always;
        if let Some(field) = self.shape.fields.get_mut(at) {
            field.kinds |= kinds;
            field.always = always;
        }
        differs
    }

    fn record(&mut self, record: &Value) {
        let Value::Object(top) = record else { return };
        // Records of one source write their fields in one order: the next is where it was last.
        let mut hint = 0;
        for (name, value) in top {
            self.see(name, false, value, &mut hint);
            if name == NESTED_FIELDS
                && let Value::Object(nested) = value
            {
                for (name, value) in nested {
                    self.see(name, true, value, &mut hint);
                }
            }
        }
    }

    fn see(&mut self, name: &str, nested: bool, value: &Value, hint: &mut usize) {
        let here = |known: &Known| known.nested == nested && known.name == name;
        let at = if self.shape.fields.get(*hint).is_some_and(here) {
            *hint
        } else {
            let places = self.places.get(usize::from(nested));
            match places.and_then(|places| places.get(name)) {
                Some(at) => *at,
                None => {
                    if self.shape.fields.len() >= MAX_SHAPE_FIELDS || name.len() > MAX_FIELD_BYTES {
                        return;
                    }
                    self.add(Known { name: name.to_owned(), nested, kinds: 0, always: false })
                }
            }
        };
        *hint = at + 1;
        if let Some(page) = self.page.get_mut(at) {
            page.0 += 1;
            page.1 |= kind_of(value);
        }
    }

    fn add(&mut self, known: Known) -> usize {
        let at = self.shape.fields.len();
        if let Some(places) = self.places.get_mut(usize::from(known.nested)) {
            places.insert(known.name.clone(), at);
        }
        let mapped = self.mapped.contains(&known.name) && known.name != NESTED_FIELDS;
        self.page.push((0, 0, mapped));
        self.shape.fields.push(known);
        at
    }
}

/// What a page was seen to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// What people are told; empty while the source is being learnt.
    pub drift: Drift,
    /// What is known now.
    pub shape: Shape,
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
