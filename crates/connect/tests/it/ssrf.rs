//! No text anybody can enter makes this process connect to its own machine or network.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use connectus_connect::{
    Connector, EgressPolicy, Guarded, Settings,
    credential::Fixed,
    governor::NoSink,
    http::{GuardedRequest, Limits},
    oauth::{self, OAuthClient, Pkce},
    packs,
    webhook::{self, SignedHeaders},
};
use connectus_core::{Code, Result, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    hostile::{Hostile, urls},
    server::{Answer, Server},
    world::{access, env},
};

/// Counts who comes, on both loopback families.
struct Canary {
    port: u16,
    visits: Arc<AtomicUsize>,
}

impl Canary {
    async fn start() -> Self {
        let visits = Arc::new(AtomicUsize::new(0));
        let v4 = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = v4.local_addr().unwrap().port();
        count(v4, visits.clone());
        if let Ok(v6) = TcpListener::bind(SocketAddr::from(([0_u16; 8], port))).await {
            count(v6, visits.clone());
        }
        Self { port, visits }
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

fn count(listener: TcpListener, visits: Arc<AtomicUsize>) {
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            visits.fetch_add(1, Ordering::SeqCst);
        }
    });
}

/// Every way out that takes a URL from outside.
async fn knock(http: &Guarded, url: &str) -> Vec<(&'static str, Result<()>)> {
    let mut doors = Vec::new();
    let request = GuardedRequest::new(http::Method::GET, url);
    doors.push(("request", http.send(request).await.map(drop)));

    let signed = SignedHeaders { id: "m".into(), timestamp: "1".into(), signature: "v1,".into() };
    let delivered = webhook::deliver(http, url, &signed, "{}").await;
    doors.push(("delivery", delivered.map(drop)));

    let moved = Settings::from_json(&json!({"base_url": url})).unwrap();
    let plan = packs::find("hubspot").unwrap();
    let (env, _) = env();
    let client = OAuthClient {
        client_id: "id".into(),
        client_secret: None,
        redirect_uri: "https://connectus.example/callback".into(),
    };
    let (code, pkce) = (SecretString::from("code"), Pkce::new(&env));
    let now = Timestamp(0);
    let tokens = oauth::exchange_code(http, &plan, &moved, &client, &code, &pkce, now).await;
    doors.push(("token", tokens.map(drop)));

    let connector = Connector::new(http.clone(), env, Arc::new(NoSink));
    let origin = moved.credential_origin().unwrap_or_default();
    let source = Arc::new(Fixed(access(&origin, &[("access_token", "canary-token")])));
    match connector.connect(&plan, &moved, "cred", source) {
        Err(error) => doors.push(("connect", Err(error))),
        Ok(connection) => {
            doors.push(("test", connection.test().await.map(drop)));
            let read = async { connection.read("contacts", None)?.next_page().await.map(drop) };
            doors.push(("stream", read.await));
            let input = json!({"id": "1"});
            doors.push(("action", connection.call("get_contact", &input, "k").await.map(drop)));
        }
    }

    let slack = packs::find("slack").unwrap();
    let (env, _) = crate::world::env();
    let connector = Connector::new(http.clone(), env, Arc::new(NoSink));
    let mut secret = access("", &[("webhook_url", url)]);
    secret.origin = None;
    let source = Arc::new(Fixed(secret));
    let connection = connector.connect(&slack, &Settings::default(), "cred", source).unwrap();
    let sent = connection.call("send_webhook", &json!({"text": "x"}), "k").await;
    doors.push(("webhook url", sent.map(drop)));
    doors
}

fn guarded(policy: EgressPolicy) -> Guarded {
    let limits = Limits { connect: Duration::from_millis(300), ..Limits::default() };
    Guarded::with(policy, Arc::new(Hostile::default()), limits)
}

