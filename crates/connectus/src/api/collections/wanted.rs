//! What a query asks of records: `filter[field][op]=value`, `sort`, `fields`.

use axum::{extract::FromRequestParts, http::request::Parts};
use connectus_core::{Error, Result, collection::Filter};
use connectus_store::records::{RecordSearch, Sort, SortBy};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::http::Problem;

/// Fields a query can name at most.
const MAX_FIELDS: usize = 100;

/// The parameters, for the documentation. The parameters `filter[field]=value` and
/// `filter[field][op]=value` come on top; `op` is one of eq, ne, contains, gt, gte, lt, lte,
/// is_null.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `Wanted` reads")]
pub struct WantedQuery {
    /// `key` (the default), `created_at`, `updated_at` or a field; `-` in front: greatest first.
    sort: Option<String>,
    /// Only these fields, separated by commas.
    fields: Option<String>,
}

/// What a query asks.
pub struct Wanted {
    /// Which records, in which order.
    pub search: RecordSearch,
    /// Which of their fields; all without any.
    pub fields: Vec<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(parts.uri.query().unwrap_or_default()).map_err(Problem)
    }
}

impl Wanted {
    fn read(query: &str) -> Result<Self> {
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let filters =
            Filter::parse_all(pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())))?;
        let last = |wanted: &str| {
            pairs.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value.as_ref())
        };
        let sort = last("sort").map(sort).transpose()?.unwrap_or_default();
        let fields: Vec<String> = last("fields")
            .into_iter()
            .flat_map(|list| list.split(','))
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        if fields.len() > MAX_FIELDS {
            return Err(Error::invalid("fields", format!("names at most {MAX_FIELDS} fields.")));
        }
        Ok(Self { search: RecordSearch { filters, sort }, fields })
    }

    /// Leaves the wanted fields of a record.
    pub fn cut(&self, data: &mut Map<String, Value>) {
        if !self.fields.is_empty() {
            data.retain(|name, _| self.fields.contains(name));
        }
    }
}

fn sort(text: &str) -> Result<Sort> {
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let by = match name {
        "key" => SortBy::Key,
        "created_at" => SortBy::CreatedAt,
        "updated_at" => SortBy::UpdatedAt,
        field if !field.is_empty() && field.len() <= 100 && field.bytes().all(plain) => {
            SortBy::Field(field.to_owned())
        }
        _ => {
            let message = "must be key, created_at, updated_at or a field name of letters, digits, \
                           `_`, `-` and `.`; `-` in front turns the order around.";
            return Err(Error::invalid("sort", message));
        }
    };
    Ok(Sort { by, descending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_filters_order_and_fields() {
        let wanted =
            Wanted::read("filter%5Bemail%5D%5Bcontains%5D=%40x&sort=-age&fields=a,%20b,,c&limit=3")
                .unwrap();
        assert_eq!(wanted.search.filters[0].field, "email");
        let sort = Sort { by: SortBy::Field("age".into()), descending: true };
        assert_eq!(wanted.search.sort, sort);
        assert_eq!(wanted.fields, ["a", "b", "c"]);
        assert_eq!(Wanted::read("").unwrap().search.sort, Sort::default());
        for bad in ["sort=", "sort=a%20b", "sort=%24a", "filter%5Ba%5D%5Blike%5D=1"] {
            assert!(Wanted::read(bad).is_err(), "{bad}");
        }
    }
}
