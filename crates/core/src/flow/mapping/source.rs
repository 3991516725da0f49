//! Where a field is found in a source record.

use serde_json::{Map, Value};

/// The member under which HubSpot-shaped records keep their fields.
const NESTED_FIELDS: &str = "properties";

/// A source field, split into path segments once.
#[derive(Clone, Debug)]
pub(super) struct SourcePath {
    name: Box<str>,
    /// The segments of a dotted name; empty for a plain one.
    segments: Box<[Box<str>]>,
}

impl SourcePath {
    pub(super) fn new(name: &str) -> Self {
        let segments = if name.contains('.') {
            name.split('.').map(Box::from).collect()
        } else {
            Box::default()
        };
        Self { name: name.into(), segments }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The field of a record: at the top, else under `properties`.
    pub(super) fn find<'a>(&self, record: &'a Value) -> Option<&'a Value> {
        let top = record.as_object()?;
        self.find_in(top).or_else(|| self.find_in(top.get(NESTED_FIELDS)?.as_object()?))
    }

    /// Puts a value in the place of the field, wherever a record holds it; at the top where it
    /// holds it nowhere.
    pub(super) fn put(&self, record: &mut Value, value: &Value) {
        let Some(top) = record.as_object_mut() else { return };
        let mut held = self.put_in(top, value);
        if let Some(Value::Object(nested)) = top.get_mut(NESTED_FIELDS) {
            held |= self.put_in(nested, value);
        }
        if !held && !value.is_null() {
            top.insert(self.name.to_string(), value.clone());
        }
    }

    fn put_in(&self, fields: &mut Map<String, Value>, value: &Value) -> bool {
        let mut held = false;
        if let Some(place) = fields.get_mut(&*self.name) {
            *place = value.clone();
            held = true;
        }
        let Some((first, rest)) = self.segments.split_first() else { return held };
        let place = rest.iter().try_fold(fields.get_mut(&**first), |place, segment| match place {
            Some(Value::Object(members)) => Some(members.get_mut(&**segment)),
            Some(Value::Array(items)) => Some(items.get_mut(segment.parse::<usize>().ok()?)),
            _ => None,
        });
        if let Some(Some(place)) = place {
            *place = value.clone();
            held = true;
        }
        held
    }

    fn find_in<'a>(&self, fields: &'a Map<String, Value>) -> Option<&'a Value> {
        // A name that itself contains dots wins over the path: rows of a collection are flat.
        fields.get(&*self.name).or_else(|| {
            let (first, rest) = self.segments.split_first()?;
            rest.iter().try_fold(fields.get(&**first)?, |value, segment| match value {
                Value::Object(members) => members.get(&**segment),
                Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
                _ => None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_at_the_top_by_path_or_under_properties() {
        let record = json!({
            "id": "1",
            "null": null,
            "a": {"b": {"c": 1}, "list": [{"x": "y"}]},
            "dotted.name": 2,
            "properties": {"email": "e", "id": "shadowed", "p": {"q": 3}, "a.z": 4},
        });
        for (name, expected) in [
            ("id", Some(json!("1"))),
            ("null", Some(json!(null))),
            ("email", Some(json!("e"))),
            ("a.b.c", Some(json!(1))),
            ("a.list.0.x", Some(json!("y"))),
            ("dotted.name", Some(json!(2))),
            ("properties.email", Some(json!("e"))),
            ("p.q", Some(json!(3))),
            ("a.z", Some(json!(4))),
            ("missing", None),
            ("a.list.1.x", None),
            ("a.list.x", None),
            ("id.x", None),
            (".", None),
            ("", None),
        ] {
            assert_eq!(SourcePath::new(name).find(&record), expected.as_ref(), "{name}");
        }
        for name in [
            "null",
            "email",
            "a.b.c",
            "a.list.0.x",
            "dotted.name",
            "properties.email",
            "a.z",
            "id",
            "new",
        ] {
            let mut record = record.clone();
            SourcePath::new(name).put(&mut record, &json!("put"));
            assert_eq!(SourcePath::new(name).find(&record), Some(&json!("put")), "{name}");
        }
        let mut both = record.clone();
        SourcePath::new("id").put(&mut both, &json!(null));
        assert_eq!((&both["id"], &both["properties"]["id"]), (&json!(null), &json!(null)));
        for record in [json!(null), json!([1]), json!("x"), json!({"properties": 1})] {
            assert_eq!(SourcePath::new("email").find(&record), None);
        }
    }
}
