//! Compiled workflow definitions, kept because most runs share few of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use connectus_core::{
    Error, Result, TenantCtx, TenantId,
    workflow::{Definition, Program},
};

use crate::{actions, parts::Parts};

/// Programs kept at most; beyond it all are forgotten and compiled again as needed.
const KEPT: usize = 1_000;

type Compiled = HashMap<(TenantId, String), Arc<Program>>;

/// Compiled workflow definitions. Cheap to clone.
#[derive(Clone, Default)]
pub struct Programs(Arc<Mutex<Compiled>>);

impl Programs {
    /// The program of a definition the tenant keeps under this hash.
    ///
    /// # Errors
    /// `not_found` when there is no such definition, `internal` when it no longer compiles.
    pub async fn get(&self, parts: &Parts, ctx: &TenantCtx, hash: &str) -> Result<Arc<Program>> {
        let key = (ctx.tenant().clone(), hash.to_owned());
        if let Some(found) = self.lock().get(&key) {
            return Ok(found.clone());
        }
        let mut conn = parts.store.read().await?;
        let text = conn.definition(ctx, hash).await?;
        let definition: Definition = serde_json::from_str(&text).map_err(Error::internal)?;
        let program = Arc::new(Program::compile(definition).map_err(Error::internal)?);
        actions::learn(&mut conn, ctx, &program).await?;
        drop(conn);
        let mut programs = self.lock();
        if programs.len() >= KEPT {
            programs.clear();
        }
        programs.insert(key, program.clone());
        Ok(program)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Compiled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
