//! What the expressions of a run can see.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use super::RunError;
use crate::{
    Result, Timestamp,
    expr::{Expr, Interpolation, Scope, Template, weight},
    workflow::{MAX_EARLY_SIGNALS, MAX_RESULT_BYTES},
};

/// Identifies an [`Env`]; 0 is the run itself.
pub(super) type EnvId = u32;

/// Everything a run knows.
#[derive(Debug)]
pub(super) struct Data {
    input: Value,
    run: Value,
    vars: Value,
    envs: BTreeMap<EnvId, Env>,
    next_env: EnvId,
    result_bytes: usize,
    early_signals: BTreeMap<String, VecDeque<Value>>,
    early_count: usize,
}

/// The names of one place: the run, or one iteration of a loop.
#[derive(Debug, Default)]
struct Env {
    parent: Option<EnvId>,
    /// Begins the paths of the steps in here: `each[3].`.
    prefix: String,
    item: Value,
    index: Value,
    alias: Option<Box<str>>,
    /// Whether this names paths only: what is in here belongs to the place around it.
    attempt: bool,
    steps: BTreeMap<Arc<str>, Value>,
}

impl Data {
    pub(super) fn new(input: Value, vars: Map<String, Value>) -> Self {
        Self {
            input,
            run: Value::Null,
            vars: Value::Object(vars),
            envs: BTreeMap::from([(0, Env::default())]),
            next_env: 1,
            result_bytes: 0,
            early_signals: BTreeMap::new(),
            early_count: 0,
        }
    }

    pub(super) fn begin(&mut self, at: Timestamp, seed: u64, generation: u32) {
        self.run = json!({"started_at": at, "seed": seed, "generation": generation});
    }

    /// Opens the names of an iteration.
    pub(super) fn open(
        &mut self,
        parent: EnvId,
        prefix: String,
        item: Value,
        index: usize,
        alias: Option<Box<str>>,
    ) -> EnvId {
        let id = self.next_env;
        self.next_env += 1;
        let env = Env {
            parent: Some(parent),
            prefix,
            item,
            index: index.into(),
            alias,
            attempt: false,
            steps: BTreeMap::new(),
        };
        self.envs.insert(id, env);
        id
    }

    /// Opens the paths of a further attempt at a step: `block#2.`.
    pub(super) fn open_attempt(&mut self, parent: EnvId, prefix: String) -> EnvId {
        let id = self.next_env;
        self.next_env += 1;
        let env = Env { parent: Some(parent), prefix, attempt: true, ..Env::default() };
        self.envs.insert(id, env);
        id
    }

    /// Where what steps in a place make is kept.
    fn home(&self, mut env: EnvId) -> EnvId {
        while let Some(Env { attempt: true, parent: Some(parent), .. }) = self.envs.get(&env) {
            env = *parent;
        }
        env
    }

    /// Forgets how steps of a place ended.
    pub(super) fn forget(&mut self, env: EnvId, ids: &[Box<str>]) {
        let home = self.home(env);
        let Some(env) = self.envs.get_mut(&home) else { return };
        for entry in ids.iter().filter_map(|id| env.steps.remove(&**id)) {
            self.result_bytes = self.result_bytes.saturating_sub(weight(&entry));
        }
    }

    /// The run's random number.
    pub(super) fn seed(&self) -> u64 {
        self.run.get("seed").and_then(Value::as_u64).unwrap_or(0)
    }

    pub(super) fn close(&mut self, env: EnvId) {
        if env != 0 {
            self.envs.remove(&env);
        }
    }

    /// Closes every iteration that is neither in `used` nor around one that is.
    pub(super) fn close_unused(&mut self, used: impl Iterator<Item = EnvId>) {
        let mut keep = std::collections::BTreeSet::from([0]);
        for env in used {
            let mut next = Some(env);
            while let Some(id) = next.filter(|id| keep.insert(*id)) {
                next = self.envs.get(&id).and_then(|env| env.parent);
            }
        }
        self.envs.retain(|id, _| keep.contains(id));
    }

    /// The path of a step in a place.
    pub(super) fn path(&self, env: EnvId, id: &str) -> String {
        self.envs.get(&env).map_or_else(|| id.to_owned(), |env| format!("{}{id}", env.prefix))
    }

    /// Records how a step ended, for later expressions.
    pub(super) fn record(
        &mut self,
        env: EnvId,
        id: &str,
        outcome: &Result<Value, RunError>,
    ) -> Result<(), RunError> {
        let entry = match outcome {
            Ok(output) => json!({"status": "completed", "output": output}),
            Err(error) => json!({"status": "failed", "output": null, "error": {
                "code": error.failure.code, "message": error.failure.message,
            }}),
        };
        self.put(env, id, entry)
    }

