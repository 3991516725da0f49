//! A run that starts over: the same run, an empty history, the next generation.

use connectus_core::{
    Error, Result,
    workflow::{Event, Interp},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Batch, Session};

/// What a generation after the first began with, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Continued {
    /// The version of this form.
    v: u32,
    pub generation: u32,
    pub input: Value,
}

impl Continued {
    /// Reads what was stored.
    pub fn read(stored: Value) -> Result<Self> {
        let continued: Self = serde_json::from_value(stored).map_err(Error::internal)?;
        match continued.v {
            1 => Ok(continued),
            later => Err(Error::internal(format!(
                "generation of version {later}; this program reads version 1"
            ))),
        }
    }
}

impl Session {
    /// Begins a generation.
    pub(super) fn begin_generation(&mut self, batch: &mut Batch) {
        let seed = u64::from_le_bytes(self.job.parts.env().random());
        self.learn(batch, Event::Started { seed, generation: self.generation });
    }

    /// Starts the run over. What the batch has learnt so far is history and not kept; signals that
    /// nobody has asked for yet go on to the next generation.
    pub(super) fn start_over(&mut self, batch: &mut Batch, input: Value) {
        self.generation += 1;
        let kept: Vec<(String, Value)> = self
            .interp
            .kept_signals()
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        let version = self.job.run.interp_version;
        self.interp = Interp::of_version(version, self.program.clone(), input.clone());
        self.seq = 0;
        self.position = 0;
        batch.entries.clear();
        batch.continued = Some(Continued { v: 1, generation: self.generation, input });
        self.begin_generation(batch);
        for (name, value) in kept {
            self.learn(batch, Event::Signalled { name, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_stored_form_stays_readable() {
        let stored = json!({ "v": 1, "generation": 2, "input": { "n": 3 } });
        let read = Continued::read(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), stored);
        assert!(Continued::read(json!({ "v": 2, "generation": 2, "input": 1 })).is_err());
        assert!(Continued::read(json!(7)).is_err());
    }
}
