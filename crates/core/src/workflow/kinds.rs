//! What a step can do: one type per kind.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::{Call, Span};

/// What a step does. `S` is a [`Step`]; while reading it is still JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind<S> {
    /// Calls an action.
    Action(Call),
    /// Goes one of two ways.
    Branch(Branch<S>),
    /// Goes the first of several ways whose condition is true.
    Switch(Switch<S>),
    /// Goes several ways at once and waits for all, or for enough of them.
    Parallel(Parallel<S>),
    /// Repeats steps for every item of a list.
    ForEach(ForEach<S>),
    /// Waits for a time or a signal.
    Wait(Wait),
    /// Waits for a person's yes or no.
    Approval(Approval),
    /// Sets variables.
    Set(Set),
    /// Ends the run as failed.
    Fail(Fail),
    /// Ends the run as completed.
    Stop(Stop),
    /// Runs another workflow and waits for it.
    Workflow(SubWorkflow),
    /// Starts the run over with a new input and an empty history.
    Restart(Restart),
}

impl<S> Kind<S> {
    /// All types, as written.
    pub const TYPES: [&'static str; 12] = [
        "action", "branch", "switch", "parallel", "for_each", "wait", "approval", "set", "fail",
        "stop", "workflow", "restart",
    ];
}

impl<S> Kind<S> {
    /// The type, as written.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Action(_) => "action",
            Self::Branch(_) => "branch",
            Self::Switch(_) => "switch",
            Self::Parallel(_) => "parallel",
            Self::ForEach(_) => "for_each",
            Self::Wait(_) => "wait",
            Self::Approval(_) => "approval",
            Self::Set(_) => "set",
            Self::Fail(_) => "fail",
            Self::Stop(_) => "stop",
            Self::Workflow(_) => "workflow",
            Self::Restart(_) => "restart",
        }
    }

    /// Why it cannot be done again when it fails, if it cannot.
    pub const fn refuses_retry(&self) -> Option<&'static str> {
        match self {
            Self::Set(_) => Some("cannot be retried: it gives the same each time"),
            Self::Fail(_) => Some("cannot be retried: failing is what it is for"),
            Self::Stop(_) | Self::Restart(_) => Some("cannot be retried: it ends the run"),
            _ => None,
        }
    }

    /// Why its time cannot be limited, if it cannot.
    pub const fn refuses_timeout(&self) -> Option<&'static str> {
        match self {
            Self::Set(_) | Self::Fail(_) | Self::Stop(_) | Self::Restart(_) => {
                Some("takes no time, so there is none to limit")
            }
            _ => None,
        }
    }

    /// Why it cannot be undone, if it cannot.
    pub const fn refuses_compensate(&self) -> Option<&'static str> {
        match self {
            Self::Fail(_) => Some("never completes, so there is nothing to undo"),
            Self::Stop(_) | Self::Restart(_) => Some("ends the run, so nothing undoes it"),
            _ => None,
        }
    }
}

/// `branch`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch<S> {
    /// An expression.
    pub condition: String,
    /// Steps when it is true.
    #[serde(default = "Vec::new")]
    pub then: Vec<S>,
    /// Steps when it is false.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub r#else: Vec<S>,
}

/// `switch`: of its cases the first whose condition is true, else `default`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch<S> {
    /// The ways, in the order in which they are tried.
    pub cases: Vec<Case<S>>,
    /// Steps when no condition is true.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub default: Vec<S>,
}

/// One way of a `switch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case<S> {
    /// An expression.
    pub when: String,
    /// Steps when it is true.
    #[serde(default = "Vec::new")]
    pub steps: Vec<S>,
}

/// `parallel`. Its output is the list of the branches' last outputs, null for a branch that did not
/// come to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parallel<S> {
    /// Step lists that run at once.
    pub branches: Vec<Vec<S>>,
    /// How many of them must come to their end; the others are stopped then.
    #[serde(default, skip_serializing_if = "WaitFor::is_all")]
    pub wait_for: WaitFor,
}

/// How many branches a `parallel` waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitFor {
    /// All: when one fails, the step fails.
    #[default]
    All,
    /// The first so many, `any` being one: the step fails when too many have failed.
    First(usize),
}

impl WaitFor {
    fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// How many of these branches must come to their end.
    pub(super) fn of(self, branches: usize) -> usize {
        match self {
            Self::All => branches,
            Self::First(needed) => needed,
        }
    }
}

impl Serialize for WaitFor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::First(1) => serializer.serialize_str("any"),
            Self::First(needed) => needed.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for WaitFor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        match (value.as_str(), number) {
            (Some("all"), _) => Ok(Self::All),
            (Some("any"), _) => Ok(Self::First(1)),
            (_, Some(needed)) => Ok(Self::First(needed)),
            _ => Err(de::Error::custom("must be `all`, `any` or a number of branches")),
        }
    }
}

/// `for_each`. Its output is the list of each item's last output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForEach<S> {
    /// A list, or an expression that gives one.
    pub items: Value,
    /// The item's further name, for loops inside loops; `item` and `index` always exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#as: Option<String>,
    /// Items worked on at once.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub concurrency: usize,
    /// Steps for each item.
    pub steps: Vec<S>,
}

/// `wait`: exactly one of `for`, `until`, `signal`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wait {
    /// A length of time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#for: Option<Span>,
    /// A template that gives an RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// A template that gives a signal's name; the step's output is the signal's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Longest wait for the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// What happens then.
    #[serde(skip_serializing_if = "OnDeadline::is_default")]
    pub on_deadline: OnDeadline,
}

/// What happens when a deadline passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// The step fails with code `timeout`.
    #[default]
    Fail,
    /// The run goes on; the step's output is `{"timed_out": true}`.
    Continue,
}

impl OnDeadline {
    fn is_default(&self) -> bool {
        *self == Self::Fail
    }
}

/// `approval`: a wait for the signal `approval:<step path>` with `{"approved": bool, ...}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// What the person is asked, a template.
    pub message: String,
    /// Who may answer: e-mail addresses and roles, each role standing for those above it, too.
    /// Empty: whoever may run workflows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Longest wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// What happens then.
    #[serde(default, skip_serializing_if = "OnDeadline::is_default")]
    pub on_deadline: OnDeadline,
    /// Who is asked, too, when nobody has answered for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalate>,
    /// What a no does.
    #[serde(default, skip_serializing_if = "OnReject::is_default")]
    pub on_reject: OnReject,
}

/// Who else is asked, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalate {
    /// How long those asked first have.
    pub after: Span,
    /// Who may answer then, besides them: e-mail addresses and roles.
    pub approvers: Vec<String>,
}

/// What a person's no does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// The step fails with code `rejected`.
    #[default]
    Fail,
    /// The run goes on; `steps.<id>.output.approved` is false.
    Continue,
}

impl OnReject {
    fn is_default(&self) -> bool {
        *self == Self::Fail
    }
}

/// `set`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// Variables and their new values; every string is a template.
    pub vars: Map<String, Value>,
}

/// `fail`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    /// Why, a template.
    pub message: String,
    /// A short stable word for programs; by default `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// `stop`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stop {
    /// What the run gives back; every string is a template.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub output: Value,
}

/// `workflow`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubWorkflow {
    /// Which workflow, by id or name.
    pub workflow: String,
    /// Its input; every string is a template.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
}

/// `restart`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The new input; every string is a template.
    pub input: Value,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(count: &usize) -> bool {
    *count == 1
}
