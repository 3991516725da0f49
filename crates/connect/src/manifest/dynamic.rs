//! Streams that are made of a template: by what the settings, the manifest or the provider list.

use std::{collections::HashSet, sync::Arc};

use connectus_core::{Code, Error, Result};
use serde_json::{Map, Value};

use super::{
    document::{Component, Document, Member, Node},
    interpolation::{Condition, Scope, Types, Variable},
    reader::{Event, StreamReader},
    records::paths,
    request::{Site, strings},
    slices::Slice,
    stream::{StreamPlan, name_of},
    text::{Text, condition, plain},
};

/// Most streams made of one template.
const MAX_STREAMS: usize = 10_000;

/// One change of a template.
struct Change {
    path: Vec<Text>,
    value: Text,
    types: Types,
    when: Option<Condition>,
    makes: bool,
}

/// What one stream is made of.
struct Values {
    values: Value,
    slice: Slice,
}

/// All streams that are made of templates.
///
/// # Errors
/// `invalid` when a template cannot be filled in, or gives two streams of one name; whatever asking
/// the provider ends with.
pub async fn streams(document: &Document, site: &Arc<Site>) -> Result<Vec<Component>> {
    let mut made = Vec::new();
    let mut names = HashSet::new();
    for dynamic in document.root.components("dynamic_streams")? {
        let resolver = dynamic.need_component("components_resolver")?;
        let template = dynamic.node("stream_template").map(Node::to_value);
        let template = template.ok_or_else(|| dynamic.wrong("stream_template", "is missing"))?;
        let changes = resolver.components("components_mapping")?;
        let changes: Vec<_> = changes.iter().map(Change::compile).collect::<Result<_>>()?;
        let by_provider = resolver.kind() == "HttpComponentsResolver";
        for values in values_of(&resolver, site).await? {
            let mut stream = template.clone();
            for change in &changes {
                change.apply(&mut stream, &template, &values, site, !by_provider)?;
            }
            let stream = dynamic.made("stream_template", &Node::from_value(&stream));
            let stream = stream.ok_or_else(|| dynamic.wrong("stream_template", "is no object"))?;
            let name = name_of(&stream);
            if !names.insert(name.clone()) {
                let detail = format!("Two dynamic streams have the name `{name}`.");
                return Err(Error::new(Code::Invalid, detail).with("failure_type", "config_error"));
            }
            made.push(stream);
            if made.len() > MAX_STREAMS {
                let message = format!("makes more than {MAX_STREAMS} streams");
                return Err(resolver.wrong("components_mapping", &message));
            }
        }
    }
    Ok(made)
}

async fn values_of(resolver: &Component, site: &Arc<Site>) -> Result<Vec<Values>> {
    match resolver.kind() {
        "HttpComponentsResolver" => told(resolver, site).await,
        "ConfigComponentsResolver" => configured(resolver, site),
        "ParametrizedComponentsResolver" => {
            let given = resolver.need_component("stream_parameters")?;
            let list = given.node("list_of_parameters_for_stream").and_then(Node::as_list);
            let values = list.unwrap_or_default().iter().map(Node::to_value);
            Ok(values.map(|values| Values { values, slice: Slice::default() }).collect())
        }
        other => Err(resolver.wrong("type", &format!("`{other}` is not supported"))),
    }
}

/// The records of a retriever.
async fn told(resolver: &Component, site: &Arc<Site>) -> Result<Vec<Values>> {
    let retriever = resolver.need_component("retriever")?;
    let plan = StreamPlan::of_retriever(&retriever, "components", site, 0)?;
    let mut reader = StreamReader::begin(&Arc::new(plan), site, None)?;
    let mut all = Vec::new();
    while let Some(event) = reader.read().await? {
        let Event::Page { slice, batch } = event else { continue };
        let records = batch.into_built()?.into_iter().map(Value::Object);
        all.extend(records.map(|values| Values { values, slice: slice.clone() }));
        if all.len() > MAX_STREAMS {
            let message = format!("lists more than {MAX_STREAMS} streams");
            return Err(resolver.wrong("retriever", &message));
        }
    }
    Ok(all)
}

