//! What of a manifest runs here, stream by stream, and what each of the others needs.

use std::collections::HashSet;

use serde::Serialize;

use super::{
    document::{Component, Document, Member, Node},
    dynamic,
    stream::name_of,
};

/// Types of components that run here.
const NATIVE: &[&str] = &[
    "AddFields",
    "AddedFieldDefinition",
    "ApiKey",
    "ApiKeyAuthenticator",
    "AsyncJobStatusMap",
    "AsyncRetriever",
    "BasicHttpAuthenticator",
    "Bearer",
    "BearerAuthenticator",
    "CheckDynamicStream",
    "CheckStream",
    "ComplexFieldType",
    "ComponentMappingDefinition",
    "CompositeErrorHandler",
    "CompositeRawDecoder",
    "ConditionalStreams",
    "ConfigComponentsResolver",
    "ConstantBackoffStrategy",
    "CsvDecoder",
    "CsvParser",
    "CursorPagination",
    "DatetimeBasedCursor",
    "DeclarativeSource",
    "DeclarativeStream",
    "DefaultErrorHandler",
    "DefaultPaginator",
    "DpathExtractor",
    "DpathFlattenFields",
    "DynamicDeclarativeStream",
    "DynamicSchemaLoader",
    "ExponentialBackoffStrategy",
    "FlattenFields",
    "GroupByKeyMergeStrategy",
    "GroupingPartitionRouter",
    "GzipDecoder",
    "GzipParser",
    "HTTPAPIBudget",
    "HttpComponentsResolver",
    "HttpRequester",
    "HttpResponseFilter",
    "IncrementingCountCursor",
    "InlineSchemaLoader",
    "IterableDecoder",
    "JsonDecoder",
    "JsonFileSchemaLoader",
    "JsonItemsDecoder",
    "JsonLineParser",
    "JsonParser",
    "JsonlDecoder",
    "JwtAuthenticator",
    "KeyTransformation",
    "KeysReplace",
    "KeysToLower",
    "KeysToSnakeCase",
    "LegacySessionTokenAuthenticator",
    "LegacyToPerPartitionStateMigration",
    "ListPartitionRouter",
    "MinMaxDatetime",
    "NoAuth",
    "NoPagination",
    "OAuthAuthenticator",
    "OffsetIncrement",
    "PageIncrement",
    "ParametrizedComponentsResolver",
    "ParentStreamConfig",
    "PropertiesFromEndpoint",
    "PropertyChunking",
    "QueryProperties",
    "RecordFilter",
    "RecordSelector",
    "RemoveFields",
    "RequestBodyGraphQL",
    "RequestBodyJsonObject",
    "RequestBodyPlainText",
    "RequestBodyUrlEncodedForm",
    "RequestOption",
    "RequestPath",
    "ResponseToFileExtractor",
    "SchemaTypeIdentifier",
    "SelectiveAuthenticator",
    "SessionTokenAuthenticator",
    "SimpleRetriever",
    "StateDelegatingStream",
    "StreamConfig",
    "StreamParametersDefinition",
    "SubstreamPartitionRouter",
    "TypesMap",
    "WaitTimeFromHeader",
    "WaitUntilTimeFromHeader",
    "XmlDecoder",
    "ZipfileDecoder",
];

/// Members of components that change what they do and do not run here.
const FOREIGN_MEMBERS: &[(&str, &str)] = &[
    ("DatetimeBasedCursor", "clamping"),
    ("DpathExtractor", "record_expander"),
    ("DeclarativeStream", "file_uploader"),
    ("JwtAuthenticator", "passphrase"),
    ("OAuthAuthenticator", "profile_assertion"),
    ("QueryProperties", "property_selector"),
];

/// Members that hold data, whatever their own members are called.
const DATA: &[&str] = &[
    "schema",
    "connection_specification",
    "additional_jwt_headers",
    "additional_jwt_payload",
    "request_headers",
    "request_body_data",
    "request_body_json",
    "refresh_request_body",
    "refresh_request_headers",
    "list_of_parameters_for_stream",
    "default_values",
    "$parameters",
    "parameters",
    "value",
    "values",
];

/// Something a stream needs that does not run here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The type, or the Python class of a custom component.
    pub what: String,
    /// Where it stands in the manifest.
    pub path: String,
}

