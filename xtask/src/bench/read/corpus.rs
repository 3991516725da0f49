//! Manifests as services have them: definitions that refer to each other, many streams.

use std::{fmt::Write as _, fs, path::Path};

use crate::command::Outcome;

/// Streams of a manifest.
const STREAMS: usize = 10;
/// Fields of a stream's schema.
const FIELDS: usize = 60;

/// Writes so many manifests; answers how many and their bytes.
pub fn write(folder: &Path, count: usize) -> Outcome<(usize, usize)> {
    let said = |error| format!("{}: {error}", folder.display());
    fs::create_dir(folder).map_err(said)?;
    let mut bytes = 0;
    for index in 0..count {
        let text = manifest(index);
        bytes += text.len();
        fs::write(folder.join(format!("m{index}.yaml")), text).map_err(said)?;
    }
    Ok((count, bytes))
}

fn manifest(index: usize) -> String {
    let mut text = String::from(HEAD);
    for stream in 0..STREAMS {
        let _ = write!(text, "    s{stream}:\n{STREAM}");
        let _ = writeln!(text, "      name: s{stream}_{index}");
        let _ = writeln!(
            text,
            "      $parameters: {{path: \"v1/s{stream}\", name: s{stream}_{index}}}"
        );
        let _ = writeln!(text, "      schema_loader:\n        type: InlineSchemaLoader");
        let _ = writeln!(text, "        schema: {{$ref: \"#/schemas/s{stream}\"}}");
    }
    text.push_str("streams:\n");
    for stream in 0..STREAMS {
        let _ = writeln!(text, "  - \"#/definitions/streams/s{stream}\"");
    }
    text.push_str("schemas:\n");
    for stream in 0..STREAMS {
        let _ = writeln!(text, "  s{stream}:\n    type: object\n    properties:");
        for field in 0..FIELDS {
            let _ = writeln!(text, "      field_{field}:\n        type:\n          - string");
            let _ = writeln!(
                text,
                "          - \"null\"\n        description: Field {field}, as told."
            );
        }
    }
    text.push_str(SPEC);
    text
}

const HEAD: &str = r##"version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [s0_0]}
definitions:
  requester:
    type: HttpRequester
    url_base: "https://api.example.com/"
    path: "{{ parameters['path'] }}"
    authenticator: {$ref: "#/definitions/bearer"}
    error_handler:
      type: CompositeErrorHandler
      error_handlers:
        - type: DefaultErrorHandler
          backoff_strategies: [{type: WaitTimeFromHeader, header: Retry-After}]
          response_filters: [{type: HttpResponseFilter, http_codes: [404], action: IGNORE}]
  bearer: {type: BearerAuthenticator, api_token: "{{ config['token'] }}"}
  paginator:
    type: DefaultPaginator
    page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
    pagination_strategy: {type: PageIncrement, page_size: 100, start_from_page: 1}
  cursor:
    type: DatetimeBasedCursor
    cursor_field: updated_at
    datetime_format: "%Y-%m-%dT%H:%M:%SZ"
    start_datetime: {type: MinMaxDatetime, datetime: "{{ config['start'] }}"}
    lookback_window: P1D
  streams:
"##;

const STREAM: &str = r##"      type: DeclarativeStream
      primary_key: id
      incremental_sync: {$ref: "#/definitions/cursor"}
      retriever:
        type: SimpleRetriever
        requester:
          $ref: "#/definitions/requester"
          request_parameters:
            since: "{{ stream_interval['start_time'] }}"
        record_selector:
          {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}
        paginator: {$ref: "#/definitions/paginator"}
      transformations:
        - type: AddFields
          fields: [{path: [source], value: "{{ parameters['name'] }}"}]
"##;

const SPEC: &str = r#"spec:
  type: Spec
  connection_specification:
    type: object
    required: [token]
    properties:
      token: {type: string, airbyte_secret: true}
      start: {type: string}
"#;
