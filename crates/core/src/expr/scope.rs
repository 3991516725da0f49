//! What an expression can see.

use serde_json::{Map, Value};

/// The named values at the top of an expression's world.
///
/// Implemented for JSON objects and for arrays of named references, so that a caller with a large
/// record at hand lends it instead of copying it: `expr.eval(&[("record", &row)])`.
pub trait Scope {
    /// The value of a top-level name.
    fn get(&self, name: &str) -> Option<&Value>;
    /// The top-level names, for messages.
    fn names(&self) -> Vec<&str>;

    /// The value of a name one level down. A scope that keeps a top-level name in parts, so that
    /// there is no one value to lend, overrides this and [`Scope::member_names`].
    fn member(&self, name: &str, member: &str) -> Option<&Value> {
        self.get(name)?.get(member)
    }

    /// The names below a top-level name that [`Scope::get`] does not lend; `None` for others.
    fn member_names(&self, _name: &str) -> Option<Vec<&str>> {
        None
    }
}

impl Scope for Map<String, Value> {
    fn get(&self, name: &str) -> Option<&Value> {
        Self::get(self, name)
    }

    fn names(&self) -> Vec<&str> {
        self.keys().map(String::as_str).collect()
    }
}

impl Scope for Value {
    fn get(&self, name: &str) -> Option<&Value> {
        Self::get(self, name)
    }

    fn names(&self) -> Vec<&str> {
        self.as_object().map(Scope::names).unwrap_or_default()
    }
}

impl<const N: usize> Scope for [(&str, &Value); N] {
    fn get(&self, name: &str) -> Option<&Value> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn names(&self) -> Vec<&str> {
        self.iter().map(|(key, _)| *key).collect()
    }
}
