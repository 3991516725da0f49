//! The first page: what this is and where to go.

use super::html::{Page, escape};

/// The page of a server that others reach at `url`.
pub fn page(url: &str) -> Page {
    let url = escape(url);
    let version = env!("CARGO_PKG_VERSION");
    let body = format!(
        "<h1>Connectus connects a company's tools and keeps them connected.</h1>\n\
         <p>It syncs data between services, runs workflows that survive crashes, and shows how \
         healthy each connection is. This is version {version}; its API is at \
         <code>{url}/api/v1</code>.</p>\n\
         <h2>Where to go</h2>\n<ul>\n\
         <li><a href=\"/docs\">The API</a>, operation by operation, and as \
         <a href=\"/openapi.json\">OpenAPI</a></li>\n\
         <li><a href=\"/docs/errors\">Errors</a>: what each means and what to do</li>\n\
         <li><a href=\"/health/ready\">Readiness</a> and <a href=\"/health\">liveness</a> of this \
         process</li>\n</ul>\n\
         <h2>First steps</h2>\n\
         <p>Make a key on the machine that runs the server, then call the API with it:</p>\n\
         <pre><code>connectus tenant create Acme\n\
         connectus token create --tenant Acme --role owner\n\
         curl -H \"Authorization: Bearer $TOKEN\" {url}/api/v1/providers</code></pre>\n\
         <p class=\"soft\">Sign-in for people is at <code>POST /api/v1/auth/login</code>. A server \
         without people prints a one-time set-up link when it starts.</p>\n"
    );
    Page::new("Start", body)
}
