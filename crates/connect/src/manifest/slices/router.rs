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

/// Most partitions of one group.
const MAX_GROUP: usize = 10_000;
/// The field passed along that is the first page of a partition.
pub const FIRST_PAGE: &str = "child_response";

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
    /// Partitions of another, some at a time.
    Groups {
        /// The other.
        inner: Arc<Router>,
        /// How many at a time.
        size: usize,
        /// Leaves out those that came before.
        distinct: bool,
    },
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
    /// Where a record holds the first page of the child.
    lazy: Option<Vec<String>>,
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
            "GroupingPartitionRouter" => Self::groups(component, site, depth),
            other => Err(component.wrong("type", &format!("`{other}` is not supported"))),
        }
    }

    fn groups(component: &Component, site: &Site, depth: usize) -> Result<Self> {
        let size = component.node("group_size").and_then(|size| size.to_value().as_u64());
        let size = size.and_then(|size| usize::try_from(size).ok());
        let size = size.filter(|size| (1..=MAX_GROUP).contains(size));
        let inner = component.need_component("underlying_partition_router")?;
        let inner = Self::read(&inner, site, depth)?;
        let asks = match &inner {
            Self::List { slot, .. } => slot.is_some(),
            Self::Parents(parents) => parents.iter().any(|parent| parent.slot.is_some()),
            _ => false,
        };
        if asks {
            let message = "must not have a `request_option` where its partitions are grouped";
            return Err(component.wrong("underlying_partition_router", message));
        }
        Ok(Self::Groups {
            inner: Arc::new(inner),
            size: size.ok_or_else(|| {
                component.wrong("group_size", &format!("must be from 1 to {MAX_GROUP}"))
            })?,
            distinct: !matches!(component.node("deduplicate"), Some(Node::Bool(false))),
        })
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
            Self::Single | Self::Groups { .. } => {}
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
        let lazy = component.node("lazy_read_pointer").and_then(Node::as_list);
        let lazy = lazy.filter(|steps| !steps.is_empty());
        let lazy = lazy.map(|steps| strings(component, "lazy_read_pointer", steps, &scope));
        let lazy = lazy.transpose()?;
        if lazy.as_ref().is_some_and(|steps| steps.iter().any(|step| step == "*")) {
            return Err(component.wrong("lazy_read_pointer", "must name one place"));
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
            lazy,
            slot: slot.map(|option| Slot::compile(&option, &scope)).transpose()?,
        })
    }

    /// The key of its partitions.
    pub fn field(&self) -> &str {
        &self.field
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
        let slice = Slice::of_partition(partition, extra.collect());
        let Some(lazy) = &self.lazy else { return Some(slice) };
        let page = paths::first(record, lazy).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        Some(slice.with_extra([(FIRST_PAGE, page)]))
    }
}
