//! A provider: whatever its pack says.

use std::sync::Arc;

use async_trait::async_trait;
use connectus_connect::{
    CursorState, Pages, Reachable, Sending, StreamFacts, WriteKind, WriteOutcome,
};
use connectus_core::{
    Result, TenantCtx, Timestamp,
    flow::{DataFlow, Fields},
};
use serde_json::Value;

use super::{End, Facts};
use crate::parts::Parts;

struct Provider {
    connection: Arc<dyn Reachable>,
    name: String,
    stream: Arc<dyn StreamFacts>,
    facts: Facts,
}

pub(super) async fn open(parts: &Parts, ctx: &TenantCtx, flow: &DataFlow) -> Result<Arc<dyn End>> {
    let connection = parts.connections.open(ctx, &flow.integration).await?;
    let stream = connection.stream(&flow.stream).await?;
    let (name, facts) = (flow.stream.clone(), Facts::of(&*stream));
    Ok(Arc::new(Provider { connection, name, stream, facts }))
}

#[async_trait]
impl End for Provider {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    async fn read(&self, cursor: Option<&CursorState>, fields: &Fields) -> Result<Box<dyn Pages>> {
        self.connection.read_fields(&self.name, cursor, fields).await
    }

    fn full_since(&self, cursor: Option<&CursorState>, now: Timestamp) -> Option<Timestamp> {
        cursor.map_or(Some(now), CursorState::full_since)
    }

    fn changed_at(&self, record: &Value) -> Option<Timestamp> {
        self.stream.changed_at(record)
    }

    fn write_limit(&self, kind: WriteKind) -> Option<usize> {
        self.connection.write_limit(&self.name, kind)
    }

    async fn write(
        &self,
        kind: WriteKind,
        match_field: &str,
        rows: &[Sending],
        key: &str,
    ) -> Result<WriteOutcome> {
        self.connection.write(&self.name, kind, match_field, rows, key).await
    }
}
