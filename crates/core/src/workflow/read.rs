//! Reading a definition: from JSON to types, naming every fault by JSON pointer.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Branch, Call, Case, Concurrency, DEFINITION_VERSION, Definition, ForEach, Kind, MAX_DEPTH,
    Parallel, RetryPolicy, Span, Step, Switch, Trigger, typed::Fields,
};
use crate::{
    Error, Result,
    error::FieldError,
    queue::{Holds, MAX_PRIORITY, QUEUES, Queue},
};

/// The members every step may have, whatever its type.
const COMMON: [&str; 10] = [
    "id",
    "name",
    "when",
    "retry",
    "timeout",
    "continue_on_error",
    "on_error",
    "skip",
    "compensate",
    "type",
];

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDefinition {
    version: u32,
    name: String,
    description: Option<String>,
    queue: Option<String>,
    #[serde(default)]
    priority: i64,
    concurrency: Option<Concurrency>,
    #[serde(default = "Trigger::manual")]
    trigger: Trigger,
    #[serde(default)]
    inputs: Fields,
    #[serde(default)]
    outputs: Fields,
    #[serde(default)]
    vars: Map<String, Value>,
    steps: Vec<Value>,
    output: Option<Value>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    id: String,
    name: Option<String>,
    r#type: String,
    when: Option<String>,
    retry: Option<RetryPolicy>,
    timeout: Option<Span>,
    #[serde(default)]
    continue_on_error: bool,
    #[serde(default)]
    on_error: Vec<Value>,
    #[serde(default)]
    skip: bool,
    compensate: Option<Call>,
}

pub(super) fn definition(value: &Value) -> Result<Definition> {
    let mut reader = Reader::default();
    // The version first: what follows can only be read by its rules.
    if let Some(version) =
        value.get("version").filter(|v| v.as_u64() != Some(DEFINITION_VERSION.into()))
    {
        let message = format!("is {version}; this version of Connectus reads {DEFINITION_VERSION}");
        return Err(Error::invalid("/version", message));
    }
    let raw: Option<RawDefinition> = reader.take("", value);
    let Some(raw) = raw else { return Err(Error::invalid_fields(reader.faults)) };
    reader.queue(raw.queue.as_deref());
    reader.admission(raw.priority, raw.concurrency.as_ref());
    let steps = reader.steps("/steps", raw.steps, MAX_DEPTH);
    if reader.faults.is_empty() {
        return Ok(Definition {
            version: raw.version,
            name: raw.name,
            description: raw.description,
            queue: raw.queue,
            priority: raw.priority,
            concurrency: raw.concurrency,
            trigger: raw.trigger,
            inputs: raw.inputs,
            outputs: raw.outputs,
            vars: raw.vars,
            steps,
            output: raw.output,
        });
    }
    Err(Error::invalid_fields(reader.faults))
}

#[derive(Default)]
struct Reader {
    faults: Vec<FieldError>,
}

impl Reader {
    fn queue(&mut self, name: Option<&str>) {
        let takes = |queue: &&Queue| queue.holds == Holds::Workflows;
        let mut names = QUEUES.iter().filter(takes).map(|queue| queue.name);
        let Some(name) = name.filter(|name| !names.clone().any(|known| known == *name)) else {
            return;
        };
        let first = names.next().unwrap_or_default().to_owned();
        let names = names.fold(first, |list, name| format!("{list}, {name}"));
        let message = format!("is `{name}`; it must be one of {names}");
        self.faults.push(FieldError { field: "/queue".to_owned(), message });
    }

    fn admission(&mut self, priority: i64, concurrency: Option<&Concurrency>) {
        if !(-MAX_PRIORITY..=MAX_PRIORITY).contains(&priority) {
            self.fault("/priority", format!("must be from -{MAX_PRIORITY} to {MAX_PRIORITY}"));
        }
        if let Some((member, message)) = concurrency.and_then(Concurrency::fault) {
            self.fault(format!("/concurrency/{member}"), message);
        }
    }

    fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.push(FieldError { field: field.into(), message: message.into() });
    }

    /// Reads one type at a pointer; a fault inside names its own place.
    fn take<T: DeserializeOwned>(&mut self, at: &str, value: &Value) -> Option<T> {
        serde_path_to_error::deserialize(value)
            .map_err(|error| {
                let inside: String = error
                    .path()
                    .iter()
                    .filter_map(|segment| match segment {
                        serde_path_to_error::Segment::Seq { index } => Some(format!("/{index}")),
                        serde_path_to_error::Segment::Map { key } => Some(format!("/{key}")),
                        _ => None,
                    })
                    .collect();
                self.fault(format!("{at}{inside}"), error.into_inner().to_string());
            })
            .ok()
    }

    fn steps(&mut self, at: &str, steps: Vec<Value>, depth: usize) -> Vec<Step> {
        if steps.is_empty() {
            return Vec::new();
        }
        let Some(depth) = depth.checked_sub(1) else {
            self.fault(at, format!("steps are nested deeper than {MAX_DEPTH} levels"));
            return Vec::new();
        };
        steps
            .into_iter()
            .enumerate()
            .filter_map(|(index, step)| self.step(&format!("{at}/{index}"), step, depth))
            .collect()
    }

    fn step(&mut self, at: &str, step: Value, depth: usize) -> Option<Step> {
        let Value::Object(members) = step else {
            self.fault(at, "a step is an object with `id` and `type`");
            return None;
        };
        let (common, own): (Map<String, Value>, Map<String, Value>) =
            members.into_iter().partition(|(key, _)| COMMON.contains(&key.as_str()));
        let raw: RawStep = self.take(at, &Value::Object(common))?;
        let kind = self.kind(at, &raw.r#type, &Value::Object(own), depth)?;
        Some(Step {
            id: raw.id,
            name: raw.name,
            kind,
            when: raw.when,
            retry: raw.retry,
            timeout: raw.timeout,
            continue_on_error: raw.continue_on_error,
            on_error: self.steps(&format!("{at}/on_error"), raw.on_error, depth),
            skip: raw.skip,
            compensate: raw.compensate,
        })
    }

    fn kind(&mut self, at: &str, name: &str, own: &Value, depth: usize) -> Option<Kind<Step>> {
        Some(match name {
            "action" => Kind::Action(self.take(at, own)?),
            "branch" => {
                let raw: Branch<Value> = self.take(at, own)?;
                Kind::Branch(Branch {
                    condition: raw.condition,
                    then: self.steps(&format!("{at}/then"), raw.then, depth),
                    r#else: self.steps(&format!("{at}/else"), raw.r#else, depth),
                })
            }
            "switch" => {
                let raw: Switch<Value> = self.take(at, own)?;
                let cases = raw.cases.into_iter().enumerate();
                Kind::Switch(Switch {
                    cases: cases
                        .map(|(i, case)| Case {
                            when: case.when,
                            steps: self.steps(&format!("{at}/cases/{i}/steps"), case.steps, depth),
                        })
                        .collect(),
                    default: self.steps(&format!("{at}/default"), raw.default, depth),
                })
            }
            "parallel" => {
                let raw: Parallel<Value> = self.take(at, own)?;
                let branches = raw.branches.into_iter().enumerate();
                Kind::Parallel(Parallel {
                    wait_for: raw.wait_for,
                    branches: branches
                        .map(|(i, steps)| self.steps(&format!("{at}/branches/{i}"), steps, depth))
                        .collect(),
                })
            }
            "for_each" => {
                let raw: ForEach<Value> = self.take(at, own)?;
                Kind::ForEach(ForEach {
                    items: raw.items,
                    r#as: raw.r#as,
                    concurrency: raw.concurrency,
                    steps: self.steps(&format!("{at}/steps"), raw.steps, depth),
                })
            }
            "wait" => Kind::Wait(self.take(at, own)?),
            "approval" => Kind::Approval(self.take(at, own)?),
            "set" => Kind::Set(self.take(at, own)?),
            "fail" => Kind::Fail(self.take(at, own)?),
            "stop" => Kind::Stop(self.take(at, own)?),
            "workflow" => Kind::Workflow(self.take(at, own)?),
            "restart" => Kind::Restart(self.take(at, own)?),
            unknown => {
                let known = Kind::<Step>::TYPES.join(", ");
                self.fault(format!("{at}/type"), format!("`{unknown}` is none of {known}"));
                return None;
            }
        })
    }
}
