//! How a reader gets from one page to the next.

use connectus_core::{Code, Error, Result};
use serde_json::{Map, Value};

use super::{
    document::Component,
    interpolation::{Condition, Scope, Variable},
    records::Keep,
    request::{Answer, Options, Site, Slot, headers_of},
    slices::Slice,
    text::{Text, condition, members_of},
};
use crate::runtime::LoopGuard;

/// Most pages of one slice.
pub const MAX_PAGES: u64 = 1_000_000;

/// A paginator, compiled.
#[derive(Debug)]
pub struct Paginator {
    strategy: Strategy,
    size: Option<i64>,
    size_slot: Option<Slot>,
    place: Place,
}

/// Where the token goes.
#[derive(Debug)]
enum Place {
    Nowhere,
    /// It is the address of the next page.
    Path,
    Slot(Slot),
}

#[derive(Debug)]
enum Strategy {
    Single,
    Page { from: i64, on_first: bool },
    Offset { on_first: bool },
    Cursor { value: Text, stop: Option<Condition>, needs: Needs },
}

/// What the texts of a strategy read.
#[derive(Clone, Debug, Default)]
struct Needs {
    response: bool,
    headers: bool,
    last_record: bool,
    /// Members of `response` they name; `None`: they may read anything in it.
    members: Option<Vec<String>>,
}

/// What a page said that matters for the next.
pub struct Page<'a> {
    /// The answer.
    pub answer: &'a Answer,
    /// What templates see as `response`.
    pub response: Option<Value>,
    /// The last record that was handed out.
    pub last_record: Option<Value>,
    /// Records handed out.
    pub size: usize,
    /// Records found before any was left out.
    pub found: usize,
    /// The slice.
    pub slice: &'a Slice,
}

