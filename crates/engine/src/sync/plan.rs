//! A data flow made ready to run: mapping compiled, connection open, rules of identity known.

use std::{collections::HashSet, sync::Arc};

use connectus_connect::{CursorState, Pages, Plan as Provider};
use connectus_core::{
    Error, FlowId, IntegrationId, Result, TenantCtx, Timestamp, canonical,
    collection::MAX_KEY_BYTES,
    flow::{ConflictPolicy, DataFlow, Direction, Leg, Mapping, Selection, shape::Shape},
};
use serde_json::Value;

use super::{fields, outgoing::Outgoing};
use crate::{
    ends::{self, End},
    parts::Parts,
    providers,
};

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
    /// What describes the provider.
    pub described: Arc<Provider>,
    /// The far end.
    pub end: Arc<dyn End>,
    /// Other integrations of the same provider: a record that came from one of them, and so has
    /// a key like ours, is not ours to write.
    pub others: HashSet<IntegrationId>,
    /// Which fields of the source are read; none: all.
    pub selection: Option<Selection>,
    /// What the source is known to look like.
    pub shape: Shape,
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
        drop(conn);
        let end = ends::open(parts, ctx, &flow, &provider).await?;
        let facts = end.facts();
        let mut mapping = match flow.direction {
            Direction::Inbound | Direction::Bidirectional => {
                fields::mapping(&flow, &described, Leg::Inbound, None)?
            }
            Direction::Outbound => Mapping::default(),
        };
        let mut outgoing = match flow.direction {
            Direction::Inbound => None,
            Direction::Outbound | Direction::Bidirectional => {
                Some(Outgoing::of(&flow, &described, facts.write.as_ref())?)
            }
        };
        let others = tenant_integrations
            .into_iter()
            .filter(|(id, other)| *id != flow.integration && *other == provider)
            .map(|(id, _)| id)
            .collect();
        let mut conn = parts.store.read().await?;
        let rejected_open = conn.count_rejected(ctx, &flow.id, false).await?;
        let sealer = parts.store.sealer();
        fields::bind_key(&mut conn, ctx, sealer, &mut mapping).await?;
        if let Some(out) = &mut outgoing {
            fields::bind_key(&mut conn, ctx, sealer, &mut out.mapping).await?;
        }
        fields::check_keys(&mapping, &facts.key)?;
        let needed = facts.needed.iter().map(String::as_str);
        let selection = Selection::of(&flow.options.fields, needed);
        let shape = conn.flow_shape(ctx, &flow.id).await?;
        Ok(Self {
            flow,
            mapping,
            outgoing,
            provider,
            described,
            end,
            others,
            selection,
            shape,
            rejected_open,
        })
    }

    /// Begins to read the stream, from where `cursor` says.
    ///
    /// # Errors
    /// What is wrong with the cursor or the end.
    pub async fn read(&self, cursor: Option<&CursorState>) -> Result<Box<dyn Pages>> {
        self.end.read(cursor, &self.flow.options.fields).await
    }

    /// The key of a record in its collection: the provider's name, which keeps apart what two
    /// providers call by the same number, and what identifies the record there.
    ///
    /// # Errors
    /// A sentence when the record has no usable identifier.
    pub fn record_key(&self, record: &Value) -> Result<String, String> {
        let mut key = String::with_capacity(self.provider.len() + 24);
        key.push_str(&self.provider);
        for path in &self.end.facts().key {
            key.push(KEY_SEPARATOR);
            key.push_str(&path.text(record).ok_or("the record has no identifier")?);
        }
        if self.end.facts().key.is_empty() {
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
        self.end.changed_at(record)
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
