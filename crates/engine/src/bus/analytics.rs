//! Keeps projections: sums made of events, moved in one transaction with the handler's position.

use async_trait::async_trait;
use connectus_core::{
    Result,
    analytics::{Projection, Sheet},
    event::Event,
};
use connectus_store::Tx;

use super::{BusCx, Takes};

/// The name of the handler that keeps a projection.
pub fn handler_of(projection: &str) -> String {
    format!("analytics.{projection}")
}

/// Keeps the sums of a projection.
pub(super) struct Keeps(pub Projection);

#[async_trait]
impl Takes for Keeps {
    async fn take(&self, tx: &mut Tx, cx: &BusCx<'_>, events: &[&Event]) -> Result<()> {
        let mut sheet = Sheet::default();
        events.iter().for_each(|event| self.0.fold(event, &mut sheet));
        Ok(tx.add_analytics(cx.ctx, self.0.name, &sheet).await?)
    }
}