impl Paginator {
    /// Reads the paginator of a retriever.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(retriever: &Component, site: &Site) -> Result<Self> {
        let single =
            Self { strategy: Strategy::Single, size: None, size_slot: None, place: Place::Nowhere };
        let by_job = retriever.kind() == "AsyncRetriever";
        let name = if by_job { "download_paginator" } else { "paginator" };
        let Some(component) = retriever.component(name)? else { return Ok(single) };
        match component.kind() {
            "NoPagination" => return Ok(single),
            "DefaultPaginator" => {}
            other => return Err(component.wrong("type", &format!("`{other}` is not supported"))),
        }
        let scope = site.scope();
        let strategy = component.need_component("pagination_strategy")?;
        let size = page_size(&strategy, &scope)?;
        let on_first = strategy.flag("inject_on_first_request");
        let place = match component.component("page_token_option")? {
            None => Place::Nowhere,
            Some(option) if option.kind() == "RequestPath" => Place::Path,
            Some(option) => Place::Slot(Slot::compile(&option, &scope)?),
        };
        let size_slot = component.component("page_size_option")?;
        let size_slot = size_slot.map(|option| Slot::compile(&option, &scope)).transpose()?;
        if size_slot.is_some() && size.is_none() {
            return Err(strategy.wrong("page_size", "is missing"));
        }
        let strategy = match strategy.kind() {
            "PageIncrement" => {
                let from =
                    strategy.node("start_from_page").and_then(|node| node.to_value().as_i64());
                Strategy::Page { from: from.unwrap_or(0), on_first }
            }
            "OffsetIncrement" => Strategy::Offset { on_first },
            "CursorPagination" => Strategy::Cursor {
                value: Text::need(&strategy, "cursor_value")?,
                stop: condition(&strategy, "stop_condition")?,
                needs: Needs::of(&strategy),
            },
            other => {
                return Err(strategy.wrong("type", &format!("`{other}` is not supported")));
            }
        };
        Ok(Self { strategy, size, size_slot, place })
    }

    /// The token of the first page.
    pub fn first(&self) -> Option<Value> {
        match self.strategy {
            Strategy::Page { from, on_first: true } => Some(from.into()),
            Strategy::Offset { on_first: true } => Some(0.into()),
            _ => None,
        }
    }

    /// The address of a page, where its token is one.
    pub fn path<'a>(&self, token: Option<&'a Value>) -> Option<&'a str> {
        match self.place {
            Place::Path => token?.as_str().filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// What goes into the request of a page.
    pub fn options(&self, token: Option<&Value>) -> Options {
        let mut options = Options::default();
        if let (Place::Slot(slot), Some(token)) = (&self.place, token) {
            slot.put(&mut options, token.clone());
        }
        if let (Some(slot), Some(size)) = (&self.size_slot, self.size.filter(|size| *size != 0)) {
            slot.put(&mut options, size.into());
        }
        options
    }

    /// How much of a page must be kept, records apart, whose first step this is.
    pub fn keep(&self, first_step: Option<&str>) -> Keep {
        let Strategy::Cursor { needs, .. } = &self.strategy else { return Keep::Records };
        if !needs.response {
            return Keep::Records;
        }
        match (&needs.members, first_step) {
            (Some(members), Some(step)) if !members.iter().any(|name| name == step) => Keep::Around,
            _ => Keep::All,
        }
    }

    /// Whether the last record must be read.
    pub fn needs_last_record(&self) -> bool {
        matches!(&self.strategy, Strategy::Cursor { needs, .. } if needs.last_record)
    }

    /// The token of the next page; `None` at the end.
    ///
    /// # Errors
    /// `invalid` when a text cannot be filled in.
    pub fn next(
        &self,
        site: &Site,
        page: &Page<'_>,
        token: Option<&Value>,
    ) -> Result<Option<Value>> {
        let short = page.found == 0
            || self.size.is_some_and(|size| size != 0 && (page.found as u64) < size.unsigned_abs());
        match &self.strategy {
            Strategy::Single => Ok(None),
            Strategy::Page { .. } | Strategy::Offset { .. } if short => Ok(None),
            Strategy::Page { from, .. } => {
                let at = token.and_then(Value::as_i64).unwrap_or(*from);
                Ok(Some(at.saturating_add(1).into()))
            }
            Strategy::Offset { .. } => {
                let found = i64::try_from(page.found).unwrap_or(i64::MAX);
                let at = token.and_then(Value::as_i64).unwrap_or(0);
                Ok(Some(at.saturating_add(found).into()))
            }
            Strategy::Cursor { value, stop, needs } => {
                self.cursor(site, page, value, stop.as_ref(), needs)
            }
        }
    }

    fn cursor(
        &self,
        site: &Site,
        page: &Page<'_>,
        value: &Text,
        stop: Option<&Condition>,
        needs: &Needs,
    ) -> Result<Option<Value>> {
        let headers = if needs.headers { with_links(page.answer) } else { Map::new() };
        let null = Value::Null;
        let size = self.size.map_or(Value::Null, Value::from);
        let scope = site
            .scope()
            .with(Variable::Response, page.response.as_ref().unwrap_or(&null))
            .with_headers(&headers)
            .with(Variable::LastRecord, page.last_record.as_ref().unwrap_or(&null))
            .with_int(Variable::LastPageSize, i64::try_from(page.size).unwrap_or(i64::MAX))
            .with(Variable::PageSize, &size)
            .with_slice(page.slice.view());
        if stop.map_or(Ok(false), |stop| stop.holds(&scope))? {
            return Ok(None);
        }
        let token = value.eval(&scope)?;
        let empty = match &token {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(true) => false,
        };
        Ok((!empty).then_some(token))
    }
}

fn page_size(strategy: &Component, scope: &Scope<'_>) -> Result<Option<i64>> {
    let Some(text) = Text::read(strategy, "page_size")? else { return Ok(None) };
    let response = Value::Object(Map::new());
    match text.eval(&scope.clone().with(Variable::Response, &response))? {
        Value::Number(number) if number.is_i64() => Ok(number.as_i64()),
        Value::String(text) if text.trim().parse::<i64>().is_ok() => Ok(text.trim().parse().ok()),
        Value::String(text) if text.is_empty() => Ok(None),
        other => {
            Err(strategy.wrong("page_size", &format!("must be a whole number, not `{other}`")))
        }
    }
}