/// Whether a stream runs here.
#[derive(Clone, Debug, Serialize)]
pub struct StreamSupport {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub native: bool,
    /// What it needs otherwise.
    pub needs: Vec<Need>,
}

/// What of a manifest runs here.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Its streams.
    pub streams: Vec<StreamSupport>,
    /// What its author should know.
    pub warnings: Vec<String>,
}

/// Looks at every stream of a document.
pub fn report(document: &Document) -> Report {
    let mut streams = Vec::new();
    let mut warnings = document.warnings.clone();
    match dynamic::listed(&document.root, None) {
        Ok(components) => streams.extend(components.iter().map(support)),
        Err(error) => warnings.push(error.detail),
    }
    for dynamic in document.root.components("dynamic_streams").unwrap_or_default() {
        let name = dynamic.text("name").map_or_else(|| "(dynamic)".to_owned(), |n| n.to_string());
        let needs = needs_of(&dynamic);
        streams.push(StreamSupport { name, native: needs.is_empty(), needs });
    }
    Report { streams, warnings }
}

/// Whether a stream runs here.
pub fn support(stream: &Component) -> StreamSupport {
    let needs = needs_of(stream);
    StreamSupport { name: name_of(stream), native: needs.is_empty(), needs }
}

fn needs_of(component: &Component) -> Vec<Need> {
    let mut walk = Walk { met: HashSet::new(), needs: Vec::new() };
    walk.component(component);
    walk.needs
}

struct Walk {
    /// Components met; one that is written once and used often is looked at once.
    met: HashSet<(usize, String)>,
    needs: Vec<Need>,
}

impl Walk {
    fn component(&mut self, component: &Component) {
        let (address, kind) = component.identity();
        if !self.met.insert((address, kind.to_owned())) {
            return;
        }
        if let Some(what) = foreign(component) {
            self.need(what, component.place().to_string());
            return;
        }
        for name in component.names() {
            if DATA.contains(&name) {
                continue;
            }
            let set = component.node(name).is_some_and(Node::is_truthy);
            if set && FOREIGN_MEMBERS.contains(&(component.kind(), name)) {
                let what = format!("{}.{name}", component.kind());
                self.need(what, format!("{}/{name}", component.place()));
            } else if let Some(what) = foreign_parent(component, name) {
                self.need(what, format!("{}/{name}", component.place()));
            } else if name == "request_parameters" {
                self.parameters(component.member(name));
            } else if let Some(member) = component.member(name) {
                self.member(member);
            }
        }
    }

    /// Of parameters, those that are components; the others are data.
    fn parameters(&mut self, parameters: Option<Member>) {
        let Some(Member::Component(parameters)) = parameters else { return };
        for name in parameters.names() {
            match parameters.member(name) {
                Some(Member::Component(one)) if one.kind() == "QueryProperties" => {
                    self.component(&one);
                }
                _ => {}
            }
        }
    }

    fn member(&mut self, member: Member) {
        match member {
            Member::Component(component) => self.component(&component),
            Member::List(items) => items.into_iter().for_each(|item| self.member(item)),
            Member::Plain(_) => {}
        }
    }

    fn need(&mut self, what: String, path: String) {
        let need = Need { what, path };
        if !self.needs.contains(&need) {
            self.needs.push(need);
        }
    }
}

/// A stream that others cannot be read from: which one it is depends on a state that is not theirs.
fn foreign_parent(component: &Component, name: &str) -> Option<String> {
    let is_parent = component.kind() == "ParentStreamConfig" && name == "stream";
    match is_parent.then(|| component.member(name))?? {
        Member::Component(stream) if stream.kind() == "StateDelegatingStream" => {
            Some("ParentStreamConfig.stream StateDelegatingStream".to_owned())
        }
        Member::Component(_) | Member::List(_) | Member::Plain(_) => None,
    }
}

/// What a component is that does not run here.
fn foreign(component: &Component) -> Option<String> {
    let class = component.text("class_name");
    match (component.kind(), class) {
        (kind, Some(class)) => {
            let kind = if kind.is_empty() { "class" } else { kind };
            Some(format!("{kind} {class}"))
        }
        ("", None) => None,
        (kind, None) => (!NATIVE.contains(&kind)).then(|| kind.to_owned()),
    }
}
