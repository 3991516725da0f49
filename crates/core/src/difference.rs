//! What differs between two JSON values.

use serde::Serialize;
use serde_json::Value;

/// One place at which two values differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Where, as a JSON pointer; empty for the whole value.
    pub path: String,
    /// What the one has there; `None` when it has nothing.
    pub left: Option<Value>,
    /// What the other has there; `None` when it has nothing.
    pub right: Option<Value>,
}

/// The places at which two values differ, in order, `limit` at most. Objects are compared member by
/// member and lists place by place, as far as both have them.
pub fn differences(left: &Value, right: &Value, limit: usize) -> Vec<Difference> {
    let mut found = Vec::new();
    // Values are as deep as what was parsed, which the parser limits.
    compare(&mut found, limit, String::new(), (Some(left), Some(right)));
    found
}

fn compare(
    found: &mut Vec<Difference>,
    limit: usize,
    path: String,
    pair: (Option<&Value>, Option<&Value>),
) {
    match pair {
        _ if found.len() >= limit => {}
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let only_right = right.keys().filter(|name| !left.contains_key(*name));
            for name in left.keys().chain(only_right) {
                let member = name.replace('~', "~0").replace('/', "~1");
                let below = (left.get(name), right.get(name));
                compare(found, limit, format!("{path}/{member}"), below);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for place in 0..left.len().max(right.len()) {
                let below = (left.get(place), right.get(place));
                compare(found, limit, format!("{path}/{place}"), below);
            }
        }
        (left, right) if left == right => {}
        (left, right) => {
            found.push(Difference { path, left: left.cloned(), right: right.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(left: &Value, right: &Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        let found = differences(left, right, 100);
        found.into_iter().map(|one| (one.path, one.left, one.right)).collect()
    }

    #[test]
    fn each_place_is_told_once_with_both_values() {
        let left = json!({"a": 1, "b": {"c": [1, 2], "x/y": true}, "gone": null});
        let right = json!({"a": 1, "b": {"c": [1, 3, 4], "x/y": false}, "new": [1]});
        assert_eq!(
            told(&left, &right),
            [
                ("/b/c/1".to_owned(), Some(json!(2)), Some(json!(3))),
                ("/b/c/2".to_owned(), None, Some(json!(4))),
                ("/b/x~1y".to_owned(), Some(json!(true)), Some(json!(false))),
                ("/gone".to_owned(), Some(json!(null)), None),
                ("/new".to_owned(), None, Some(json!([1]))),
            ]
        );
        assert_eq!(told(&left, &left), []);
        assert_eq!(told(&json!([1]), &json!({"a": 1})).len(), 1);
    }

    #[test]
    fn there_are_no_more_than_asked_for() {
        let (left, right) = (json!([1, 2, 3, 4]), json!([5, 6, 7, 8]));
        assert_eq!(differences(&left, &right, 2).len(), 2);
        assert_eq!(differences(&left, &right, 0).len(), 0);
    }
}