/// Headers, `link` among them taken apart: `headers.link.next.url`.
fn with_links(answer: &Answer) -> Map<String, Value> {
    let mut headers = headers_of(&answer.response);
    let link = answer.response.header("link").unwrap_or_default();
    headers.insert("link".into(), Value::Object(links(link)));
    headers
}

/// `<https://…?page=2>; rel="next", …`, by relation.
fn links(header: &str) -> Map<String, Value> {
    let mut links = Map::new();
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((url, after)) = after.split_once('>') else { break };
        let (parameters, more) = match after.split_once(",") {
            // A comma within a parameter's quotes is rare; one before the next `<` ends the link.
            Some((parameters, more)) if more.trim_start().starts_with('<') => (parameters, more),
            _ => (after, ""),
        };
        let mut link = Map::new();
        link.insert("url".into(), url.into());
        for parameter in parameters.split(';') {
            if let Some((name, value)) = parameter.split_once('=') {
                let strip = |text: &str| text.trim_matches([' ', '\'', '"', ',']).to_owned();
                link.insert(strip(name), strip(value).into());
            }
        }
        let relation = link.get("rel").or(link.get("url")).and_then(Value::as_str);
        links.insert(relation.unwrap_or_default().to_owned(), Value::Object(link.clone()));
        rest = more;
    }
    links
}

impl Needs {
    fn of(strategy: &Component) -> Self {
        let text = |name| strategy.text(name).unwrap_or_default();
        let texts = [text("cursor_value"), text("stop_condition")];
        let reads = |name: &str| texts.iter().any(|text| text.contains(name));
        let members = texts.iter().map(|text| members_of(text, "response"));
        Self {
            response: reads("response"),
            headers: reads("headers"),
            last_record: reads("last_record"),
            members: members.collect::<Option<Vec<_>>>().map(|all| all.concat()),
        }
    }
}

/// Stops a reader whom a provider leads in circles.
#[derive(Debug, Default)]
pub struct Runaway {
    tokens: LoopGuard,
    last: Option<u64>,
    pages: u64,
}

impl Runaway {
    /// Before the next page is asked for.
    ///
    /// # Errors
    /// `provider_refused` when the same page came twice, its token came back, or there is no end.
    pub fn check(&mut self, page: &Page<'_>, token: &Value) -> Result<()> {
        self.pages += 1;
        if self.pages >= MAX_PAGES {
            let detail = format!("A slice has more than {MAX_PAGES} pages.");
            return Err(Error::new(Code::ProviderRefused, detail));
        }
        self.tokens.check(&token.to_string())?;
        let hash = digest(&page.answer.response.body);
        if page.found > 0 && self.last.replace(hash) == Some(hash) {
            let detail = "The provider answered with the same page twice in a row: it does not \
                          heed the page token, so its pages would never end.";
            return Err(Error::new(Code::ProviderRefused, detail));
        }
        Ok(())
    }
}

/// Tells pages apart. A provider that made two pages with one digest on purpose would only have its
/// own reading ended.
fn digest(body: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (mut a, mut b) = (body.len() as u64, ODD);
    let (pairs, rest) = body.as_chunks::<16>();
    for pair in pairs {
        let (first, second) = pair.split_at(8);
        let word = |half: &[u8]| {
            half.first_chunk().map_or(0, |bytes: &[u8; 8]| u64::from_le_bytes(*bytes))
        };
        a = (a.rotate_left(5) ^ word(first)).wrapping_mul(ODD);
        b = (b.rotate_left(5) ^ word(second)).wrapping_mul(ODD);
    }
    for byte in rest {
        a = (a.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(ODD);
    }
    (a ^ b.rotate_left(32)).wrapping_mul(ODD)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_link_header_is_taken_apart() {
        let header =
            r#"<https://a.example/?p=2&x=1,2>; rel="next", <https://a.example/?p=9>; rel=last"#;
        let links = Value::Object(links(header));
        assert_eq!(links["next"]["url"], "https://a.example/?p=2&x=1,2");
        assert_eq!(links["last"], json!({"url": "https://a.example/?p=9", "rel": "last"}));
    }
}
