//! A templated request, compiled.

use connectus_core::{
    Result,
    expr::Scope,
    provider::{Call, Encoding, HttpRequester, Method},
};
use serde_json::Value;

use crate::template::{Node, PathTemplate};

/// A templated request, compiled.
#[derive(Debug)]
pub struct CallPlan {
    /// The method.
    pub method: Method,
    path: PathTemplate,
    query: Vec<(Box<str>, Node)>,
    headers: Vec<(Box<str>, Node)>,
    body: Option<Node>,
    encoding: Encoding,
}

/// A request with its holes filled in, still without a host and a credential.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The method.
    pub method: Method,
    /// The path under the base URL.
    pub path: String,
    /// The query.
    pub query: Vec<(String, String)>,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Value>,
    /// How the body travels.
    pub encoding: Encoding,
}

impl CallPlan {
    /// Compiles a call.
    ///
    /// # Errors
    /// `invalid`, naming the place below `at`.
    pub fn compile(call: &Call, at: &str) -> Result<Self> {
        let query = call.query.iter();
        let headers = call.headers.iter();
        Ok(Self {
            method: call.method,
            path: PathTemplate::compile(&call.path, &format!("{at}/path"))?,
            query: query
                .map(|(name, value)| named(name, value, &format!("{at}/query/{name}")))
                .collect::<Result<_>>()?,
            headers: headers
                .map(|(name, value)| {
                    named(name, &value.as_str().into(), &format!("{at}/headers/{name}"))
                })
                .collect::<Result<_>>()?,
            body: call
                .body
                .as_ref()
                .map(|body| Node::compile(body, &format!("{at}/body")))
                .transpose()?,
            encoding: call.encoding,
        })
    }

    /// Compiles the request of a stream.
    ///
    /// # Errors
    /// `invalid`, naming the place below `at`.
    pub fn of_requester(request: &HttpRequester, at: &str) -> Result<Self> {
        let call = Call {
            method: request.http_method,
            path: request.path.clone(),
            query: request.request_parameters.clone(),
            headers: request.request_headers.clone(),
            body: request.request_body_json.clone(),
            encoding: Encoding::Json,
        };
        Self::compile(&call, at)
    }

    /// The same request with another body.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_with(&self, scope: &dyn Scope, body: Option<&Node>) -> Result<Draft> {
        let texts = |nodes: &[(Box<str>, Node)]| -> Result<Vec<(String, String)>> {
            let mut found = Vec::with_capacity(nodes.len());
            for (name, node) in nodes {
                if let Some(text) = node.render_text(scope)? {
                    found.push((name.to_string(), text));
                }
            }
            Ok(found)
        };
        Ok(Draft {
            method: self.method,
            path: self.path.render(scope)?,
            query: texts(&self.query)?,
            headers: texts(&self.headers)?,
            body: body.map(|node| node.render(scope)).transpose()?.flatten(),
            encoding: self.encoding,
        })
    }

    /// Fills in the holes.
    ///
    /// # Errors
    /// `invalid` when a template reads what is not there.
    pub fn render(&self, scope: &dyn Scope) -> Result<Draft> {
        self.render_with(scope, self.body.as_ref())
    }
}

fn named(name: &str, value: &Value, at: &str) -> Result<(Box<str>, Node)> {
    Ok((name.into(), Node::compile(value, at)?))
}
