//! What starts a workflow: a trigger's `config`, read as its type understands it.
//!
//! | type | starts a run |
//! |---|---|
//! | `manual` | when someone asks for it |
//! | `webhook` | when a provider, or whoever knows the secret of its own address, calls |
//! | `schedule` | by the clock |
//! | `condition` | when an expression on records turns true |
//! | `event` | when something happens inside Connectus |
//! | `workflow` | when a run of another workflow ends |
//!
//! With any of them, `dedupe` names a run: a second one of the same name is not started.

mod condition;
mod endpoint;
mod watch;

use serde_json::{Map, Value};

pub use self::{
    condition::{Condition, Holding, Source},
    endpoint::{ANSWER_WITHIN, Endpoint, MAX_ANSWER_WITHIN, Respond, Signature},
    watch::{Ending, EventWatch, WorkflowWatch},
};
use super::{Trigger, TriggerType};
use crate::{
    Error, Result, WorkflowId,
    canonical::Digest,
    error::FieldError,
    expr::{Expr, Path, Template},
    named::named,
    schedule::Schedule,
};

/// Most missed times that a schedule with `missed: all` makes up for at once.
pub const MAX_MADE_UP: usize = 100;
/// How late a time may be taken up by a schedule with `missed: skip`, in seconds.
pub const MISSED_AFTER_SECS: i64 = 60;
/// Most workflows in a row that may start one another.
pub const MAX_CHAIN: usize = 8;

named! {
    /// What becomes of scheduled times at which nothing could run.
    pub enum Missed as "missed" {
        /// One run makes up for all of them.
        One = "one",
        /// Each gets its run.
        All = "all",
        /// They are left out.
        Skip = "skip",
    }
}

/// A trigger's config, read.
#[derive(Debug)]
pub enum Watch {
    /// Nothing but people starts it.
    Manual,
    /// A provider's events.
    Provider,
    /// Calls to an address of its own.
    Endpoint(Endpoint),
    /// The clock.
    Schedule(Clockwork),
    /// Records that come to meet a condition.
    Condition(Box<Condition>),
    /// Events.
    Event(EventWatch),
    /// Runs of another workflow that end.
    Workflow(WorkflowWatch),
}

/// When a schedule is due and what becomes of missed times.
#[derive(Clone, Debug)]
pub struct Clockwork {
    /// When it is due.
    pub schedule: Schedule,
    /// What becomes of missed times.
    pub missed: Missed,
}

impl Trigger {
    /// Reads the config. `zone` is the time zone when it names none; `spread_by` identifies the
    /// workflow, see [`Schedule::parse`].
    ///
    /// # Errors
    /// `invalid` naming what is wrong by JSON pointer.
    pub fn watch(&self, zone: &str, spread_by: &str) -> Result<Watch> {
        self.read(zone, spread_by).map_err(|error| {
            if error.fields.is_empty() {
                return Error::invalid("/trigger/config", error.detail);
            }
            let fields = error.fields.into_iter().map(|fault| FieldError {
                field: format!("/trigger/config/{}", fault.field.trim_start_matches('/')),
                message: fault.message,
            });
            Error::invalid_fields(fields.collect())
        })
    }

    fn read(&self, zone: &str, spread_by: &str) -> Result<Watch> {
        dedupe_template(&self.config)?;
        let config = &self.config;
        Ok(match self.kind {
            TriggerType::Manual => Watch::Manual,
            TriggerType::Webhook => match config.get("endpoint") {
                None => Watch::Provider,
                Some(endpoint) => Watch::Endpoint(Endpoint::read(endpoint)?),
            },
            TriggerType::Schedule => Watch::Schedule(clockwork(config, zone, spread_by)?),
            TriggerType::Condition => {
                Watch::Condition(Box::new(Condition::read(config, zone, spread_by)?))
            }
            TriggerType::Event => Watch::Event(EventWatch::read(config)?),
            TriggerType::Workflow => Watch::Workflow(WorkflowWatch::read(config)?),
        })
    }