#[tokio::test]
async fn no_url_through_any_door_reaches_this_machine() {
    let canary = Canary::start().await;
    // As open as it gets without naming the network: only the address check stands.
    let open = EgressPolicy {
        allow_insecure_http: true,
        ports: vec![canary.port],
        ..EgressPolicy::default()
    };
    let elsewhere = EgressPolicy::allowing(["10.255.0.0/16", "crm.internal:8443"]).unwrap();
    let own = EgressPolicy {
        own_ports: vec![canary.port],
        ..EgressPolicy::allowing(["0.0.0.0/0", "::/0"]).unwrap()
    };
    let urls = urls(canary.port);
    assert!(urls.len() >= 300, "{} URLs", urls.len());
    for (name, policy) in [("open", open), ("elsewhere", elsewhere), ("own port", own)] {
        let http = guarded(policy);
        for url in &urls {
            // With whole networks open, only this machine's own port is at stake.
            let leads_away = name == "own port" && !is_loopback_form(url);
            if leads_away {
                continue;
            }
            for (door, outcome) in knock(&http, url).await {
                assert!(outcome.is_err(), "{name}: {door} let {url:?} through");
            }
        }
        assert_eq!(canary.visits(), 0, "{name}: something connected");
    }
}

/// Forms that mean this machine itself, not another network.
fn is_loopback_form(url: &str) -> bool {
    ["127", "::1", "local", "0177", "0x7f", "2130706433"].iter().any(|part| url.contains(part))
        && !url.contains("nip.io")
        && !url.contains("2001:0")
        && !url.contains("2002:")
        && !url.contains("64:ff9b:1")
        && !url.contains("ffff:0:")
        && !url.contains("[::127")
        && !url.contains("fe80")
        && !url.contains("fd00")
}

/// The test above can fail: with this machine allowed, the same URLs through the same doors reach
/// the canary.
#[tokio::test]
async fn the_canary_would_notice() {
    let canary = Canary::start().await;
    let policy = EgressPolicy {
        allow_insecure_http: true,
        ..EgressPolicy::allowing(["0.0.0.0/8", "127.0.0.0/8", "::1/128"]).unwrap()
    };
    let http = guarded(policy);
    let mut reached = 0;
    for url in urls(canary.port).iter().filter(|url| url.starts_with("http:")) {
        let before = canary.visits();
        let request = GuardedRequest::new(http::Method::GET, url);
        assert!(http.send(request).await.is_err(), "the canary never answers");
        reached += usize::from(canary.visits() > before);
    }
    assert!(reached >= 50, "only {reached} URLs would have arrived");
    let url = format!("http://127.1:{}", canary.port);
    let before = canary.visits();
    let doors = knock(&http, &url).await;
    let through = doors.iter().filter(|(_, outcome)| {
        outcome.as_ref().is_err_and(|error| error.code != Code::EgressDenied)
    });
    // The secret URL alone stays shut: Slack's hosts are not this machine.
    assert_eq!(through.count(), doors.len() - 1);
    assert!(canary.visits() - before >= doors.len() - 1);
}

#[tokio::test]
async fn redirects_to_the_inside_are_not_followed() {
    let canary = Canary::start().await;
    let target = format!("http://127.0.0.1:{}/", canary.port);
    for status in [301, 302, 303, 307, 308] {
        let location = target.clone();
        let server = Server::start(move |_, _| {
            Answer::status(status, "").header("location", location.clone())
        })
        .await;
        let (connection, _) = crate::world::connect("hubspot", &server.url());
        let error = connection.test().await.unwrap_err();
        assert_eq!(error.code, Code::ProviderRefused, "{status}");
        assert!(error.detail.contains("redirect"), "{error}");
    }
    assert_eq!(canary.visits(), 0);
}

/// Runs the child below with a proxy in its environment.
#[tokio::test]
async fn a_proxy_in_the_environment_is_ignored() {
    let canary = Canary::start().await;
    let proxy = format!("http://127.0.0.1:{}", canary.port);
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "ssrf::child_sends_one_request", "--ignored"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    {
        child.env(name, &proxy);
    }
    let output = child.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    assert_eq!(canary.visits(), 0, "the proxy was asked");
}

#[tokio::test]
#[ignore = "the child process of a_proxy_in_the_environment_is_ignored"]
async fn child_sends_one_request() {
    let server = Server::start(|_, _| Answer::status(200, "direct")).await;
    let request = GuardedRequest::new(http::Method::GET, server.url());
    let response = crate::world::client(&server.url()).send(request).await.unwrap();
    assert_eq!(&response.body[..], b"direct");
}
