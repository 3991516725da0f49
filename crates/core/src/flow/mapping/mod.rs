//! Field mapping: turning a source record into a row, by position and by rule.
//!
//! `source_fields[i]` fills `target_fields[i]`. A source field is a name or a dotted path; a name
//! that is not at the top of the record is looked up under `properties`, where HubSpot keeps
//! fields. Rules are keyed by target field; `inbound` and `outbound` objects hold rules for one
//! way only and win over the rest.
//!
//! A rule is one object, whose members run in the fixed order of the table, or a list of objects,
//! which run in the order written:
//!
//! | member | does |
//! |---|---|
//! | `expression` | computes the value; sees `record` and `value` |
//! | `concat` | joins `{"fields": [..], "by": " "}`, or the items of a list |
//! | `split` | cuts at a text: `{"by": " ", "at": 0}`; without `at`, into a list |
//! | `trim` | drops white space: `true`, `"start"`, `"end"` |
//! | `case` | `"lower"`, `"upper"`, `"title"` |
//! | `lookup` | replaces by a table: `{"table": {..}, "default": .., "ignore_case": true}` |
//! | `date` | rewrites a date: `{"in": "%d/%m/%Y", "out": "date", "zone": "Europe/Paris"}` |
//! | `cast` | `"string"`, `"integer"`, `"number"`, `"boolean"`, `"date"`, `"datetime"`, `"json"` |
//! | `default` | stands in for a missing, null or empty value |
//! | `validate` | refuses the row: `"required"`, `{"min": 0}`, ... |
//! | `hash` | replaces by a digest: `"sha256"`, `{"salt": "NAME"}` |
//! | `redact` | leaves nothing readable: `"mask"`, `"hash"`, `"drop"`, `"last4"` |
//!
//! A source field that is missing and gets no value from a rule is left out of the row, so that
//! writing the row does not erase what is there; null stays null. Compiled once, applied to every
//! record without parsing anything again.

mod cast;
mod check;
mod date;
mod field;
mod hash;
mod lookup;
mod redact;
mod rule;
mod source;
mod step;
mod text;

use serde_json::{Map, Value};

use crate::{Code, Error, Result, error::FieldError, flow::Leg};
use field::FieldMap;
pub use field::{FieldResult, StepResult};
pub use redact::Redaction;
use rule::Pointer;
use source::SourcePath;
use step::Step;

/// Most fields in one mapping.
pub const MAX_FIELDS: usize = 500;

/// Longest field name, in bytes.
pub const MAX_FIELD_BYTES: usize = 200;

/// Most steps in the rule of one field.
pub const MAX_STEPS: usize = 20;

/// A rule to compile: the target field, where the rule is written, the rule.
type Chosen<'a> = (&'a str, Pointer, &'a Value);

/// A compiled mapping. The default one maps nothing.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    fields: Vec<FieldMap>,
    redacted: bool,
}

impl Mapping {
    /// Compiles a mapping of an inbound flow. `rules` is an object or null.
    ///
    /// # Errors
    /// `BadRequest` when the lists differ in length; `Invalid` naming every wrong field by its JSON
    /// pointer: an unknown target, an unknown rule, a value a rule cannot take.
    pub fn compile(
        source_fields: &[String],
        target_fields: &[String],
        rules: &Value,
    ) -> Result<Self> {
        match rules {
            Value::Null => Self::forward(source_fields, target_fields, &Map::new(), Leg::Inbound),
            Value::Object(rules) => {
                Self::forward(source_fields, target_fields, rules, Leg::Inbound)
            }
            _ => Err(Error::invalid(
                Pointer::rules().to_string(),
                "must be an object of rules by target field.",
            )),
        }
    }

    /// Compiles a mapping from source to target fields with the rules of a leg.
    ///
    /// # Errors
    /// As [`Mapping::compile`].
    pub fn forward(
        source_fields: &[String],
        target_fields: &[String],
        rules: &Map<String, Value>,
        leg: Leg,
    ) -> Result<Self> {
        let is_target = |name: &str| target_fields.iter().any(|field| field == name);
        let base = Pointer::rules();
        let (mut chosen, mut own): (Vec<Chosen<'_>>, Vec<Chosen<'_>>) = Default::default();
        let mut wrong = Vec::new();
        for (name, rule) in rules {
            match name.parse::<Leg>() {
                // A field that happens to be called `inbound` is a field.
                Ok(of) if !is_target(name) => {
                    let at = base.key(name);
                    match rule {
                        Value::Object(rules) if of == leg => {
                            own.extend(
                                rules
                                    .iter()
                                    .map(|(name, rule)| (name.as_str(), at.key(name), rule)),
                            );
                        }
                        Value::Object(_) => {}
                        _ => wrong.push(at.error("must be an object of rules by target field.")),
                    }
                }
                _ => chosen.push((name, base.key(name), rule)),
            }
        }
        chosen.append(&mut own);
        let names = ("/source_fields", "/target_fields");
        Self::build(source_fields, target_fields, names, &chosen, wrong)
    }

