//! Fields that have to be asked for by name, some at a time, and put together again.

use std::sync::Arc;

use connectus_core::{Error, Result};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::{
    document::{Component, Member, Node},
    reader::all_records,
    records::paths,
    request::{Site, strings},
    stream::StreamPlan,
    text::plain,
};

/// Most fields of one stream.
const MAX_FIELDS: usize = 100_000;
/// Most requests for one page.
const MAX_CHUNKS: usize = 1_000;
/// What a field name costs besides its characters, encoded between others.
const BETWEEN: usize = 3;

/// `QueryProperties`, compiled.
#[derive(Debug)]
pub struct Properties {
    /// The parameter the names go into, joined by commas; without one, texts name them.
    pub parameter: Option<String>,
    from: From,
    always: Vec<String>,
    chunks: Option<Chunks>,
}

#[derive(Debug)]
enum From {
    List(Vec<String>),
    Endpoint { plan: Arc<StreamPlan>, path: Vec<String>, found: OnceCell<Vec<String>> },
}

#[derive(Debug)]
struct Chunks {
    limit: Option<usize>,
    by_characters: bool,
    key: Vec<String>,
}

impl Properties {
    /// Those of a requester.
    ///
    /// # Errors
    /// `invalid` when they cannot be read.
    pub fn compile(requester: &Component, site: &Site, depth: usize) -> Result<Option<Self>> {
        if let Some(Member::Component(parameters)) = requester.member("request_parameters") {
            let names: Vec<String> = parameters.names().map(str::to_owned).collect();
            let mut found = None;
            for name in names {
                let Some(Member::Component(one)) = parameters.member(&name) else { continue };
                if one.kind() != "QueryProperties" {
                    continue;
                }
                if found.is_some() {
                    let message = "may hold `QueryProperties` once only";
                    return Err(requester.wrong("request_parameters", message));
                }
                found = Some(Self::read(&one, Some(name), site, depth)?);
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        if let Some(component) = requester.component("query_properties")? {
            return Self::read(&component, None, site, depth).map(Some);
        }
        let Some(endpoint) = requester.component("fetch_properties_from_endpoint")? else {
            return Ok(None);
        };
        let from = From::endpoint(&endpoint, site, depth)?;
        Ok(Some(Self { parameter: None, from, always: Vec::new(), chunks: None }))
    }

    fn read(
        component: &Component,
        parameter: Option<String>,
        site: &Site,
        depth: usize,
    ) -> Result<Self> {
        let from = match component.member("property_list") {
            Some(Member::Component(endpoint)) => From::endpoint(&endpoint, site, depth)?,
            Some(Member::List(_)) => From::List(texts(component.node("property_list"))),
            _ => return Err(component.wrong("property_list", "must be a list")),
        };
        let chunks = component.component("property_chunking")?;
        Ok(Self {
            parameter,
            from,
            always: texts(component.node("always_include_properties")),
            chunks: chunks.map(|chunks| Chunks::compile(&chunks)).transpose()?,
        })
    }

    /// The names each request of a page asks for.
    ///
    /// # Errors
    /// Whatever asking for the names ends with.
    pub async fn chunks(&self, site: &Arc<Site>) -> Result<Vec<Vec<String>>> {
        let names = match &self.from {
            From::List(names) => names,
            From::Endpoint { plan, path, found } => {
                let ask = || async { Self::ask(plan, path, site).await };
                found.get_or_try_init(ask).await?
            }
        };
        let chunks = match &self.chunks {
            Some(chunks) => chunks.cut(names, &self.always),
            None => vec![self.always.iter().chain(names).cloned().collect()],
        };
        if chunks.len() > MAX_CHUNKS {
            let message = format!("cuts the fields into more than {MAX_CHUNKS} requests");
            return Err(Error::invalid("property_chunking", message));
        }
        Ok(chunks)
    }

    async fn ask(plan: &Arc<StreamPlan>, path: &[String], site: &Arc<Site>) -> Result<Vec<String>> {
        let records = all_records(plan, site, MAX_FIELDS).await?;
        let name = |record: &Map<String, Value>| paths::first(record, path).map(plain);
        Ok(records.iter().filter_map(name).collect())
    }

    /// What records of one page that belong together are told by; `None` when none do.
    pub fn merge_key(&self, record: &Map<String, Value>) -> Option<String> {
        let chunks = self.chunks.as_ref()?;
        let value = |name: &String| {
            let value = record.get(name).filter(|value| !value.is_null())?;
            Some(plain(value)).filter(|text| !text.is_empty())
        };
        let values: Option<Vec<String>> = chunks.key.iter().map(value).collect();
        values.map(|values| values.join(","))
    }
}

impl From {
    fn endpoint(component: &Component, site: &Site, depth: usize) -> Result<Self> {
        let path = component.node("property_field_path").and_then(Node::as_list);
        let path =
            strings(component, "property_field_path", path.unwrap_or_default(), &site.scope())?;
        let retriever = component.need_component("retriever")?;
        let plan = StreamPlan::of_retriever(&retriever, "properties", site, depth + 1)?;
        Ok(Self::Endpoint { plan: Arc::new(plan), path, found: OnceCell::new() })
    }
}

impl Chunks {
    fn compile(component: &Component) -> Result<Self> {
        let by_characters = match &*component.need_text("property_limit_type")? {
            "characters" => true,
            "property_count" => false,
            other => {
                let message = format!("`{other}` is not supported");
                return Err(component.wrong("property_limit_type", &message));
            }
        };
        let limit = component.node("property_limit").and_then(|node| node.to_value().as_u64());
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|n| *n > 0);
        let key = component.component("record_merge_strategy")?;
        let key = match key.as_ref().and_then(|key| key.node("key")) {
            Some(Node::Text(text)) => vec![text.to_string()],
            Some(list) => texts(Some(list)),
            None => vec!["id".to_owned()],
        };
        Ok(Self { limit, by_characters, key })
    }

    fn cut(&self, names: &[String], always: &[String]) -> Vec<Vec<String>> {
        let Some(limit) = self.limit else {
            return vec![names.iter().chain(always).cloned().collect()];
        };
        let mut chunks = Vec::new();
        let (mut chunk, mut size) = (always.to_vec(), 0);
        for name in names {
            let own = if self.by_characters { name.chars().count() + BETWEEN } else { 1 };
            if size + own > limit {
                chunks.push(std::mem::replace(&mut chunk, always.to_vec()));
                size = 0;
            }
            chunk.push(name.clone());
            size += own;
        }
        chunks.push(chunk);
        chunks
    }
}

fn texts(node: Option<&Node>) -> Vec<String> {
    let items = node.and_then(Node::as_list).unwrap_or_default();
    items.iter().map(|item| plain(&item.to_value())).collect()
}

/// Puts the members of one record into another, objects member by member.
pub fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_cut_into_requests() {
        let names = ["aa", "bbb", "c"].map(str::to_owned);
        let always = ["id".to_owned()];
        let cut = |limit, by_characters| {
            let chunks = Chunks { limit, by_characters, key: Vec::new() };
            chunks.cut(&names, &always).iter().map(|one| one.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(cut(None, false), ["aa bbb c id"]);
        assert_eq!(cut(Some(2), false), ["id aa bbb", "id c"]);
        assert_eq!(cut(Some(11), true), ["id aa bbb", "id c"]);
        assert_eq!(cut(Some(10), true), ["id aa", "id bbb c"]);
    }

    #[test]
    fn records_are_put_together() {
        let mut into = json!({"id": 1, "p": {"a": 1}}).as_object().cloned().unwrap();
        let from = json!({"id": 1, "p": {"b": 2}, "q": 3}).as_object().cloned().unwrap();
        merge(&mut into, from);
        assert_eq!(Value::Object(into), json!({"id": 1, "p": {"a": 1, "b": 2}, "q": 3}));
    }
}
