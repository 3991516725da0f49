//! Which type a component has whose manifest leaves it out, by where it stands.

/// The type of a component, by `Parent.member`.
pub fn inferred(identifier: &str) -> Option<&'static str> {
    let (parent, member) = identifier.split_once('.')?;
    Some(match (parent, member) {
        ("CompositeErrorHandler", "error_handlers") | ("HttpRequester", "error_handler") => {
            "DefaultErrorHandler"
        }
        ("CursorPagination" | "DefaultPaginator" | "DpathExtractor", "decoder") => "JsonDecoder",
        ("DatetimeBasedCursor", "start_datetime" | "end_datetime") => "MinMaxDatetime",
        ("DatetimeBasedCursor", "start_time_option" | "end_time_option")
        | ("DefaultPaginator", "page_size_option")
        | ("ListPartitionRouter" | "ParentStreamConfig", "request_option") => "RequestOption",
        ("DeclarativeSource", "check") => "CheckStream",
        ("DeclarativeSource", "spec") => "Spec",
        ("DeclarativeSource", "streams")
        | ("DynamicDeclarativeStream", "stream_template")
        | ("ParentStreamConfig", "stream") => "DeclarativeStream",
        ("DeclarativeStream" | "HttpComponentsResolver" | "DynamicSchemaLoader", "retriever") => {
            "SimpleRetriever"
        }
        ("DeclarativeStream", "schema_loader") => "JsonFileSchemaLoader",
        ("DynamicDeclarativeStream", "components_resolver") => "ConfigComponentResolver",
        ("HttpComponentsResolver" | "ConfigComponentsResolver", "components_mapping") => {
            "ComponentMappingDefinition"
        }
        ("ConfigComponentsResolver", "stream_config") => "StreamConfig",
        ("DefaultErrorHandler", "response_filters") => "HttpResponseFilter",
        ("DpathExtractor", "record_expander") => "RecordExpander",
        ("RecordExpander", "parent_fields") => "ParentFieldPath",
        ("RecordSelector", "extractor") => "DpathExtractor",
        ("RecordSelector", "record_filter") => "RecordFilter",
        ("SimpleRetriever", "paginator") => "NoPagination",
        ("SimpleRetriever", "record_selector") => "RecordSelector",
        ("SimpleRetriever", "requester") => "HttpRequester",
        ("SubstreamPartitionRouter" | "CustomPartitionRouter", "parent_stream_configs") => {
            "ParentStreamConfig"
        }
        ("AddFields", "fields") => "AddedFieldDefinition",
        ("SchemaTypeIdentifier", "types_map") => "TypesMap",
        _ => return None,
    })
}

/// The type of a component that names a Python class only.
pub fn custom(identifier: &str) -> Option<&'static str> {
    Some(match identifier {
        "CompositeErrorHandler.backoff_strategies" | "DefaultErrorHandler.backoff_strategies" => {
            "CustomBackoffStrategy"
        }
        "DeclarativeStream.retriever" => "CustomRetriever",
        "DeclarativeStream.transformations" => "CustomTransformation",
        "DefaultPaginator.pagination_strategy" => "CustomPaginationStrategy",
        "HttpRequester.authenticator" => "CustomAuthenticator",
        "HttpRequester.error_handler" => "CustomErrorHandler",
        "RecordSelector.extractor" => "CustomRecordExtractor",
        "SimpleRetriever.partition_router" => "CustomPartitionRouter",
        _ => return None,
    })
}
