//! The audit log: a hash chain per tenant, in which a change, a removal or a swap shows.
//!
//! Hash `i` is `SHA-256(hash i-1 | canonical form of record i)`; the hash before the first record
//! is 32 zero bytes. Whoever keeps one hash elsewhere can prove everything up to it; cutting the
//! newest records off shows only against such a kept [`Head`].

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    canonical::{self, Digest},
    id::{AuditId, TenantId},
    named::named,
    time::Timestamp,
};

/// Version of the canonical form below. A new form takes a new number; old hashes stay verifiable.
const FORM_VERSION: u32 = 1;

named! {
    /// How the audited act ended.
    pub enum Outcome as "outcome" {
        /// It was done.
        Success = "success",
        /// It was tried and failed.
        Failure = "failure",
        /// It was not allowed.
        Denied = "denied",
    }
}

/// One act: who did what to which object, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Position in the tenant's chain, from 1 and without gaps.
    pub seq: u64,
    /// The record's own identifier.
    pub id: AuditId,
    /// Whose log it is in.
    pub tenant: TenantId,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: [`Actor::label`](crate::Actor::label).
    pub actor: String,
    /// What was done: the name of an event type or a permission.
    pub action: String,
    /// The identifier of what it was done to.
    pub target: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Further facts, the request id among them; never a secret.
    pub detail: Value,
}

impl AuditRecord {
    /// The chain's hash after this record, when `previous` was the hash before it.
    pub fn hash(&self, previous: &Digest) -> Digest {
        let form = json!({
            "v": FORM_VERSION,
            "seq": self.seq,
            "id": self.id,
            "tenant": self.tenant,
            // Microseconds fit a double until the year 2255, so any JSON reader can check them.
            "at": self.at.0,
            "actor": self.actor,
            "action": self.action,
            "target": self.target,
            "outcome": self.outcome,
            "detail": self.detail,
        });
        let mut bytes = Vec::with_capacity(512);
        canonical::write(&form, &mut bytes);
        let mut hasher = Sha256::new();
        hasher.update(previous.0);
        hasher.update(&bytes);
        Digest(hasher.finalize().into())
    }
}

/// A record with its place in the chain, as a row stores them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chained {
    /// The act.
    #[serde(flatten)]
    pub record: AuditRecord,
    /// The hash before this record.
    pub previous: Digest,
    /// The hash after it.
    pub hash: Digest,
}

/// A known point of a chain. The default is the start of every chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// Position of the last record; 0 for an empty chain.
    pub seq: u64,
    /// The hash after it.
    pub hash: Digest,
}

impl Head {
    /// The chain position at which the next record goes.
    pub const fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// Appends a record, which must be numbered [`next_seq`](Self::next_seq).
    pub fn append(&mut self, record: AuditRecord) -> Chained {
        let (previous, hash) = (self.hash, record.hash(&self.hash));
        *self = Self { seq: record.seq, hash };
        Chained { record, previous, hash }
    }
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakReason {
    /// The record or its hash was changed after it was written.
    Altered,
    /// Records before this one are gone.
    Missing,
    /// The record stands where another belongs.
    OutOfOrder,
    /// The record belongs to another tenant.
    ForeignTenant,
    /// The newest records, which are known to have existed, are gone.
    Truncated,
}

/// Where a chain stops being trustworthy, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The first position that is not as it was written.
    pub seq: u64,
    /// What is wrong there.
    pub reason: BreakReason,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.reason {
            BreakReason::Altered => "was changed after it was written",
            BreakReason::Missing => "is missing",
            BreakReason::OutOfOrder => "is not where it was written",
            BreakReason::ForeignTenant => "belongs to another tenant",
            BreakReason::Truncated => "and all later ones were removed",
        };
        write!(f, "audit record {} {what}", self.seq)
    }
}

impl std::error::Error for Break {}

/// A chain that was checked from end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Records checked.
    pub records: u64,
    /// The chain's end: keep it elsewhere to prove this much later.
    pub head: Head,
}

/// Checks a chain record by record, in constant memory.
#[derive(Clone, Debug)]
pub struct Verifier {
    tenant: TenantId,
    head: Head,
    records: u64,
    expected: Option<Head>,
}

impl Verifier {
    /// Starts at a known point, `Head::default()` for the whole chain. `expected` is a head kept
    /// elsewhere, which the chain must contain.
    pub fn new(tenant: TenantId, from: Head, expected: Option<Head>) -> Self {
        Self { tenant, head: from, records: 0, expected }
    }

    /// Checks the next record.
    ///
    /// # Errors
    /// The first break; checking further makes no sense after it.
    pub fn push(&mut self, row: &Chained) -> Result<(), Break> {
        let due = self.head.next_seq();
        let record = &row.record;
        let broken = |seq, reason| Err(Break { seq, reason });
        if record.tenant != self.tenant {
            return broken(record.seq, BreakReason::ForeignTenant);
        }
        if record.seq > due {
            return broken(due, BreakReason::Missing);
        }
        if record.seq < due {
            return broken(record.seq, BreakReason::OutOfOrder);
        }
        if row.previous != self.head.hash || record.hash(&self.head.hash) != row.hash {
            return broken(due, BreakReason::Altered);
        }
        // A chain rewritten from some record on is consistent in itself; the kept head tells.
        if self.expected.is_some_and(|kept| kept.seq == due && kept.hash != row.hash) {
            return broken(due, BreakReason::Altered);
        }
        self.head = Head { seq: due, hash: row.hash };
        self.records += 1;
        Ok(())
    }

    /// Ends the check.
    ///
    /// # Errors
    /// [`BreakReason::Truncated`] when the chain ends before the expected head.
    pub fn finish(self) -> Result<Verified, Break> {
        if self.expected.is_some_and(|kept| kept.seq > self.head.seq) {
            return Err(Break { seq: self.head.next_seq(), reason: BreakReason::Truncated });
        }
        Ok(Verified { records: self.records, head: self.head })
    }
}

/// Checks a whole chain, in the order of `seq`.
///
/// # Errors
/// The first break.
pub fn verify<'a>(
    tenant: &TenantId,
    rows: impl IntoIterator<Item = &'a Chained>,
    expected: Option<Head>,
) -> Result<Verified, Break> {
    let mut verifier = Verifier::new(tenant.clone(), Head::default(), expected);
    for row in rows {
        verifier.push(row)?;
    }
    verifier.finish()
}

#[cfg(test)]
mod tests;
