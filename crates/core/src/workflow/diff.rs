//! What one definition says differently from another. Steps are known by their ids, so that one
//! that was renamed, moved or changed is told apart from one that came or went.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Definition, Step};

/// Members of a step that hold other steps.
const INNER: [&str; 6] = ["then", "else", "default", "branches", "steps", "on_error"];

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What kind of difference.
    pub kind: ChangeKind,
    /// The step it is about; none for the definition's own members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Where in the step or definition, as a JSON pointer; empty for all of it.
    pub path: String,
    /// What was there.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What is there now.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub after: Value,
}

/// What kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It is no longer there.
    Removed,
    /// It stands in another place.
    Moved,
    /// It says something else.
    Changed,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// The list it is in: `steps`, `hot/then`, `size/cases/0`.
    list: String,
    index: usize,
}

struct Part {
    place: Place,
    own: Value,
}

/// The differences, those of the definition itself first, then step by step.
pub fn diff(before: &Definition, after: &Definition) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(None, "", &head(before), &head(after), &mut changes);
    let (old, new) = (parts(before), parts(after));
    let moved = moved(&old, &new);
    for (id, part) in &old {
        match new.get(id) {
            None => changes.push(whole(ChangeKind::Removed, id, part.own.clone(), Value::Null)),
            Some(now) => {
                if moved.contains(id) {
                    let (before, after) = (&part.place.list, &now.place.list);
                    changes.push(whole(
                        ChangeKind::Moved,
                        id,
                        format!("{before}/{}", part.place.index).into(),
                        format!("{after}/{}", now.place.index).into(),
                    ));
                }
                compare(Some(id), "", &part.own, &now.own, &mut changes);
            }
        }
    }
    for (id, part) in new.iter().filter(|(id, _)| !old.contains_key(*id)) {
        changes.push(whole(ChangeKind::Added, id, Value::Null, part.own.clone()));
    }
    changes
}

fn whole(kind: ChangeKind, step: &str, before: Value, after: Value) -> Change {
    Change { kind, step: Some(step.to_owned()), path: String::new(), before, after }
}

/// A definition without its steps.
fn head(definition: &Definition) -> Value {
    let mut head = definition.to_json();
    if let Some(members) = head.as_object_mut() {
        members.remove("steps");
    }
    head
}

fn parts(definition: &Definition) -> BTreeMap<String, Part> {
    let mut found = BTreeMap::new();
    collect("steps", &definition.steps, &mut found);
    found
}

fn collect(list: &str, steps: &[Step], found: &mut BTreeMap<String, Part>) {
    for (index, step) in steps.iter().enumerate() {
        let place = Place { list: list.to_owned(), index };
        found.insert(step.id.clone(), Part { place, own: own(step) });
        for (way, inner) in step.inner().into_iter().enumerate() {
            collect(&format!("{}/{way}", step.id), inner, found);
        }
    }
}

/// A step without the steps inside it.
fn own(step: &Step) -> Value {
    let mut own = serde_json::to_value(step).unwrap_or_default();
    if let Some(members) = own.as_object_mut() {
        members.remove("id");
        for name in INNER {
            members.remove(name);
        }
        let cases = members.get_mut("cases").and_then(Value::as_array_mut);
        for case in cases.into_iter().flatten().filter_map(Value::as_object_mut) {
            case.remove("steps");
        }
    }
    own
}

/// Steps that stand in another list, or in another order among those that stayed in theirs.
fn moved(old: &BTreeMap<String, Part>, new: &BTreeMap<String, Part>) -> BTreeSet<String> {
    let mut moved = BTreeSet::new();
    let mut lists: BTreeMap<&str, Vec<(usize, usize, &str)>> = BTreeMap::new();
    for (id, part) in old {
        let Some(now) = new.get(id) else { continue };
        if part.place.list == now.place.list {
            let list = lists.entry(&part.place.list).or_default();
            list.push((part.place.index, now.place.index, id));
        } else {
            moved.insert(id.clone());
        }
    }
    for list in lists.values_mut() {
        list.sort_unstable();
        let keep = longest_rising(&list.iter().map(|(_, now, _)| *now).collect::<Vec<_>>());
        let out = list.iter().enumerate().filter(|(at, _)| !keep.contains(at));
        moved.extend(out.map(|(_, (_, _, id))| (*id).to_owned()));
    }
    moved
}

