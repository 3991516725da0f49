//! Events as log lines.

use async_trait::async_trait;
use connectus_core::{Result, event::Event};
use connectus_store::Tx;
use tracing::Level;

use super::{BusCx, Takes};

/// Writes a line for each event. After a crash between line and commit it is written again.
pub(super) struct Logging;

#[async_trait]
impl Takes for Logging {
    async fn take(&self, _tx: &mut Tx, cx: &BusCx<'_>, events: &[&Event]) -> Result<()> {
        if let Some(level) = cx.settings.log_level {
            events.iter().for_each(|event| log(event, level));
        }
        Ok(())
    }
}

fn log(event: &Event, level: Level) {
    // The level of a line is fixed when it is compiled, so there is one for each.
    macro_rules! line {
        ($macro:ident) => {
            tracing::$macro!(
                action = event.kind.name(), service = "events", status = "success",
                tenant = %event.tenant, subject = event.subject, seq = event.seq,
                at = %event.at, "event"
            )
        };
    }
    match level {
        Level::ERROR => line!(error),
        Level::WARN => line!(warn),
        Level::INFO => line!(info),
        Level::DEBUG => line!(debug),
        Level::TRACE => line!(trace),
    }
}
