//! Sums made of events alone. They are added to in the transaction that moves the handler which
//! keeps them.

use connectus_core::{
    TenantCtx,
    analytics::{Place, Sheet, Sum},
};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    rows::Cell,
    sql::{on, rows, sql},
};

sql! {
    BETWEEN = "SELECT day, subject, label, count, total, most FROM analytics \
               WHERE tenant_id = $1 AND projection = $2 AND day >= $3 AND day <= $4 \
               ORDER BY day, subject, label LIMIT $5";
    OF_SUBJECT = "SELECT day, subject, label, count, total, most FROM analytics \
                  WHERE tenant_id = $1 AND projection = $2 AND day >= $3 AND day <= $4 \
                  AND subject = $5 ORDER BY day, label LIMIT $6";
    CLEAR = "DELETE FROM analytics WHERE tenant_id = $1 AND projection = $2 AND day >= $3";
}

rows! {
    ADD = "INSERT INTO analytics (tenant_id, projection, day, subject, label, count, total, most) ",
          "tttttiii",
          " ON CONFLICT (tenant_id, projection, day, subject, label) DO UPDATE SET \
           count = analytics.count + excluded.count, total = analytics.total + excluded.total, \
           most = CASE WHEN analytics.most < excluded.most THEN excluded.most \
           ELSE analytics.most END";
}

/// Which sums.
#[derive(Clone, Debug)]
pub struct Span<'s> {
    /// The projection's name.
    pub projection: &'s str,
    /// The first day.
    pub from: &'s str,
    /// The last day.
    pub to: &'s str,
    /// Only about this one.
    pub subject: Option<&'s str>,
}

#[derive(FromRow)]
struct Row {
    day: String,
    subject: String,
    label: String,
    count: i64,
    total: i64,
    most: i64,
}

impl From<Row> for (Place, Sum) {
    fn from(row: Row) -> Self {
        let positive = |number: i64| u64::try_from(number).unwrap_or_default();
        let place = Place { day: row.day, subject: row.subject, label: row.label };
        let sum = Sum {
            count: positive(row.count),
            total: positive(row.total),
            most: positive(row.most),
        };
        (place, sum)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Conn {
    /// Sums in the order of day, subject and label, `limit` at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn analytics(
        &mut self,
        ctx: &TenantCtx,
        span: &Span<'_>,
        limit: u32,
    ) -> StoreResult<Vec<(Place, Sum)>> {
        let tenant = ctx.tenant().as_str();
        let rows: Vec<Row> = match span.subject {
            Some(subject) => on!(self, c => sqlx::query_as(OF_SUBJECT)
                .bind(tenant).bind(span.projection).bind(span.from).bind(span.to).bind(subject)
                .bind(i64::from(limit)).fetch_all(c).await?),
            None => on!(self, c => sqlx::query_as(BETWEEN)
                .bind(tenant).bind(span.projection).bind(span.from).bind(span.to)
                .bind(i64::from(limit)).fetch_all(c).await?),
        };
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

impl Tx {
    /// Adds to the sums of a projection.
    ///
    /// # Errors
    /// What the database says.
    pub async fn add_analytics(
        &mut self,
        ctx: &TenantCtx,
        projection: &str,
        sheet: &Sheet,
    ) -> StoreResult<()> {
        let sums = sheet.sums();
        let cells: Vec<Cell<'_>> = sums
            .iter()
            .flat_map(|(place, sum)| {
                [
                    Cell::Text(ctx.tenant().as_str()),
                    Cell::Text(projection),
                    Cell::Text(&place.day),
                    Cell::Text(&place.subject),
                    Cell::Text(&place.label),
                    Cell::Int(signed(sum.count)),
                    Cell::Int(signed(sum.total)),
                    Cell::Int(signed(sum.most)),
                ]
            })
            .collect();
        self.with_rows(&ADD, &cells).await
    }

    /// Drops the sums of a projection from a day on; `''` for all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn clear_analytics(
        &mut self,
        ctx: &TenantCtx,
        projection: &str,
        from: &str,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(CLEAR)
            .bind(ctx.tenant().as_str()).bind(projection).bind(from).execute(c).await.map(drop)?);
        Ok(())
    }
}
