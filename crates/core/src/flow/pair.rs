//! One record here and one at the provider that are the same thing: which of them changed since
//! they last agreed, and what follows from it.
//!
//! Each side is known by the digest of what the mapping of its way makes of it. What a write to one
//! side makes of the other is noted at once, so that it is never taken for a change when it comes
//! back; a provider that keeps another value than it was sent is taken at its word, once.

use super::{ConflictPolicy, Winner};
use crate::{canonical::Digest, time::Timestamp};

/// What is known of a pair since its sides last agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// What would be sent of the record here, when the sides last agreed; none when they never
    /// did, or when the record here is to be sent as a whole.
    pub here: Option<Digest>,
    /// What the provider's record was mapped to when it was last looked at.
    pub there: Option<Digest>,
    /// Both sides changed, and a person decides.
    pub undecided: bool,
}

/// What a record that came from the provider means for its pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It did not change.
    Same,
    /// It changed into what is here already, or was before: our own write coming back.
    Echo,
    /// It changed: it is written here.
    Take,
    /// Both changed and the record here wins: it is sent, as a whole.
    Keep,
    /// Both changed, and a person decides.
    Wait,
}

/// The sides of a pair as they are when the provider's record arrives.
#[derive(Clone, Copy, Debug)]
pub struct Sides {
    /// What the provider's record is mapped to.
    pub there: Digest,
    /// Whether writing that would change the record here.
    pub differs: bool,
    /// Whether the provider holds what the sides last agreed on, or it was last sent.
    pub settled: bool,
    /// What would be sent of the record here; none when there is no record here.
    pub here: Option<Digest>,
    /// When the provider's record changed; none when it does not say.
    pub there_changed: Option<Timestamp>,
    /// When the record here changed.
    pub here_changed: Timestamp,
}

impl Pair {
    /// Judges a record that came from the provider. `forced`: a person decided for the provider.
    pub fn arrival(&self, now: &Sides, policy: ConflictPolicy, forced: bool) -> Arrival {
        if self.there == Some(now.there) && !forced {
            return Arrival::Same;
        }
        if !now.differs || (now.settled && !forced) {
            return Arrival::Echo;
        }
        let untouched = now.here.is_none() || (self.here == now.here && !self.undecided);
        if forced || untouched {
            return Arrival::Take;
        }
        // A source that does not say when a record changed has changed it last.
        let there_changed = now.there_changed.unwrap_or(Timestamp(i64::MAX));
        match policy.decide(there_changed, now.here_changed) {
            Winner::Source => Arrival::Take,
            Winner::Target => Arrival::Keep,
            Winner::Undecided => Arrival::Wait,
        }
    }

    /// The pair after an arrival. `here` is what would be sent of the record here now.
    #[must_use]
    pub fn arrived(self, arrival: Arrival, there: Digest, here: Option<Digest>) -> Self {
        match arrival {
            Arrival::Same => Self { undecided: false, ..self },
            Arrival::Echo => {
                // Sides that agree have nothing to send each other.
                Self { here: self.here.or(here), there: Some(there), undecided: false }
            }
            Arrival::Take => Self { here, there: Some(there), undecided: false },
            Arrival::Keep => Self { here: None, there: Some(there), undecided: false },
            Arrival::Wait => Self { undecided: true, ..self },
        }
    }

    /// Whether the record here is to be sent, being `here` now.
    pub fn must_send(&self, here: Digest) -> bool {
        !self.undecided && self.here != Some(here)
    }

    /// The pair after the record here was sent.
    #[must_use]
    pub const fn sent(self, here: Digest) -> Self {
        // The provider may keep what it had: its next word is listened to in any case.
        Self { here: Some(here), there: None, ..self }
    }
}