    /// Reads the config of a schedule only; nothing for other triggers.
    ///
    /// # Errors
    /// As [`Trigger::watch`].
    pub fn schedule(&self, zone: &str, spread_by: &str) -> Result<Option<Clockwork>> {
        match self.kind {
            TriggerType::Schedule => clockwork(&self.config, zone, spread_by).map(Some),
            TriggerType::Condition => {
                let schedule = Condition::schedule_of(&self.config, zone, spread_by)?;
                Ok(Some(Clockwork { schedule, missed: Missed::One }))
            }
            _ => Ok(None),
        }
    }
}

/// A member that holds a text.
fn text<'a>(config: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    config.get(name).and_then(Value::as_str)
}

/// The text of a schedule, in whichever member it stands.
fn schedule_text(config: &Map<String, Value>) -> Option<String> {
    let plain = ["schedule", "cron", "frequency"].into_iter().find_map(|name| text(config, name));
    plain.map(str::to_owned).or_else(|| {
        let every = text(config, "every")?;
        Some(format!("every {}", every.trim_start_matches("every ")))
    })
}

fn clockwork(config: &Map<String, Value>, zone: &str, spread_by: &str) -> Result<Clockwork> {
    let Some(schedule) = schedule_text(config) else {
        let message = "name one: hourly, daily, weekly, `every 15m` or a cron pattern";
        return Err(Error::invalid("schedule", message));
    };
    let zone = text(config, "timezone").unwrap_or(zone);
    let missed = match config.get("missed") {
        None => Missed::One,
        Some(missed) => missed.as_str().unwrap_or_default().parse()?,
    };
    let schedule = Schedule::parse(&schedule, zone, spread_by).map_err(of_schedule)?;
    Ok(Clockwork { schedule, missed })
}

/// A schedule is called by its name in a data flow; here it has another one.
fn of_schedule(mut error: Error) -> Error {
    for fault in &mut error.fields {
        if fault.field == "sync_frequency" {
            "schedule".clone_into(&mut fault.field);
        }
    }
    error
}

fn dedupe_template(config: &Map<String, Value>) -> Result<Option<Template>> {
    let Some(source) = config.get("dedupe") else { return Ok(None) };
    let fault = |message: String| Error::invalid("dedupe", message);
    let Some(source) = source.as_str().filter(|source| !source.trim().is_empty()) else {
        return Err(fault("must be a template such as \"{{ trigger.order_id }}\"".to_owned()));
    };
    let template = Template::compile(source).map_err(|error| fault(error.detail))?;
    if template.exprs().next().is_none() {
        return Err(fault(
            "is the same for every run; name what tells two apart, as \"{{ trigger.id }}\""
                .to_owned(),
        ));
    }
    only(&template.exprs().collect::<Vec<_>>(), &["trigger", "input"]).map_err(fault)?;
    Ok(Some(template))
}

/// Refuses expressions that use other names than these.
pub(super) fn only(exprs: &[&Expr], names: &[&str]) -> Result<(), String> {
    let paths = exprs.iter().flat_map(|expr| expr.paths());
    let unknown = paths.map(Path::root).find(|root| !names.contains(root));
    match unknown {
        None => Ok(()),
        Some(root) => Err(format!("`{root}` is unknown here; there is {}", names.join(", "))),
    }
}

/// The dedupe key of a run with this input, where the trigger's config names runs. A name that
/// comes out empty or null names none.
///
/// # Errors
/// `invalid` when the template cannot be filled in from this input.
pub fn dedupe_key(
    config: &Map<String, Value>,
    workflow: &WorkflowId,
    input: &Value,
) -> Result<Option<String>> {
    let Some(template) = dedupe_template(config)? else { return Ok(None) };
    let name = template.render(&[("trigger", input), ("input", input)])?;
    let name = match name {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(Some(format!("named:{workflow}:{}", Digest::of(name.as_bytes()))))
}

#[cfg(test)]
mod tests;
