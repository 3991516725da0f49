//! A sealed secret changes and the one before it counts for a while longer: the same for every
//! table that holds such secrets.

use connectus_core::{TenantCtx, Timestamp};

use crate::{conn::Tx, error::StoreResult, sql::on};

/// One secret in the place of another.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// The sealed secret that is taken to be the present one.
    pub before: &'a str,
    /// The sealed secret that comes in its place.
    pub sealed: &'a str,
    /// The secret before, sealed for its new place, and until when it counts.
    pub previous: (&'a str, Timestamp),
}

impl Tx {
    /// Carries out a rotation by a table's `ROTATE`: tenant, row, the new secret, the one before,
    /// until when, now, and what must be there. False when another rotation came between.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn rotate(
        &mut self,
        statement: &'static str,
        ctx: &TenantCtx,
        row: &str,
        rotation: Rotation<'_>,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        let changed = on!(self, c => sqlx::query(statement)
            .bind(ctx.tenant().as_str())
            .bind(row)
            .bind(rotation.sealed)
            .bind(rotation.previous.0)
            .bind(rotation.previous.1.0)
            .bind(now)
            .bind(rotation.before)
            .execute(c)
            .await?
            .rows_affected());
        Ok(changed == 1)
    }
}
