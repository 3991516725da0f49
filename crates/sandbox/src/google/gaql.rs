//! A part of GAQL: `SELECT a.b FROM c WHERE a.b >= 'x' AND a.c = 1 ORDER BY a.b LIMIT 10`.

use connectus_core::Timestamp;
use serde_json::Value;

use super::{customer::Row, refusal::Refusal};

const DAY_SECS: i64 = 86_400;
/// Furthest change one may ask for, in days.
const MAX_CHANGE_DAYS: i64 = 90;
/// Most changes of one query.
const MAX_CHANGES: usize = 10_000;

/// A query.
#[derive(Debug)]
pub(super) struct Query {
    pub fields: Vec<String>,
    pub resource: String,
    conditions: Vec<(String, String, String)>,
    order: Vec<(String, bool)>,
    limit: Option<usize>,
}

fn refused(word: &str, message: &str) -> Refusal {
    Refusal::invalid("queryError", word, message)
}

impl Query {
    pub(super) fn parse(text: &str, now: Timestamp) -> Result<Self, Refusal> {
        let text = text.trim();
        let (text, limit) = cut(text, " LIMIT ");
        let (text, order) = cut(text, " ORDER BY ");
        let (text, conditions) = cut(text, " WHERE ");
        let (select, from) = cut(text, " FROM ");
        let select = select.strip_prefix("SELECT ");
        let select = select.ok_or_else(|| refused("UNEXPECTED_FROM_CLAUSE", "Expected SELECT."))?;
        let resource = from.unwrap_or_default().trim().to_owned();
        if !["campaign", "ad_group", "change_status"].contains(&resource.as_str()) {
            return Err(refused("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", &format!("`{resource}`")));
        }
        let known = |field: &str| {
            let object = field.split_once('.').map_or("", |(object, _)| object);
            ["campaign", "ad_group", "segments", "metrics", "change_status"].contains(&object)
        };
        let fields: Vec<String> = select.split(',').map(|field| field.trim().to_owned()).collect();
        if let Some(field) = fields.iter().find(|field| !known(field)) {
            return Err(refused("UNRECOGNIZED_FIELD", &format!("Unrecognized field: {field}.")));
        }
        let conditions = conditions.map_or_else(|| Ok(Vec::new()), read_conditions)?;
        let order = order.into_iter().flat_map(|text| text.split(','));
        let order = order.map(|item| {
            let item = item.trim();
            let down = item.ends_with(" DESC");
            (item.trim_end_matches(" DESC").trim_end_matches(" ASC").to_owned(), down)
        });
        let limit = limit.map(|text| {
            text.trim()
                .parse()
                .map_err(|_| refused("INVALID_LIMIT_CLAUSE", "LIMIT needs a number."))
        });
        let query = Self {
            fields,
            resource,
            conditions,
            order: order.collect(),
            limit: limit.transpose()?,
        };
        query.check(now)?;
        Ok(query)
    }

    pub(super) fn wants(&self, field: &str) -> bool {
        self.fields.iter().any(|wanted| wanted == field)
    }

    /// Dates need a beginning and an end, changes a limit besides.
    fn check(&self, now: Timestamp) -> Result<(), Refusal> {
        const CHANGE: &str = "change_status.last_change_date_time";
        let bound = |field: &str, signs: [&str; 2]| {
            self.conditions.iter().find(|(name, sign, _)| name == field && signs.contains(&&**sign))
        };
        let is_finite = |field: &str| {
            bound(field, [">", ">="]).is_some() && bound(field, ["<", "<="]).is_some()
        };
        if self.wants("segments.date") && !is_finite("segments.date") {
            let message = "A finite range of `segments.date` is needed in the WHERE clause.";
            return Err(refused("REQUIRES_FINITE_DATE_RANGE", message));
        }
        if self.resource != "change_status" {
            return Ok(());
        }
        let changed =
            |word: &str, message: &str| Refusal::invalid("changeEventError", word, message);
        if !is_finite(CHANGE) {
            return Err(changed("CHANGE_DATE_RANGE_INFINITE", "The range must be finite."));
        }
        if self.limit.is_none_or(|limit| limit > MAX_CHANGES) {
            let message = "LIMIT must be specified and less than or equal to 10000.";
            return Err(changed("LIMIT_NOT_SPECIFIED", message));
        }
        let first = bound(CHANGE, [">", ">="]).and_then(|(_, _, text)| {
            Timestamp::parse(&format!("{}Z", text.get(..19)?)).or_else(|| Timestamp::parse(text))
        });
        if first.is_none_or(|first| first < now.plus_secs(-(MAX_CHANGE_DAYS + 1) * DAY_SECS)) {
            let message = "The requested start date is too old. It cannot be older than 90 days.";
            return Err(changed("START_DATE_TOO_OLD", message));
        }
        Ok(())
    }

    /// The rows it leaves, in its order.
    pub(super) fn run(&self, rows: Vec<Row>) -> Vec<Row> {
        let mut rows: Vec<Row> = rows.into_iter().filter(|row| self.holds(row)).collect();
        let text = |row: &Row, field: &str| match row.get(field) {
            // Numbers that travel as text are compared as numbers.
            Some(Value::String(text)) => (text.parse().unwrap_or(0_u64), text.clone()),
            _ => (0, String::new()),
        };
        rows.sort_by(|a, b| {
            let by = |(field, down): &(String, bool)| {
                let order = text(a, field).cmp(&text(b, field));
                if *down { order.reverse() } else { order }
            };
            self.order
                .iter()
                .map(by)
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        rows.truncate(self.limit.unwrap_or(usize::MAX));
        rows
    }

    fn holds(&self, row: &Row) -> bool {
        self.conditions.iter().all(|(field, sign, wanted)| {
            let Some(value) = row.get(field).and_then(Value::as_str) else { return false };
            match sign.as_str() {
                "=" => value == wanted,
                "!=" => value != wanted,
                ">" => value > wanted.as_str(),
                ">=" => value >= wanted.as_str(),
                "<" => value < wanted.as_str(),
                _ => value <= wanted.as_str(),
            }
        })
    }
}

/// What stands before and behind a word.
fn cut<'a>(text: &'a str, word: &str) -> (&'a str, Option<&'a str>) {
    text.split_once(word).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn read_conditions(text: &str) -> Result<Vec<(String, String, String)>, Refusal> {
    let one = |text: &str| {
        let mut parts = text.trim().splitn(3, ' ');
        let (Some(field), Some(sign), Some(value)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(refused("UNEXPECTED_INPUT", &format!("Error in query: `{text}`")));
        };
        if !["=", "!=", ">", ">=", "<", "<="].contains(&sign) {
            return Err(refused("INVALID_OPERATOR", &format!("Error in query: `{sign}`")));
        }
        let value = value.trim_matches(['\'', '"']);
        Ok((field.to_owned(), sign.to_owned(), value.to_owned()))
    };
    text.split(" AND ").map(one).collect()
}
