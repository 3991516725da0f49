//! A data flow made ready to run: mapping compiled, connection open, rules of identity known.

use std::{collections::HashSet, sync::Arc};

use connectus_connect::{Reachable, StreamFacts};
use connectus_core::{
    Error, FlowId, IntegrationId, Result, TenantCtx, Timestamp, canonical,
    collection::MAX_KEY_BYTES,
    flow::{ConflictPolicy, DataFlow, Direction, Leg, Mapping},
};
use serde_json::Value;

use super::{fields, outgoing::Outgoing};
use crate::{parts::Parts, providers};

/// Stands between the parts of a record's key.
const KEY_SEPARATOR: char = ':';

/// A data flow made ready to run.
pub(crate) struct Plan {
    /// The flow as it was when the plan was made.
    pub flow: DataFlow,
    /// The compiled mapping of what comes in; it maps nothing where nothing does.
    pub mapping: Mapping,
    /// How records are sent; none in a flow that sends none.
    pub outgoing: Option<Outgoing>,
    /// The provider's name, the first part of every key.
    pub provider: String,
    /// The way to the provider.
    pub connection: Arc<dyn Reachable>,
    /// The stream it reads.
    pub stream: Arc<dyn StreamFacts>,
    /// Other integrations of the same provider: a record that came from one of them, and so has
    /// a key like ours, is not ours to write.
    pub others: HashSet<IntegrationId>,
    /// Refused rows that were open when the plan was made: only then is there any to resolve.
    pub rejected_open: u64,
}

impl Plan {
    /// Reads a flow and makes it ready. Nothing is sent to the provider.
    ///
    /// # Errors
    /// `not_found` for an unknown flow, else what is wrong with it or its integration.
    pub async fn load(parts: &Parts, ctx: &TenantCtx, flow: &FlowId) -> Result<Self> {
        let flow = parts.store.read().await?.flow(ctx, flow).await?;
        Self::of(parts, ctx, flow.ok_or_else(|| Error::not_found("data flow"))?).await
    }

    /// Makes a flow ready, stored or not.
    ///
    /// # Errors
    /// As [`Plan::load`].
    pub async fn of(parts: &Parts, ctx: &TenantCtx, flow: DataFlow) -> Result<Self> {
        let connection = parts.connections.open(ctx, &flow.integration).await?;
        let stream = connection.stream(&flow.stream).await?;
        let mut conn = parts.store.read().await?;
        let tenant_integrations = conn.integration_providers(ctx).await?;
        let provider = tenant_integrations
            .iter()
            .find(|(id, _)| *id == flow.integration)
            .map(|(_, provider)| provider.clone())
            .ok_or_else(|| Error::not_found("integration"))?;
        let integration = conn.integration(ctx, &flow.integration).await?;
        let integration = integration.ok_or_else(|| Error::not_found("integration"))?;
        let described = providers::of(&mut conn, ctx, &integration).await?;
        let mapping = match flow.direction {
            Direction::Inbound | Direction::Bidirectional => {
                fields::mapping(&flow, &described, Leg::Inbound, None)?
            }
            Direction::Outbound => Mapping::default(),
        };
        let outgoing = match flow.direction {
            Direction::Inbound => None,
            Direction::Outbound | Direction::Bidirectional => {
                Some(Outgoing::of(&flow, &described, stream.write())?)
            }
        };
        let others = tenant_integrations
            .into_iter()
            .filter(|(id, other)| *id != flow.integration && *other == provider)
            .map(|(id, _)| id)
            .collect();
        let rejected_open = conn.count_rejected(ctx, &flow.id, false).await?;
        Ok(Self { flow, mapping, outgoing, provider, connection, stream, others, rejected_open })
    }

    /// The key of a record in its collection: the provider's name, which keeps apart what two
    /// providers call by the same number, and what identifies the record there.
    ///
    /// # Errors
    /// A sentence when the record has no usable identifier.
    pub fn record_key(&self, record: &Value) -> Result<String, String> {
        let mut key = String::with_capacity(self.provider.len() + 24);
        key.push_str(&self.provider);
        for path in self.stream.key() {
            key.push(KEY_SEPARATOR);
            key.push_str(&path.text(record).ok_or("the record has no identifier")?);
        }
        if self.stream.key().is_empty() {
            // A stream without identifiers: equal content is the same record.
            key.push(KEY_SEPARATOR);
            key.push_str(&canonical::digest(record).to_string());
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(format!("the identifier is longer than {MAX_KEY_BYTES} bytes"));
        }
        Ok(key)
    }

    /// When a record changed at its source, where the stream says so and the policy asks.
    pub fn changed_at(&self, record: &Value) -> Option<Timestamp> {
        if self.flow.conflict_policy != ConflictPolicy::Newest {
            return None;
        }
        self.stream.changed_at(record)
    }

    /// Whether a row that maps well can still be refused when it is compared with what is there.
    pub fn may_refuse(&self) -> bool {
        self.flow.conflict_policy == ConflictPolicy::Manual
            || !self.others.is_empty()
            || self.outgoing.is_some()
    }
}

/// The key under which a provider's object is kept in a collection: `hubspot:101`.
pub fn record_key(provider: &str, source_key: &str) -> String {
    format!("{provider}{KEY_SEPARATOR}{source_key}")
}