    pub(super) fn record_skipped(&mut self, env: EnvId, id: &str) -> Result<(), RunError> {
        self.put(env, id, json!({"status": "skipped", "output": null}))
    }

    fn put(&mut self, env: EnvId, id: &str, entry: Value) -> Result<(), RunError> {
        self.result_bytes = self.result_bytes.saturating_add(weight(&entry));
        let home = self.home(env);
        if let Some(env) = self.envs.get_mut(&home) {
            env.steps.insert(id.into(), entry);
        }
        if self.result_bytes > MAX_RESULT_BYTES {
            let message = format!(
                "The results of the steps are together larger than {MAX_RESULT_BYTES} bytes; \
                 keep large data in a collection and pass its ids."
            );
            return Err(RunError::new("limit", message));
        }
        Ok(())
    }

    pub(super) fn set_vars(&mut self, values: &Value) {
        if let (Value::Object(vars), Value::Object(values)) = (&mut self.vars, values) {
            vars.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }

    /// Keeps a signal nobody waits for yet.
    pub(super) fn keep_signal(&mut self, name: String, value: Value) {
        if self.early_count < MAX_EARLY_SIGNALS {
            self.early_count += 1;
            self.early_signals.entry(name).or_default().push_back(value);
        }
    }

    /// The kept signals, by name, oldest first.
    pub(super) fn kept_signals(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.early_signals
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name.as_str(), value)))
    }

    /// Takes the oldest kept signal of a name.
    pub(super) fn take_signal(&mut self, name: &str) -> Option<Value> {
        let value = self.early_signals.get_mut(name)?.pop_front()?;
        self.early_count -= 1;
        Some(value)
    }

    /// What expressions see as `run`, `input` and `vars`.
    pub(super) fn seen(&self) -> (&Value, &Value, &Value) {
        (&self.run, &self.input, &self.vars)
    }

    /// How steps ended that expressions can see, by path.
    pub(super) fn ended(&self) -> impl Iterator<Item = (String, &Value)> {
        let of = |env: &'_ Env, id: &str| format!("{}{id}", env.prefix);
        self.envs
            .values()
            .flat_map(move |env| env.steps.iter().map(move |(id, ended)| (of(env, id), ended)))
    }

    pub(super) fn test(&self, env: EnvId, expr: &Expr) -> Result<bool, RunError> {
        expr.test(&View { data: self, env }).map_err(refused)
    }

    pub(super) fn eval(&self, env: EnvId, expr: &Expr) -> Result<Value, RunError> {
        expr.eval(&View { data: self, env }).map_err(refused)
    }

    pub(super) fn fill(&self, env: EnvId, structure: &Interpolation) -> Result<Value, RunError> {
        structure.render(&View { data: self, env }).map_err(refused)
    }

    /// Fills in a template that must give a text.
    pub(super) fn text(&self, env: EnvId, template: &Template) -> Result<String, RunError> {
        match template.render(&View { data: self, env }).map_err(refused)? {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }
}

fn refused(error: crate::Error) -> RunError {
    RunError::new("expression", error.detail)
}

/// A [`Data`] as seen from one place.
struct View<'a> {
    data: &'a Data,
    env: EnvId,
}

impl<'a> View<'a> {
    /// This place and those around it, inside out.
    fn envs(&self) -> impl Iterator<Item = &'a Env> {
        let data = self.data;
        let start = data.envs.get(&self.env);
        std::iter::successors(start, |env| data.envs.get(&env.parent?))
    }

    fn iteration(&self) -> Option<&'a Env> {
        self.envs().find(|env| !env.attempt).filter(|env| env.parent.is_some())
    }
}

impl Scope for View<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        match name {
            "trigger" | "input" => Some(&self.data.input),
            "vars" => Some(&self.data.vars),
            "run" => Some(&self.data.run),
            "item" => self.iteration().map(|env| &env.item),
            "index" => self.iteration().map(|env| &env.index),
            _ => {
                let named = |env: &&Env| env.alias.as_deref() == Some(name);
                self.envs().find(named).map(|env| &env.item)
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        let mut names = vec!["trigger", "input", "steps", "vars", "run"];
        if self.iteration().is_some() {
            names.extend(["item", "index"]);
        }
        names.extend(self.envs().filter_map(|env| env.alias.as_deref()));
        names
    }

    fn member(&self, name: &str, member: &str) -> Option<&Value> {
        if name == "steps" {
            return self.envs().find_map(|env| env.steps.get(member));
        }
        self.get(name)?.get(member)
    }

    fn member_names(&self, name: &str) -> Option<Vec<&str>> {
        (name == "steps")
            .then(|| self.envs().flat_map(|env| env.steps.keys()).map(|id| &**id).collect())
    }
}
