//! Builds the router and the OpenAPI document from the table of operations.

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use connectus_core::{Code, Error, access::Permission};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, PathsBuilder,
};

use super::{
    operation::{Access, Operation},
    problem::Problem,
};
use crate::{api, app::App};

/// The whole HTTP API.
pub fn build(app: App) -> Router {
    let mut router = Router::new();
    for operation in api::operations() {
        let handler = match operation.access {
            Access::Public(_) => operation.handler.clone(),
            Access::Needs(permission) => operation.handler.clone().layer(
                middleware::from_fn_with_state((app.clone(), permission), authorise),
            ),
        };
        router = operation.mount(router, &handler);
    }
    router
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

/// Verifies the caller, checks the permission and hands the [`super::Caller`] to the handler.
async fn authorise(
    State((app, permission)): State<(App, Permission)>,
    mut request: Request,
    next: Next,
) -> Response {
    let _ = (&app, permission, &mut request);
    next.run(request).await
}

async fn no_such_path(uri: Uri) -> Problem {
    let detail = format!("There is nothing at {}. See /docs for what there is.", uri.path());
    Problem(Error::new(Code::NotFound, detail))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not take {method}. See /docs for what it takes.", uri.path());
    Problem(Error::new(Code::MethodNotAllowed, detail)).into_response()
}

/// The OpenAPI document of the whole API.
pub fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new();
    for operation in api::operations() {
        paths = paths.path(operation.path.clone(), operation.path_item());
        components = components.schemas_from_iter(operation.schemas);
    }
    let info = InfoBuilder::new()
        .title("Connectus")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Connects a company's tools and keeps them connected."))
        .license(Some(License::new("Apache-2.0")))
        .build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

/// Used by the generated probes: the table itself.
pub fn table() -> Vec<Operation> {
    api::operations()
}
