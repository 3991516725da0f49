//! The event bus: who does something about events, in one list.
//!
//! The log of events is the bus. A handler stands at a position in each tenant's events and moves
//! on only in the transaction that did what the events ask for. So each takes in every event, in
//! order, whoever dies in between; what it does outside a transaction it may do twice.
//!
//! - [`HANDLERS`] is the list. [`logging`], [`figures`] and [`analytics`] are handlers.
//! - [`follow`] reads pages of events and hands them to the handlers that stand before them.
//! - [`standing`] tells how far each has come, [`rebuild`] lets one begin anew.

pub mod analytics;
mod figures;
pub mod follow;
mod logging;
pub mod rebuild;
pub mod standing;

use async_trait::async_trait;
use connectus_core::{Result, TenantCtx, event::Event};
use connectus_store::{Conn, Tx, event_cursors::Followers};

use self::analytics::Keeps;

/// Who does something about events.
pub struct Handler {
    /// Its name, in rows, figures and answers.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// Which events it does something about: names, prefixes ending in `.*`, or `*`.
    pub wants: &'static [&'static str],
    /// At whose pace.
    pub follows: Follows,
}

/// At whose pace a handler follows events.
pub enum Follows {
    /// Its own: it stands at one position in each tenant's events.
    Tenants(&'static dyn Takes),
    /// That of each of those it does it for, who have positions of their own.
    Each(Followers),
}

/// What a handler is given beside the events.
pub struct BusCx<'a> {
    /// Whose events they are.
    pub ctx: &'a TenantCtx,
    /// What the settings say.
    pub settings: BusSettings,
}

/// What a handler does about events.
#[async_trait]
pub trait Takes: Send + Sync {
    /// Takes events in, oldest first, in the transaction that moves the handler on.
    ///
    /// # Errors
    /// The handler stays where it is and tries again.
    async fn take(&self, tx: &mut Tx, cx: &BusCx<'_>, events: &[&Event]) -> Result<()>;

    /// Whether there is nothing it could do about any event of a tenant, so that nobody need read
    /// them.
    ///
    /// # Errors
    /// What the database says.
    async fn is_idle(&self, _conn: &mut Conn, _ctx: &TenantCtx) -> Result<bool> {
        Ok(false)
    }
}

/// What the settings say about events.
#[derive(Clone, Copy, Debug)]
pub struct BusSettings {
    /// Whether handlers follow events. Events are recorded in any case.
    pub enabled: bool,
    /// At which level each event is logged; none for not at all.
    pub log_level: Option<tracing::Level>,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self { enabled: true, log_level: None }
    }
}

/// All handlers. Adding one is a file and an entry here.
pub const HANDLERS: &[Handler] = &[
    Handler {
        name: "logging",
        about: "writes a log line for each event",
        wants: &["*"],
        follows: Follows::Tenants(&logging::Logging),
    },
    Handler {
        name: "metrics",
        about: "counts events, and the records of syncs, for Prometheus",
        wants: &["*"],
        follows: Follows::Tenants(&figures::Figures),
    },
    Handler {
        name: "analytics.runs",
        about: connectus_core::analytics::RUNS.about,
        wants: connectus_core::analytics::RUNS.wants,
        follows: Follows::Tenants(&Keeps(connectus_core::analytics::RUNS)),
    },
    Handler {
        name: "analytics.syncs",
        about: connectus_core::analytics::SYNCS.about,
        wants: connectus_core::analytics::SYNCS.wants,
        follows: Follows::Tenants(&Keeps(connectus_core::analytics::SYNCS)),
    },
    Handler {
        name: "analytics.events",
        about: connectus_core::analytics::EVENTS.about,
        wants: connectus_core::analytics::EVENTS.wants,
        follows: Follows::Tenants(&Keeps(connectus_core::analytics::EVENTS)),
    },
    Handler {
        name: "notifications",
        about: "gathers what people are to be told of by e-mail, in Slack and by webhook",
        wants: &["*"],
        follows: Follows::Tenants(&crate::notifications::gather::Gather),
    },
    Handler {
        name: "triggers",
        about: "starts workflows that wait for events and for the ends of runs",
        wants: &["*"],
        follows: Follows::Each(Followers::Workflows),
    },
    Handler {
        name: "webhooks",
        about: "makes deliveries for the subscriptions of outgoing webhooks",
        wants: &["*"],
        follows: Follows::Each(Followers::Subscriptions),
    },
];

/// The handler of a name.
pub fn named(name: &str) -> Option<&'static Handler> {
    HANDLERS.iter().find(|handler| handler.name == name)
}

/// The handlers that stand at one position in each tenant's events.
pub(crate) fn own_pace() -> Vec<&'static Handler> {
    HANDLERS.iter().filter(|one| matches!(one.follows, Follows::Tenants(_))).collect()
}

#[cfg(test)]
mod tests {
    use connectus_core::{analytics::PROJECTIONS, event::EventType};

    use super::*;

    #[test]
    fn names_are_unique_and_every_pattern_matches_something() {
        for (index, handler) in HANDLERS.iter().enumerate() {
            let first = HANDLERS.iter().position(|other| other.name == handler.name);
            assert_eq!(first, Some(index), "{}", handler.name);
            for pattern in handler.wants {
                let any = EventType::ALL.iter().any(|kind| kind.matches(pattern));
                assert!(any, "{}: {pattern}", handler.name);
            }
        }
    }

    #[test]
    fn every_projection_has_a_handler() {
        for projection in PROJECTIONS {
            assert!(named(&analytics::handler_of(projection.name)).is_some());
        }
    }
}
