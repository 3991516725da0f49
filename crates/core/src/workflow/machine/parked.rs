//! Journal entries whose payload is parked: the same line with a reference in place of the value.
//!
//! Nothing here reads the value into a tree. What a line is made of when its payload is put back is
//! what was written in the first place, byte for byte.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::event::Entry;
use crate::{Error, Result, payload::Parked};

/// How lines begin that carry their payload, and those that do not.
const WHOLE: &str = r#"{"v":1,"#;
const PARKED: &str = r#"{"v":2,"#;

/// Where entries have a payload.
#[derive(Deserialize)]
struct Carried<'l> {
    #[serde(borrow)]
    output: Option<&'l RawValue>,
    #[serde(borrow)]
    value: Option<&'l RawValue>,
    #[serde(borrow)]
    result: Option<Ended<'l>>,
}

#[derive(Deserialize)]
struct Ended<'l> {
    #[serde(borrow)]
    output: Option<&'l RawValue>,
}

/// Where the payload of a line stands.
fn place(line: &str) -> Option<Range<usize>> {
    let Carried { output, value, result } = serde_json::from_str(line).ok()?;
    let payload = output.or(value).or_else(|| result?.output)?.get();
    let start = payload.as_ptr().addr().checked_sub(line.as_ptr().addr())?;
    Some(start..start + payload.len())
}

impl Entry {
    /// The payload of a journal line as its own text: the output of a step or a workflow, the value
    /// of a signal. `None` where the line carries none, or a reference.
    pub fn payload(line: &str) -> Option<&str> {
        line.starts_with(WHOLE).then(|| line.get(place(line)?)).flatten()
    }

    /// The line with a reference in place of its payload; `None` where it carries none.
    pub fn park(line: &str, parked: &Parked) -> Option<String> {
        let place = line.starts_with(WHOLE).then(|| place(line))??;
        let reference = serde_json::to_string(parked).ok()?;
        let (before, after) = (line.get(WHOLE.len()..place.start)?, line.get(place.end..)?);
        Some(format!("{PARKED}{before}{reference}{after}"))
    }

    /// The reference that a line has in place of its payload, if it has one.
    ///
    /// # Errors
    /// `internal` when the line says so and has none.
    pub fn parked(line: &str) -> Result<Option<Parked>> {
        if !line.starts_with(PARKED) {
            return Ok(None);
        }
        let reference = place(line).and_then(|place| line.get(place)).ok_or_else(broken)?;
        serde_json::from_str(reference).map(Some).map_err(|_| broken())
    }

    /// The line with its payload put back.
    ///
    /// # Errors
    /// `internal` when there is no reference to put it in place of.
    pub fn unpark(line: &str, payload: &str) -> Result<String> {
        let place = line.starts_with(PARKED).then(|| place(line)).flatten().ok_or_else(broken)?;
        let before = line.get(PARKED.len()..place.start).ok_or_else(broken)?;
        let after = line.get(place.end..).ok_or_else(broken)?;
        Ok(format!("{WHOLE}{before}{payload}{after}"))
    }

    /// Reads a line for people to look at: a payload that is parked is shown as its name and size.
    ///
    /// # Errors
    /// As [`Entry::from_json`].
    pub fn shown(line: &str) -> Result<Self> {
        match Self::parked(line)? {
            None => Self::from_json(line),
            Some(parked) => Self::from_json(&Self::unpark(line, &parked.shown().to_string())?),
        }
    }
}

fn broken() -> Error {
    Error::internal("a journal entry without the reference it says it has")
}
