//! Data flows end to end: the HubSpot fake on one side, a collection on the other.

mod conflicts;
mod editing;
mod faults;
mod inbound;
mod rejected;
mod rig;
mod schedules;