/// Lists of the settings; of several, every combination.
fn configured(resolver: &Component, site: &Site) -> Result<Vec<Values>> {
    let mut all: Vec<Map<String, Value>> = vec![Map::new()];
    for (place, list) in resolver.components("stream_config")?.iter().enumerate() {
        let path = list.node("configs_pointer").and_then(Node::as_list).unwrap_or_default();
        let path = strings(list, "configs_pointer", path, &site.scope())?;
        let mut items = match path.iter().try_fold(&*site.config, |at, step| at.get(step)) {
            None => Vec::new(),
            Some(Value::Array(items)) => items.clone(),
            Some(one) => vec![one.clone()],
        };
        let usual = list.node("default_values").and_then(Node::as_list).unwrap_or_default();
        items.extend(usual.iter().map(Node::to_value));
        if all.len().saturating_mul(items.len()) > MAX_STREAMS {
            return Err(list.wrong("configs_pointer", "lists too many streams"));
        }
        let mut more = Vec::new();
        for before in &all {
            for (index, item) in items.iter().enumerate() {
                let mut values = before.clone();
                match item {
                    Value::Object(members) => values.extend(members.clone()),
                    other => {
                        let pair = Value::Array(vec![index.into(), other.clone()]);
                        values.entry(format!("source_config_{place}")).or_insert(pair);
                    }
                }
                more.push(values);
            }
        }
        all = more;
    }
    let values = all.into_iter().map(Value::Object);
    Ok(values.map(|values| Values { values, slice: Slice::default() }).collect())
}

impl Change {
    fn compile(component: &Component) -> Result<Self> {
        let path = component.node("field_path").and_then(Node::as_list).unwrap_or_default();
        let step = |step: &Node| Text::compile(component, "field_path", &plain(&step.to_value()));
        let types = match component.text("value_type").as_deref() {
            Some("string") => Types::STR,
            Some("number") => Types::FLOAT,
            Some("integer") => Types::INT,
            Some("boolean") => Types::BOOL,
            _ => Types::ANY,
        };
        let value = Text::typed(component, "value", types)?;
        Ok(Self {
            path: path.iter().map(step).collect::<Result<_>>()?,
            value: value.ok_or_else(|| component.wrong("value", "is missing"))?,
            when: condition(component, "condition")?,
            makes: component.flag("create_or_update"),
            types,
        })
    }

    fn apply(
        &self,
        stream: &mut Value,
        template: &Value,
        values: &Values,
        site: &Site,
        as_yaml: bool,
    ) -> Result<()> {
        let scope: Scope<'_> = site
            .scope()
            .with(Variable::ComponentsValues, &values.values)
            .with(Variable::StreamTemplateConfig, template)
            .with_slice(values.slice.view());
        if !self.when.as_ref().map_or(Ok(true), |when| when.holds(&scope))? {
            return Ok(());
        }
        let mut value = self.value.eval(&scope)?;
        if let (true, Value::String(text)) = (as_yaml && self.types != Types::STR, &value) {
            value = yaml(text).unwrap_or(value);
        }
        let path: Vec<String> =
            self.path.iter().map(|step| step.string(&scope)).collect::<Result<_>>()?;
        let found = replace(stream, &path, &value);
        if let (false, true, Value::Object(members)) = (found, self.makes, stream) {
            paths::set(members, &path, value);
        }
        Ok(())
    }
}

/// Sets what is there already at a path whose steps may be `*` or `**`; answers whether there was.
fn replace(at: &mut Value, path: &[String], value: &Value) -> bool {
    let Some((step, rest)) = path.split_first() else {
        *at = value.clone();
        return true;
    };
    let mut found = false;
    if step == "**" {
        found |= replace(at, rest, value);
    }
    let (any, down) = (step == "*" || step == "**", if step == "**" { path } else { rest });
    match at {
        Value::Object(members) => {
            for (name, inner) in members {
                if any || name == step {
                    found |= replace(inner, down, value);
                }
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter_mut().enumerate() {
                if any || step.parse() == Ok(index) {
                    found |= replace(inner, down, value);
                }
            }
        }
        _ => {}
    }
    found
}

/// A text as YAML, where it is some.
fn yaml(text: &str) -> Option<Value> {
    match text.to_lowercase().as_str() {
        "yes" | "on" => return Some(true.into()),
        "no" | "off" => return Some(false.into()),
        "" => return Some(Value::Null),
        _ => {}
    }
    serde_saphyr::from_str(text).ok()
}

/// The streams of a list, those that stand under a condition among them.
///
/// # Errors
/// `invalid` when a condition cannot be evaluated.
pub fn listed(root: &Component, scope: Option<&Scope<'_>>) -> Result<Vec<Component>> {
    let mut streams = Vec::new();
    let Some(Member::List(_) | Member::Component(_)) = root.member("streams") else {
        return Ok(streams);
    };
    for stream in root.components("streams")? {
        if stream.kind() != "ConditionalStreams" {
            streams.push(stream);
            continue;
        }
        let holds = match (condition(&stream, "condition")?, scope) {
            (Some(condition), Some(scope)) => condition.holds(scope)?,
            (_, scope) => scope.is_none(),
        };
        if holds {
            streams.extend(stream.components("streams")?);
        }
    }
    Ok(streams)
}
