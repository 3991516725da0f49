//! What there is to say about a fact.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

/// Particulars of an event, as the JSON text that is stored and handed on. Most are never looked
/// into: one piece of memory serves them all their way, and whoever looks reads what he wants.
#[derive(Clone, Debug)]
pub struct Detail(Box<RawValue>);

impl Detail {
    /// Says what this value says. What cannot be JSON says nothing.
    pub fn of(value: &impl Serialize) -> Self {
        to_raw_value(value).map_or_else(|_| Self::default(), Self)
    }

    /// Takes stored text. What is no JSON says nothing.
    pub fn stored(text: String) -> Self {
        RawValue::from_string(text).map_or_else(|_| Self::default(), Self)
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Reads what a type names; `None` where the text says something else.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.text()).ok()
    }

    /// The whole of it, as a tree.
    pub fn value(&self) -> Value {
        self.read().unwrap_or_default()
    }
}

impl Default for Detail {
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

impl From<Value> for Detail {
    fn from(value: Value) -> Self {
        Self::of(&value)
    }
}

impl PartialEq for Detail {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text() || self.value() == other.value()
    }
}

impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Detail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_handed_on_as_it_was_said() {
        let said = Detail::of(&json!({ "run": "run_1", "took_ms": 7 }));
        assert_eq!(said.text(), r#"{"run":"run_1","took_ms":7}"#);
        let whole = serde_json::to_string(&json!({ "data": said })).unwrap();
        assert_eq!(whole, r#"{"data":{"run":"run_1","took_ms":7}}"#);
        assert_eq!(Detail::stored(said.text().to_owned()), said);
        assert_eq!(serde_json::from_value::<Detail>(said.value()).unwrap(), said);
        assert_eq!(Detail::stored(r#"{ "took_ms":7, "run":"run_1" }"#.into()), said);
        assert_ne!(Detail::default(), said);
    }

    #[test]
    fn what_is_no_json_says_nothing() {
        assert_eq!(Detail::stored("{".into()), Detail::default());
        assert_eq!(Detail::stored("{".into()).value(), Value::Null);
    }

    #[test]
    fn whoever_looks_reads_what_he_wants() {
        #[derive(Deserialize)]
        struct Took<'a> {
            #[serde(borrow)]
            run: Cow<'a, str>,
            took_ms: u64,
        }
        let took = |text: &str| {
            let said = Detail::stored(text.into());
            said.read::<Took<'_>>().map(|of| (of.run.into_owned(), of.took_ms))
        };
        assert_eq!(took(r#"{"run":"run_1","took_ms":7}"#), Some(("run_1".to_owned(), 7)));
        assert_eq!(took(r#"{"run":"run_1"}"#), None);
        assert_eq!(took(r#"{"run":1,"took_ms":7}"#), None);
    }
}
