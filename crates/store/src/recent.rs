//! The newest events in memory, so that those who follow them closely need not read what was
//! written a moment ago. The table is the truth; here is what it would say.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use connectus_core::{TenantId, event::Event};

/// Events kept at most, of all tenants: twice what handlers take in at once. More would only push
/// what is worked with out of the processor's caches.
const KEPT: usize = 2_048;

/// The newest events of each tenant.
#[derive(Default)]
pub(crate) struct Recent {
    /// Without gaps: each tenant's events up to the newest one this process knows.
    tenants: HashMap<TenantId, VecDeque<Arc<Event>>>,
    /// Whose event is the oldest, and so on.
    order: VecDeque<TenantId>,
}

impl Recent {
    /// Notes an event that was committed.
    pub fn push(&mut self, event: Arc<Event>) {
        self.order.push_back(event.tenant.clone());
        let events = self.tenants.entry(event.tenant.clone()).or_default();
        if events.back().is_some_and(|last| last.seq + 1 != event.seq) {
            // Another process wrote what lies between, or commits were told of out of order.
            events.clear();
        }
        events.push_back(event);
        while self.order.len() > KEPT {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let Some(tenant) = self.order.pop_front() else { return };
        if let Some(events) = self.tenants.get_mut(&tenant) {
            // Of a tenant whose events had a gap, the place may count for none.
            events.pop_front();
            if events.is_empty() {
                self.tenants.remove(&tenant);
            }
        }
    }

    /// The events of a tenant right after a position, `limit` at most; `None` where the table must
    /// be asked.
    pub fn after(&self, tenant: &TenantId, seq: u64, limit: usize) -> Option<Vec<Arc<Event>>> {
        let events = self.tenants.get(tenant)?;
        let skipped = (seq + 1).checked_sub(events.front()?.seq)?;
        let next = events.range(usize::try_from(skipped).ok().filter(|at| *at < events.len())?..);
        Some(next.take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use connectus_core::{
        EventId, Timestamp,
        event::{Detail, EventType},
    };

    use super::*;

    fn event(tenant: &str, seq: u64) -> Arc<Event> {
        Arc::new(Event {
            seq,
            id: EventId::trusted("evt_1"),
            tenant: TenantId::trusted(tenant),
            kind: EventType::RunCreated,
            subject: String::new(),
            data: Detail::default(),
            at: Timestamp::default(),
        })
    }

    fn after(recent: &Recent, tenant: &str, seq: u64) -> Option<Vec<u64>> {
        let found = recent.after(&TenantId::trusted(tenant), seq, 3)?;
        Some(found.iter().map(|event| event.seq).collect())
    }

    #[test]
    fn what_follows_is_known_as_far_back_as_nothing_is_missing() {
        let mut recent = Recent::default();
        (5..=9).for_each(|seq| recent.push(event("a", seq)));
        recent.push(event("b", 1));
        assert_eq!(after(&recent, "a", 4), Some(vec![5, 6, 7]));
        assert_eq!(after(&recent, "a", 8), Some(vec![9]));
        assert_eq!(after(&recent, "a", 3), None, "4 is in the table only");
        assert_eq!(after(&recent, "a", 9), None, "nothing known comes next");
        assert_eq!(after(&recent, "c", 0), None);
        recent.push(event("a", 12));
        assert_eq!(after(&recent, "a", 9), None, "10 was written by someone else");
        assert_eq!(after(&recent, "a", 11), Some(vec![12]));
        recent.push(event("a", 10));
        assert_eq!(after(&recent, "a", 11), None, "told of out of order");
        assert_eq!(after(&recent, "b", 0), Some(vec![1]));
    }

    #[test]
    fn a_flood_keeps_its_newest_events() {
        let mut recent = Recent::default();
        recent.push(event("calm", 1));
        let many = u64::try_from(KEPT).unwrap() + 10;
        (1..=many).for_each(|seq| recent.push(event("flood", seq)));
        assert_eq!(after(&recent, "flood", many - 1), Some(vec![many]));
        assert_eq!(after(&recent, "flood", 1), None);
        assert_eq!(after(&recent, "calm", 0), None);
        assert_eq!((recent.tenants.len(), recent.order.len()), (1, KEPT));
    }
}
