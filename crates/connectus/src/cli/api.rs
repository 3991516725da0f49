//! `connectus api`: any operation of the API from the command line.

use std::{
    io::{IsTerminal, Read},
    net::SocketAddr,
    process::ExitCode,
};

use axum::{body::Body, extract::ConnectInfo};
use clap::Args;
use connectus_core::{Code, Error, Result, access::Role};
use connectus_engine::connections::seed_providers;
use connectus_store::Store;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::{Global, find, output, role};
use crate::{
    auth::keys::{self, NewApiKey},
    config::Settings,
    http::router,
    process::{Surroundings, assemble, lock},
};

/// How long the key of one call is good, should the process die before it revokes it.
const KEY_SECS: i64 = 600;
/// Where paths without a leading slash begin.
const BASE: &str = "/api/v1/";

#[derive(Debug, Args)]
pub struct Api {
    /// The path with its query: `providers` is short for `/api/v1/providers`.
    path: String,
    /// GET, POST, PUT, PATCH or DELETE; without it GET, or POST with a body.
    #[arg(long, short = 'X', value_name = "METHOD")]
    method: Option<Method>,
    /// The body: JSON, @FILE for a file, - for standard input.
    #[arg(long, short, value_name = "JSON")]
    data: Option<String>,
    /// A further header, as 'If-Match: "3"'. Repeatable.
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The tenant, by identifier or name; not needed where there is only one.
    #[arg(long, short)]
    tenant: Option<String>,
    /// What the call may do: owner, admin, editor, operator or viewer.
    #[arg(long, value_parser = role, default_value = "owner")]
    role: Role,
    /// Print the status and the headers of the answer too.
    #[arg(long, short)]
    include: bool,
}

pub async fn run(command: Api, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let store = &opened.store;
    let ctx = find::tenant(store, command.tenant.as_deref()).await?;
    let mut request = request(&command)?;
    let name = "connectus api".to_owned();
    let expires_at = Some(store.env().now().plus_secs(KEY_SECS));
    let new = NewApiKey { name, role: command.role, user: None, expires_at };
    let (key, secret) = keys::create(store, ctx.clone(), new).await?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret()));
    request.headers_mut().insert(header::AUTHORIZATION, bearer.map_err(Error::internal)?);
    // A running server has what no other process has: its engine, the fakes of its sandbox.
    let server = lock::holder(&opened.dir).and_then(|holder| holder.address);
    let answered = match server {
        Some(address) => over_http(&address, request).await,
        None => in_process(store, &config.settings, request).await,
    };
    let shown = match answered {
        Ok(answer) => show(answer, command.include).await,
        Err(error) => Err(error),
    };
    keys::revoke(store, ctx, key.id).await?;
    store.close().await;
    shown
}

/// The request as the command line describes it, without a credential.
fn request(command: &Api) -> Result<Request<Body>> {
    let body = command.data.as_deref().map(body).transpose()?;
    let method = match (&command.method, &body) {
        (Some(method), _) => method.clone(),
        (None, Some(_)) => Method::POST,
        (None, None) => Method::GET,
    };
    let path = match command.path.starts_with('/') {
        true => command.path.clone(),
        false => format!("{BASE}{}", command.path),
    };
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|error| {
        Error::invalid("path", format!("is not one: {error}. Percent-encode spaces and the like."))
    })?;
    let json = HeaderValue::from_static("application/json");
    if let Some(body) = body {
        *request.body_mut() = Body::from(body);
        request.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    for (name, value) in &command.headers {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    Ok(request)
}

fn body(text: &str) -> Result<Vec<u8>> {
    let unreadable = |what: &str, error: std::io::Error| {
        Error::new(Code::BadRequest, format!("The body cannot be read from {what}: {error}."))
    };
    match text.strip_prefix('@') {
        Some(file) => std::fs::read(file).map_err(|error| unreadable(file, error)),
        None if text == "-" => {
            let mut read = Vec::new();
            let done = std::io::stdin().lock().read_to_end(&mut read);
            done.map_err(|error| unreadable("standard input", error))?;
            Ok(read)
        }
        None => Ok(text.as_bytes().to_vec()),
    }
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("must be NAME: VALUE")?;
    let name = name.trim().parse().map_err(|_| "has a name that no header can have")?;
    let value = value.trim().parse().map_err(|_| "has a value that no header can have")?;
    Ok((name, value))
}

/// Asks the server that runs on this data directory.
async fn over_http(address: &str, mut request: Request<Body>) -> Result<Response<Body>> {
    let gone = |error: &dyn std::fmt::Display| {
        let detail = format!(
            "The server at {address} does not answer: {error}. See whether it still runs and what \
             its log says."
        );
        Error::new(Code::Unavailable, detail)
    };
    let authority = address.strip_prefix("http://").unwrap_or(address);
    let host = HeaderValue::from_str(authority).map_err(Error::internal)?;
    request.headers_mut().insert(header::HOST, host);
    let stream = TcpStream::connect(authority).await.map_err(|error| gone(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| gone(&e))?;
    // Whatever breaks the connection shows in the answer, too.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| gone(&error))?;
    Ok(answer.map(Body::new))
}

/// Answers in this process, as a server would. Runs that begin wait for a server.
async fn in_process(
    store: &Store,
    settings: &Settings,
    mut request: Request<Body>,
) -> Result<Response<Body>> {
    seed_providers(store).await?;
    let app = assemble(store, settings, Surroundings::default())?;
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    request.extensions_mut().insert(ConnectInfo(here));
    let answered = router::build(app.clone()).oneshot(request).await;
    app.engine_parts.connections.close().await;
    answered.map_err(|never| match never {})
}

/// Prints an answer as it comes; people get JSON with line breaks.
async fn show(answer: Response<Body>, include: bool) -> Result<ExitCode> {
    let (head, mut body) = answer.into_parts();
    if include {
        output::say(&format!("HTTP {}", head.status))?;
        for (name, value) in &head.headers {
            output::say(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))?;
        }
        output::say("")?;
    }
    let broken = |error: axum::Error| {
        Error::new(Code::Unavailable, format!("The answer broke off: {error}."))
    };
    let is_json = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.to_str().is_ok_and(|kind| kind.contains("json") && !kind.contains("jsonl"))
    });
    if is_json {
        let whole = body.collect().await.map_err(broken)?.to_bytes();
        let wide = std::io::stdout().is_terminal();
        let value = wide.then(|| serde_json::from_slice::<Value>(&whole).ok()).flatten();
        let plain = || String::from_utf8_lossy(&whole).into_owned();
        output::say(&value.map_or_else(plain, |value| format!("{value:#}")))?;
    } else {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if !output::write(&data)? {
                break;
            }
        }
    }
    Ok(verdict(head.status))
}

fn verdict(status: StatusCode) -> ExitCode {
    if status.is_success() {
        return ExitCode::SUCCESS;
    }
    eprintln!("connectus: HTTP {status}");
    ExitCode::FAILURE
}
