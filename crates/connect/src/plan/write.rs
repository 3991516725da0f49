//! How flows write what a stream reads, compiled.

use connectus_core::{
    Result,
    provider::{StreamWrite, WriteCall},
};
use serde_json::Value;

use crate::template::Node;

/// How flows write what a stream reads.
#[derive(Debug)]
pub struct WritePlan {
    /// The field that identifies a thing, where a flow names no other.
    pub match_field: Option<Box<str>>,
    /// Makes a thing, or changes the one that has the value.
    pub upsert: WriteCallPlan,
    /// Changes things whose id is known.
    pub update: Option<WriteCallPlan>,
    /// Removes things whose id is known.
    pub delete: Option<WriteCallPlan>,
    /// What empties a field, where null does not.
    pub clear: Option<Value>,
}

/// An action that a flow calls to write.
#[derive(Debug)]
pub struct WriteCallPlan {
    /// The action.
    pub action: Box<str>,
    /// Its input besides the things.
    pub input: Vec<(Box<str>, Node)>,
    /// One thing.
    pub item: Node,
}

impl WritePlan {
    /// Compiles it.
    ///
    /// # Errors
    /// `invalid`, naming the place below `at`.
    pub fn compile(write: &StreamWrite, at: &str) -> Result<Self> {
        let some = |call: &Option<WriteCall>, name: &str| {
            let call = call.as_ref();
            call.map(|call| WriteCallPlan::compile(call, &format!("{at}/{name}"))).transpose()
        };
        Ok(Self {
            match_field: write.match_field.as_deref().map(Box::from),
            upsert: WriteCallPlan::compile(&write.upsert, &format!("{at}/upsert"))?,
            update: some(&write.update, "update")?,
            delete: some(&write.delete, "delete")?,
            clear: write.clear.clone(),
        })
    }
}

impl WriteCallPlan {
    fn compile(call: &WriteCall, at: &str) -> Result<Self> {
        let input = call.input.iter();
        Ok(Self {
            action: call.action.as_str().into(),
            input: input
                .map(|(name, value)| {
                    let node = Node::compile(value, &format!("{at}/input/{name}"))?;
                    Ok((name.as_str().into(), node))
                })
                .collect::<Result<_>>()?,
            item: Node::compile(&call.item, &format!("{at}/item"))?,
        })
    }
}
