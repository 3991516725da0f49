//! A partition router, compiled: which partitions a stream is read in.

use std::sync::Arc;

use connectus_core::Result;
use serde_json::{Map, Value};

use super::Slice;
use crate::manifest::{
    document::{Component, Node},
    records::paths,
    request::{Options, Site, Slot, strings},
    stream::StreamPlan,
    text::{Text, plain},
};

/// Longest chain of parents.
const MAX_PARENTS: usize = 16;

/// Where partitions come from.
#[derive(Debug)]
pub enum Router {
    /// There is one, without keys.
    Single,
    /// The items of a list.
    List {
        /// The key.
        key: String,
        /// Its values.
        values: Vec<Value>,
        /// Where the value goes in a request.
        slot: Option<Slot>,
    },
    /// The records of other streams.
    Parents(Vec<Arc<Parent>>),
    /// Every combination of others.
    Product(Vec<Arc<Router>>),
}

/// A stream whose records make partitions.
#[derive(Debug)]
pub struct Parent {
    /// The stream.
    pub stream: Arc<StreamPlan>,
    /// Whether only its changes are read, as far as the child's state says.
    pub incremental: bool,
    key: Vec<String>,
    field: String,
    extra: Vec<Vec<String>>,
    slot: Option<Slot>,
}

impl Router {
    /// Reads the router of a retriever.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(retriever: &Component, site: &Site, depth: usize) -> Result<Self> {
        let mut routers = retriever.components("partition_router")?;
        let list = matches!(retriever.node("partition_router"), Some(Node::List(_)));
        match routers.len() {
            0 => Ok(Self::Single),
            1 if !list => Self::read(&routers.remove(0), site, depth),
            _ => {
                let routers = routers.iter().map(|one| Self::read(one, site, depth).map(Arc::new));
                Ok(Self::Product(routers.collect::<Result<_>>()?))
            }
        }
    }

    fn read(component: &Component, site: &Site, depth: usize) -> Result<Self> {
        match component.kind() {
            "ListPartitionRouter" => Self::list(component, site),
            "SubstreamPartitionRouter" => {
                if depth >= MAX_PARENTS {
                    let message = format!("nest deeper than {MAX_PARENTS} streams");
                    return Err(component.wrong("parent_stream_configs", &message));
                }
                let parents = component.components("parent_stream_configs")?;
                if parents.is_empty() {
                    return Err(component.wrong("parent_stream_configs", "must name a stream"));
                }
                let parents = parents.iter().map(|one| Parent::compile(one, site, depth + 1));
                Ok(Self::Parents(parents.map(|one| one.map(Arc::new)).collect::<Result<_>>()?))
            }
            other => Err(component.wrong("type", &format!("`{other}` is not supported"))),
        }
    }

    fn list(component: &Component, site: &Site) -> Result<Self> {
        let scope = site.scope();
        let values = match component.node("values") {
            Some(Node::List(items)) => items.iter().map(Node::to_value).collect(),
            _ => match Text::need(component, "values")?.eval(&scope)? {
                Value::Array(items) => items,
                _ => return Err(component.wrong("values", "must be a list")),
            },
        };
        let slot = component.component("request_option")?;
        Ok(Self::List {
            key: Text::need(component, "cursor_field")?.string(&scope)?,
            values,
            slot: slot.map(|option| Slot::compile(&option, &scope)).transpose()?,
        })
    }

    /// Whether there is but one partition.
    pub fn is_single(&self) -> bool {
        matches!(self, Self::Single)
    }

    /// Puts a partition into a request.
    pub fn options(&self, slice: &Slice, options: &mut Options) {
        let mut put = |key: &str, slot: &Slot| {
            if let Some(value) = slice.partition().get(key).filter(|value| is_truthy(value)) {
                slot.put(options, value.clone());
            }
        };
        match self {
            Self::Single => {}
            Self::List { key, slot, .. } => slot.iter().for_each(|slot| put(key, slot)),
            Self::Parents(parents) => {
                for parent in parents {
                    parent.slot.iter().for_each(|slot| put(&parent.field, slot));
                }
            }
            Self::Product(routers) => {
                routers.iter().rev().for_each(|router| router.options(slice, options));
            }
        }
    }
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

impl Parent {
    fn compile(component: &Component, site: &Site, depth: usize) -> Result<Self> {
        let scope = site.scope();
        if component.node("lazy_read_pointer").is_some_and(Node::is_truthy) {
            return Err(component.wrong("lazy_read_pointer", "is not supported"));
        }
        let key = Text::need(component, "parent_key")?.string(&scope)?;
        let extra = component.node("extra_fields").and_then(Node::as_list).unwrap_or_default();
        let extra = extra.iter().map(|path| match path {
            Node::List(steps) => strings(component, "extra_fields", steps, &scope),
            other => Ok(vec![plain(&other.to_value())]),
        });
        let slot = component.component("request_option")?;
        let stream = component.need_component("stream")?;
        Ok(Self {
            stream: Arc::new(StreamPlan::compile(&stream, site, depth)?),
            incremental: component.flag("incremental_dependency"),
            key: key.split('/').filter(|step| !step.is_empty()).map(str::to_owned).collect(),
            field: Text::need(component, "partition_field")?.string(&scope)?,
            extra: extra.collect::<Result<_>>()?,
            slot: slot.map(|option| Slot::compile(&option, &scope)).transpose()?,
        })
    }

    /// The partition a record makes; `None` when it lacks the key.
    pub fn partition(&self, record: &Map<String, Value>, slice: &Slice) -> Option<Slice> {
        let value = paths::first(record, &self.key).filter(|value| !value.is_null())?;
        let partition = Map::from_iter([
            (self.field.clone(), value.clone()),
            ("parent_slice".to_owned(), Value::Object(slice.partition().clone())),
        ]);
        let extra = self
            .extra
            .iter()
            .map(|path| (path.join("."), paths::first(record, path).cloned().unwrap_or_default()));
        Some(Slice::of_partition(partition, extra.collect()))
    }
}