    /// Compiles the way back of a bidirectional flow: from target to source fields, with the rules
    /// under `outbound`, keyed by the source field they fill.
    ///
    /// # Errors
    /// As [`Mapping::compile`].
    pub fn reverse(
        source_fields: &[String],
        target_fields: &[String],
        rules: &Map<String, Value>,
    ) -> Result<Self> {
        let at = Pointer::rules().key(Leg::Outbound.name());
        let own = rules.get(Leg::Outbound.name()).and_then(Value::as_object);
        let chosen: Vec<_> = own
            .into_iter()
            .flatten()
            .map(|(name, rule)| (name.as_str(), at.key(name), rule))
            .collect();
        let names = ("/target_fields", "/source_fields");
        Self::build(target_fields, source_fields, names, &chosen, Vec::new())
    }

    /// `chosen` holds rules by target; a later one for the same target wins.
    fn build(
        sources: &[String],
        targets: &[String],
        (sources_at, targets_at): (&str, &str),
        chosen: &[Chosen<'_>],
        mut wrong: Vec<FieldError>,
    ) -> Result<Self> {
        if sources.len() != targets.len() {
            let detail = format!(
                "source_fields has {} entries and target_fields {}: they pair up by position, so \
                 give both the same length.",
                sources.len(),
                targets.len()
            );
            return Err(Error::new(Code::BadRequest, detail));
        }
        if sources.len() > MAX_FIELDS {
            return Err(Error::invalid(targets_at, format!("at most {MAX_FIELDS} fields.")));
        }
        let mut fields: Vec<FieldMap> = Vec::with_capacity(sources.len());
        for (index, (source, target)) in sources.iter().zip(targets).enumerate() {
            for (name, list) in [(source, sources_at), (target, targets_at)] {
                if name.trim().is_empty() || name.len() > MAX_FIELD_BYTES {
                    let message = format!("must be 1 to {MAX_FIELD_BYTES} bytes.");
                    wrong.push(FieldError { field: format!("{list}/{index}"), message });
                }
            }
            if fields.iter().any(|field| field.target == *target) {
                let message = format!("`{target}` is filled twice.");
                wrong.push(FieldError { field: format!("{targets_at}/{index}"), message });
            }
            fields.push(FieldMap {
                source: SourcePath::new(source),
                target: target.clone(),
                steps: Vec::new(),
            });
        }
        for (name, at, rule) in chosen {
            let Some(field) = fields.iter_mut().find(|field| field.target == *name) else {
                wrong.push(at.error(&unknown_target(name, targets)));
                continue;
            };
            match rule::steps(rule, at) {
                Ok(steps) => field.steps = steps,
                Err(errors) => wrong.extend(errors),
            }
        }
        let mut redacted: Vec<&str> = Vec::new();
        for field in fields.iter().filter(|field| field.redaction().is_some()) {
            let source = field.source.name();
            if redacted.contains(&source) {
                let message = format!("`{source}` is redacted twice.");
                wrong.push(Pointer::rules().key(&field.target).error(&message));
            }
            redacted.push(source);
        }
        let redacted = !redacted.is_empty();
        if wrong.is_empty() {
            Ok(Self { fields, redacted })
        } else {
            Err(Error::invalid_fields(wrong))
        }
    }

    /// The names of the salts that hash rules need, each once.
    pub fn salts(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.fields.iter().flat_map(|field| &field.steps).filter_map(Step::salt).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Supplies the values of salts; a row that needs one that is missing fails.
    pub fn bind_salts(&mut self, find: impl Fn(&str) -> Option<Vec<u8>>) {
        for step in self.fields.iter_mut().flat_map(|field| &mut field.steps) {
            if let Some(value) = step.salt().and_then(&find) {
                step.bind_salt(value);
            }
        }
    }

    /// The source fields, in their order.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.source.name())
    }

    /// Maps one record.
    ///
    /// # Errors
    /// Every field of the row that failed, by target field.
    pub fn apply(&self, record: &Value) -> Result<Map<String, Value>, Vec<FieldError>> {
        if !self.redacted {
            return self.apply_redacted(record);
        }
        let mut record = record.clone();
        self.redact(&mut record)?;
        self.apply_redacted(&record)
    }

    /// Maps a record from which [`Self::redact`] has taken what is redacted.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_redacted(&self, record: &Value) -> Result<Map<String, Value>, Vec<FieldError>> {
        let mut row = Map::new();
        let mut wrong = Vec::new();
        for field in &self.fields {
            match field.map(record) {
                Ok(Some(value)) => {
                    row.insert(field.target.clone(), value);
                }
                Ok(None) => {}
                Err(message) => wrong.push(FieldError { field: field.target.clone(), message }),
            }
        }
        if wrong.is_empty() { Ok(row) } else { Err(wrong) }
    }

    /// Maps one record and tells for every field what happened at each step. Of what is redacted it
    /// tells what is left.
    pub fn test(&self, record: &Value) -> Vec<FieldResult> {
        let mut left = record.clone();
        let wrong = self.redact(&mut left).err().unwrap_or_default();
        let explain = |field: &FieldMap| {
            let mut result = field.explain(&left);
            if let Some(error) = wrong.iter().find(|error| error.field == field.target) {
                (result.output, result.error) = (None, Some(error.message.clone()));
            }
            result
        };
        self.fields.iter().map(explain).collect()
    }
}

fn unknown_target(name: &str, targets: &[String]) -> String {
    const SHOWN: usize = 12;
    let listed: Vec<_> = targets.iter().take(SHOWN).map(String::as_str).collect();
    let more = if targets.len() > SHOWN { ", ..." } else { "" };
    let name: String = name.chars().take(60).collect();
    format!("`{name}` is not a target field; they are: {}{more}.", listed.join(", "))
}

#[cfg(test)]
mod tests;
