//! Journal entries in words.

use connectus_core::workflow::{ChildOutcome, Event};

/// What an event is about: the path of a step, or the name of a signal.
pub fn about(event: &Event) -> Option<&str> {
    match event {
        Event::Done { id, .. }
        | Event::Failed { id, .. }
        | Event::Fired { id }
        | Event::ChildDone { id, .. } => Some(id),
        Event::Signalled { name, .. } => Some(name),
        Event::Started { .. } | Event::CancelRequested { .. } | Event::Resumed {} => None,
    }
}

/// An event in a sentence.
pub fn told(event: &Event) -> String {
    match event {
        Event::Started { generation: 0, .. } => "The run began.".to_owned(),
        Event::Started { generation, .. } => {
            format!("The run began again, for the {generation}. time.")
        }
        Event::Done { id, .. } => format!("Step `{id}` was done."),
        Event::Failed { id, error, .. } => format!("Step `{id}` failed: {}", error.message),
        Event::Fired { id } => match id.rsplit_once(':') {
            Some((step, "timeout")) => format!("The time limit of step `{step}` passed."),
            Some((step, "retry")) => format!("The next attempt at step `{step}` was due."),
            _ => format!("The time of step `{id}` came."),
        },
        Event::Resumed {} => "The run went on from here as a run of its own.".to_owned(),
        Event::Signalled { name, .. } => format!("Signal `{name}` came."),
        Event::ChildDone { id, result: ChildOutcome::Output(_) } => {
            format!("The workflow of step `{id}` completed.")
        }
        Event::ChildDone { id, result: ChildOutcome::Error(error) } => {
            format!("The workflow of step `{id}` failed: {}", error.failure.message)
        }
        Event::CancelRequested { reason: None } => "Someone asked to stop the run.".to_owned(),
        Event::CancelRequested { reason: Some(reason) } => {
            format!("Someone asked to stop the run: {reason}")
        }
    }
}
