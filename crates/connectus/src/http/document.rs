//! The OpenAPI document of the whole API. What holds for every operation - credentials, problem
//! documents, idempotency keys - is added here, so that no operation has to repeat it.

use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, ComponentsBuilder, ContentBuilder, InfoBuilder, License, Object, OpenApi,
        OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr, ResponseBuilder, Schema,
        path::{HttpMethod, Operation, ParameterBuilder, ParameterIn},
        schema::Type,
        security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        },
    },
};

use super::{Access, idempotency::MAX_KEY_BYTES};
use crate::{
    api,
    auth::{credential, csrf, session::cookie_name},
};

/// An error, as every operation answers it (RFC 9457).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `Problem` writes")]
struct ProblemDocument {
    /// The help page of the code.
    #[schema(example = "/docs/errors/not_found")]
    r#type: String,
    /// A short summary, the same for every occurrence.
    #[schema(example = "Not found")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// The stable text to match on.
    #[schema(example = "not_found")]
    code: String,
    /// What went wrong here and what to do about it.
    #[schema(example = "No such integration.")]
    detail: String,
    /// Which values are not acceptable, for `invalid`.
    errors: Option<Vec<FieldProblem>>,
}

/// What is wrong with one value.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `Problem` writes")]
struct FieldProblem {
    /// Where: a member or parameter.
    field: String,
    /// What is wrong and what would be right.
    message: String,
}

/// The OpenAPI document of the whole API.
pub fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new();
    for operation in api::operations() {
        let mut item = operation.path_item();
        complete(&mut item, &operation.method, operation.access);
        paths = paths.path(operation.path.clone(), item);
        components = components.schemas_from_iter(operation.schemas);
    }
    let info = InfoBuilder::new()
        .title("Connectus")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Connects a company's tools and keeps them connected."))
        .license(Some(License::new("Apache-2.0")))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(common(components)))
        .security(Some(credentials()))
        .build()
}

fn common(components: ComponentsBuilder) -> Components {
    let cookie = ApiKeyValue::with_description(
        cookie_name(false),
        "The session cookie. Calls that change something also carry `X-CSRF-Token`.",
    );
    let secret = ApiKeyValue::with_description(
        credential::SERVICE_SECRET,
        "A partner service's secret, on behalf of the person in `X-User-Id`.",
    );
    let user = ApiKeyValue::with_description(
        credential::SERVICE_USER,
        "The person a partner service acts for: our identifier, or the partner's number.",
    );
    let csrf = ApiKeyValue::new(csrf::HEADER);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key (`cnx_...`) or an access token."))
        .build();
    components
        .schema("ProblemDocument", ProblemDocument::schema())
        .schema("FieldProblem", FieldProblem::schema())
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)))
        .security_scheme("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf)))
        .security_scheme("service_secret", SecurityScheme::ApiKey(ApiKey::Header(secret)))
        .security_scheme("service_user", SecurityScheme::ApiKey(ApiKey::Header(user)))
        .build()
}

/// The ways to sign in; each alone suffices.
fn credentials() -> [SecurityRequirement; 3] {
    let none: [&str; 0] = [];
    [
        SecurityRequirement::new("bearer", none),
        SecurityRequirement::new("cookie", none).add("csrf", none),
        SecurityRequirement::new("service_secret", none).add("service_user", none),
    ]
}

/// Adds what all operations have in common.
fn complete(item: &mut PathItem, method: &HttpMethod, access: Access) {
    let Some(operation) = slot(item, method) else { return };
    let problem = Ref::from_schema_name("ProblemDocument");
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let response = ResponseBuilder::new()
        .description("What went wrong and what to do about it.")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
    let changes = !matches!(method, HttpMethod::Get | HttpMethod::Head);
    if changes && matches!(access, Access::Needs(_)) {
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .description(Some("The same key and request have one effect and one answer for a day."))
            .schema(Some(key_schema()))
            .build();
        operation.parameters.get_or_insert_default().push(parameter.into());
    }
}

fn key_schema() -> Schema {
    let mut object = Object::with_type(Type::String);
    object.min_length = Some(1);
    object.max_length = Some(MAX_KEY_BYTES);
    object.example = Some(Value::from("8e03978e-40d5-43e8-bc93-6894a57f9324"));
    Schema::Object(object)
}

fn slot<'a>(item: &'a mut PathItem, method: &HttpMethod) -> Option<&'a mut Operation> {
    match method {
        HttpMethod::Get => item.get.as_mut(),
        HttpMethod::Post => item.post.as_mut(),
        HttpMethod::Put => item.put.as_mut(),
        HttpMethod::Patch => item.patch.as_mut(),
        HttpMethod::Delete => item.delete.as_mut(),
        HttpMethod::Head => item.head.as_mut(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written() -> Value {
        serde_json::to_value(document()).unwrap()
    }

    #[test]
    fn every_operation_is_in_it_and_says_how_it_fails() {
        let document = written();
        for operation in api::operations() {
            let method = serde_json::to_value(&operation.method).unwrap();
            let method = method.as_str().unwrap().to_lowercase();
            let written = &document["paths"][&operation.path][&method];
            assert_eq!(written["operationId"], operation.id);
            let problem = &written["responses"]["default"]["content"]["application/problem+json"];
            let expected = json!({"$ref": "#/components/schemas/ProblemDocument"});
            assert_eq!(problem["schema"], expected, "{}", operation.id);
            let keyed = written["parameters"].to_string().contains("Idempotency-Key");
            let needed = matches!(operation.access, Access::Needs(_));
            assert_eq!(keyed, needed && method != "get", "{}", operation.id);
            assert_eq!(written["security"] == json!([]), !needed, "{}", operation.id);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = written();
        let text = document.to_string();
        let references: Vec<&str> =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(references.len() > 100);
        for path in references {
            assert!(document.pointer(path).is_some(), "{path} is not in the document");
        }
    }
}
