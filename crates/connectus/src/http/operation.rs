//! One operation of the API: where it is reached, who may call it, what it documents.

use axum::{Router, routing::MethodRouter};
use connectus_core::access::Permission;
use utoipa::openapi::{PathItem, RefOr, Schema, path::HttpMethod};

use crate::app::App;

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, for a stated reason.
    Public(&'static str),
    /// Callers whose role holds the permission.
    Needs(Permission),
}

/// A row of the table of operations. The table drives routing, authorisation, OpenAPI and the
/// generated probes, so none of them can forget an operation.
pub struct Operation {
    /// `resource.verb`, the OpenAPI operation id.
    pub id: &'static str,
    /// Who may call it.
    pub access: Access,
    /// The HTTP method.
    pub method: HttpMethod,
    /// The canonical path, with `{name}` parameters and no trailing slash.
    pub path: String,
    /// Further paths at which it is served, never by redirect.
    pub aliases: &'static [&'static str],
    pub(crate) handler: MethodRouter<App>,
    pub(crate) document: utoipa::openapi::path::Operation,
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    /// All paths, canonical first, each with and without a trailing slash.
    pub fn paths(&self) -> Vec<String> {
        std::iter::once(self.path.as_str())
            .chain(self.aliases.iter().copied())
            .flat_map(|path| {
                let path = path.trim_end_matches('/');
                [path.to_owned(), format!("{path}/")]
            })
            // The root is the one path that ends with a slash anyway.
            .filter(|path| !path.is_empty())
            .collect()
    }

    /// Adds the operation to a router at all of its paths.
    pub(crate) fn mount(
        &self,
        mut router: Router<App>,
        handler: &MethodRouter<App>,
    ) -> Router<App> {
        for path in self.paths() {
            router = router.route(&path, handler.clone());
        }
        router
    }

    /// The operation's part of the OpenAPI document.
    pub(crate) fn path_item(&self) -> PathItem {
        let mut document = self.document.clone();
        document.operation_id = Some(self.id.to_owned());
        let mut extensions = document.extensions.take().unwrap_or_default();
        if !self.aliases.is_empty() {
            extensions.insert("x-aliases".into(), serde_json::json!(self.aliases));
        }
        match self.access {
            Access::Public(reason) => {
                extensions.insert("x-public".into(), reason.into());
                document.security = Some(Vec::new());
            }
            Access::Needs(permission) => {
                extensions.insert("x-permission".into(), permission.name().into());
            }
        }
        document.extensions = Some(extensions);
        PathItem::new(self.method.clone(), document)
    }
}

/// Declares operations. Each names a module that holds `pub async fn handle` under
/// `#[utoipa::path]`; the macro reads method, path and documentation from there.
macro_rules! operations {
    ($(
        $id:literal = $($module:ident)::+, $access:expr
        $(, aliases [$($alias:literal),* $(,)?])?;
    )*) => {
        vec![$({
            type Documented = $($module)::+::__path_handle;
            let mut schemas = Vec::new();
            <Documented as utoipa::__dev::SchemaReferences>::schemas(&mut schemas);
            let method = <Documented as utoipa::Path>::methods().remove(0);
            $crate::http::operation::Operation {
                id: $id,
                access: $access,
                path: <Documented as utoipa::Path>::path(),
                aliases: &[$($($alias),*)?],
                handler: axum::routing::on(
                    $crate::http::operation::filter(&method),
                    $($module)::+::handle,
                ),
                document: $crate::http::operation::tagged(
                    <Documented as utoipa::Path>::operation(),
                    &<Documented as utoipa::__dev::Tags>::tags(),
                ),
                schemas,
                method,
            }
        },)*]
    };
}
pub(crate) use operations;

/// The documentation with its tags, which the library keeps apart until a document is made.
pub(crate) fn tagged(
    mut document: utoipa::openapi::path::Operation,
    tags: &[&str],
) -> utoipa::openapi::path::Operation {
    document.tags = Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
    document
}

/// The axum filter of an OpenAPI method.
pub(crate) fn filter(method: &HttpMethod) -> axum::routing::MethodFilter {
    use axum::routing::MethodFilter as Filter;
    match method {
        HttpMethod::Post => Filter::POST,
        HttpMethod::Put => Filter::PUT,
        HttpMethod::Delete => Filter::DELETE,
        HttpMethod::Options => Filter::OPTIONS,
        HttpMethod::Head => Filter::HEAD,
        HttpMethod::Patch => Filter::PATCH,
        HttpMethod::Trace => Filter::TRACE,
        _ => Filter::GET,
    }
}
