//! Values made from others, compiled: an e-mail address as the hash a service wants.

use std::collections::BTreeMap;

use connectus_core::{
    Result,
    expr::Scope,
    provider::{Derived, Step},
};
use md5::Md5;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::template::Node;

/// The values of one action.
#[derive(Debug, Default)]
pub struct DerivedPlan(Vec<(Box<str>, Node, Box<[Step]>)>);

impl DerivedPlan {
    /// Compiles them.
    ///
    /// # Errors
    /// `invalid`, naming the place below `at`.
    pub fn compile(derived: &BTreeMap<String, Derived>, at: &str) -> Result<Self> {
        let compile = |(name, derived): (&String, &Derived)| {
            let of = Node::compile(&derived.of.as_str().into(), &format!("{at}/{name}/of"))?;
            Ok((name.as_str().into(), of, derived.steps.as_slice().into()))
        };
        derived.iter().map(compile).collect::<Result<_>>().map(Self)
    }

    /// The values, as one object. What there is nothing to make from is left out.
    ///
    /// # Errors
    /// `invalid` when a template reads what is not there.
    pub fn make(&self, scope: &dyn Scope) -> Result<Value> {
        let mut made = Map::new();
        for (name, of, steps) in &self.0 {
            if let Some(text) = of.render_text(scope)? {
                let done = steps.iter().fold(text, |text, step| apply(*step, &text));
                made.insert(name.to_string(), done.into());
            }
        }
        Ok(Value::Object(made))
    }
}

fn apply(step: Step, text: &str) -> String {
    match step {
        Step::Trim => text.trim().to_owned(),
        Step::Lower => text.to_lowercase(),
        Step::Digits => text.chars().filter(char::is_ascii_digit).collect(),
        Step::Md5 => hex::encode(Md5::digest(text)),
        Step::Sha256 => hex::encode(Sha256::digest(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hashes_are_those_of_the_published_examples() {
        let derived = serde_json::from_value(json!({
            // The member id in Mailchimp's documentation.
            "member": {"of": "{{ input.member }}", "steps": ["trim", "lower", "md5"]},
            // RFC 1321's and FIPS 180's test suites.
            "abc": {"of": "{{ input.abc }}", "steps": ["sha256"]},
            "phone": {"of": "{{ input.phone }}", "steps": ["digits"]},
            "gone": {"of": "{{ input.gone }}", "steps": ["sha256"]},
        }))
        .unwrap();
        let plan = DerivedPlan::compile(&derived, "/derived").unwrap();
        let input = json!({
            "member": " Urist.McVankab@freddiesjokes.com ", "abc": "abc",
            "phone": "+221 (555) 010-203",
        });
        let expected = json!({
            "member": "62eeb292278cc15f5817cb78f7790b08",
            "abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "phone": "221555010203",
        });
        assert_eq!(plan.make(&[("input", &input)]).unwrap(), expected);
    }
}
