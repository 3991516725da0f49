//! What a run takes over from another one.

use connectus_core::{RunId, TenantCtx};

use crate::{
    conn::Tx,
    error::StoreResult,
    rows::Cell,
    sql::{on, rows, sql},
};

sql! {
    BEGUN = "UPDATE runs SET started_at = $3 WHERE tenant_id = $1 AND id = $2";
}

rows! {
    STEPS = "INSERT INTO run_steps (tenant_id, run_id, step_id, position, name, action, status, \
             attempts, input, output, error, compensation, started_at, finished_at, reused) \
             SELECT s.tenant_id, v.column3, s.step_id, s.position, s.name, s.action, s.status, \
             s.attempts, s.input, s.output, s.error, s.compensation, s.started_at, s.finished_at, \
             TRUE FROM run_steps s JOIN (", "tttt",
            ") AS v ON s.tenant_id = v.column1 AND s.run_id = v.column2 \
             AND s.step_id = v.column4 AND s.finished_at IS NOT NULL";
    ATTEMPTS = "INSERT INTO step_attempts (tenant_id, run_id, step_id, attempt, error, started_at, \
                finished_at) \
                SELECT s.tenant_id, v.column3, s.step_id, s.attempt, s.error, s.started_at, \
                s.finished_at FROM step_attempts s JOIN (", "tttt",
               ") AS v ON s.tenant_id = v.column1 AND s.run_id = v.column2 \
                AND s.step_id = v.column4";
}

impl Tx {
    /// Marks a run as begun that has the beginning of another run's history, and copies these steps
    /// of that run as far as they have ended. They are shown as taken over.
    ///
    /// # Errors
    /// What the database says.
    pub async fn take_over_steps(
        &mut self,
        ctx: &TenantCtx,
        from: &RunId,
        to: &RunId,
        steps: &[String],
    ) -> StoreResult<()> {
        let (tenant, now) = (ctx.tenant().as_str(), self.env.now().0);
        on!(self, c => sqlx::query(BEGUN)
            .bind(tenant).bind(to.as_str()).bind(now).execute(c).await.map(drop)?);
        let cells: Vec<Cell<'_>> = steps
            .iter()
            .flat_map(|step| [tenant, from.as_str(), to.as_str(), step].map(Cell::Text))
            .collect();
        self.take_over_blobs(ctx, from, to).await?;
        self.with_rows(&STEPS, &cells).await?;
        self.with_rows(&ATTEMPTS, &cells).await
    }
}
