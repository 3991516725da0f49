//! What the source of a flow looks like.

use connectus_core::{
    Error, Result, TenantCtx,
    flow::{DataFlow, Leg, shape::ShapeField},
};

use crate::{parts::Parts, providers, sync::fields};

/// What the source of a flow looks like, learnt from what was read of it.
#[derive(Clone, Debug)]
pub struct SourceSchema {
    /// Whether a read has come to its end.
    pub learned: bool,
    /// The fields, in the order in which they were first seen.
    pub fields: Vec<SourceField>,
}

/// A field of the source.
#[derive(Clone, Debug)]
pub struct SourceField {
    /// What is known of it.
    pub field: ShapeField,
    /// Whether the flow maps it.
    pub mapped: bool,
}

/// What the source of a flow looks like; nothing of one that was not read yet.
///
/// # Errors
/// `not_found` when the integration is gone.
pub async fn source_schema(
    parts: &Parts,
    ctx: &TenantCtx,
    flow: &DataFlow,
) -> Result<SourceSchema> {
    let mut conn = parts.store.read().await?;
    let shape = conn.flow_shape(ctx, &flow.id).await?;
    let integration = conn.integration(ctx, &flow.integration).await?;
    let integration = integration.ok_or_else(|| Error::not_found("integration"))?;
    let provider = providers::of(&mut conn, ctx, &integration).await?;
    drop(conn);
    let learned = shape.is_learned();
    let Ok(mapping) = fields::mapping(flow, &provider, Leg::Inbound, None) else {
        return Ok(SourceSchema { learned, fields: Vec::new() });
    };
    let mapped: Vec<&str> = mapping.sources().collect();
    let field = |field: ShapeField| {
        let named = |source: &&str| {
            let plain = source.strip_prefix("properties.").unwrap_or(source);
            let inside = |name: &str| plain.strip_prefix(name).is_some_and(|r| r.starts_with('.'));
            **source == *field.name || plain == field.name || inside(&field.name)
        };
        let mapped = mapped.iter().any(named);
        SourceField { field, mapped }
    };
    Ok(SourceSchema { learned, fields: shape.fields().into_iter().map(field).collect() })
}
