//! One dotted path, or several.

use serde::{Deserialize, Serialize};

/// One dotted path, or several where a service says the same thing in different places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Paths {
    /// One.
    One(String),
    /// Several, in order.
    Many(Vec<String>),
}

impl Paths {
    /// The paths, in order.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Many(paths) => paths,
        };
        all.iter().map(String::as_str)
    }
}

impl From<&str> for Paths {
    fn from(path: &str) -> Self {
        Self::One(path.to_owned())
    }
}