/// The places of a longest rising subsequence: what may stay where it is.
fn longest_rising(numbers: &[usize]) -> BTreeSet<usize> {
    // For each place the longest subsequence that ends there, and the place before it.
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(numbers.len());
    for (at, number) in numbers.iter().enumerate() {
        let before = best
            .iter()
            .enumerate()
            .take(at)
            .filter(|(earlier, _)| numbers.get(*earlier).is_some_and(|other| other < number))
            .max_by_key(|(_, (length, _))| *length);
        best.push(before.map_or((1, None), |(place, (length, _))| (length + 1, Some(place))));
    }
    let last = best.iter().enumerate().max_by_key(|(_, (length, _))| *length);
    let mut next = last.map(|(at, _)| at);
    let mut keep = BTreeSet::new();
    while let Some(at) = next {
        keep.insert(at);
        next = best.get(at).and_then(|(_, before)| *before);
    }
    keep
}

/// Goes into objects as long as both sides are some; anything else is compared as a whole.
fn compare(
    step: Option<&str>,
    path: &str,
    before: &Value,
    after: &Value,
    changes: &mut Vec<Change>,
) {
    if before == after {
        return;
    }
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            let side = |members: &serde_json::Map<String, Value>| {
                members.get(name).cloned().unwrap_or_default()
            };
            compare(step, &path, &side(old), &side(new), changes);
        }
        return;
    }
    let kind = match (before, after) {
        (Value::Null, _) => ChangeKind::Added,
        (_, Value::Null) => ChangeKind::Removed,
        _ => ChangeKind::Changed,
    };
    changes.push(Change {
        kind,
        step: step.map(str::to_owned),
        path: path.to_owned(),
        before: before.clone(),
        after: after.clone(),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(before: &Value, after: &Value) -> Vec<(ChangeKind, String, String)> {
        let read = |value: &Value| Definition::read(value).unwrap();
        let found = diff(&read(before), &read(after));
        assert!(diff(&read(before), &read(before)).is_empty());
        found
            .into_iter()
            .map(|change| (change.kind, change.step.unwrap_or_default(), change.path))
            .collect()
    }

    fn of(steps: &Value) -> Value {
        json!({ "version": 1, "name": "A", "steps": steps })
    }

    fn set(id: &str, value: u64) -> Value {
        json!({ "id": id, "type": "set", "vars": { "x": value } })
    }

    fn at(kind: ChangeKind, step: &str, path: &str) -> (ChangeKind, String, String) {
        (kind, step.to_owned(), path.to_owned())
    }

    #[test]
    fn a_step_that_changed_is_told_by_its_member() {
        let found = changes(&of(&json!([set("a", 1)])), &of(&json!([set("a", 2)])));
        assert_eq!(found, [at(ChangeKind::Changed, "a", "/vars/x")]);
    }

    #[test]
    fn steps_that_come_and_go_leave_the_others_alone() {
        let before = of(&json!([set("a", 1), set("b", 1), set("c", 1)]));
        let after = of(&json!([set("new", 1), set("a", 1), set("c", 1)]));
        assert_eq!(
            changes(&before, &after),
            [at(ChangeKind::Removed, "b", ""), at(ChangeKind::Added, "new", ""),]
        );
    }

    #[test]
    fn only_what_really_moved_is_said_to_have_moved() {
        let before = of(&json!([set("a", 1), set("b", 1), set("c", 1), set("d", 1)]));
        let after = of(&json!([set("d", 1), set("a", 1), set("b", 1), set("c", 1)]));
        assert_eq!(changes(&before, &after), [at(ChangeKind::Moved, "d", "")]);
    }

    #[test]
    fn a_step_that_moved_into_a_branch_is_not_removed() {
        let branch = |then: Value| {
            let when = "trigger.x";
            json!({ "id": "hot", "type": "branch", "condition": when, "then": then })
        };
        let before = of(&json!([set("a", 1), branch(json!([]))]));
        let after = of(&json!([branch(json!([set("a", 2)]))]));
        assert_eq!(
            changes(&before, &after),
            [at(ChangeKind::Moved, "a", ""), at(ChangeKind::Changed, "a", "/vars/x"),]
        );
    }

    #[test]
    fn the_definitions_own_members_come_first() {
        let mut after = of(&json!([set("a", 2)]));
        after["name"] = json!("B");
        after["output"] = json!("{{ vars.x }}");
        after["trigger"] = json!({ "type": "schedule", "config": { "schedule": "hourly" } });
        assert_eq!(
            changes(&of(&json!([set("a", 1)])), &after),
            [
                at(ChangeKind::Changed, "", "/name"),
                at(ChangeKind::Added, "", "/output"),
                at(ChangeKind::Added, "", "/trigger/config"),
                at(ChangeKind::Changed, "", "/trigger/type"),
                at(ChangeKind::Changed, "a", "/vars/x"),
            ]
        );
    }
}
