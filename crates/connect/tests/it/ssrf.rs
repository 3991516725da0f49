//! No text anybody can enter makes this process connect to its own machine or network.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use connectus_connect::{
    Connector, EgressPolicy, Guarded, Settings,
    credential::Fixed,
    governor::NoSink,
    http::{GuardedRequest, Limits, Resolver},
    oauth::{self, OAuthClient, Pkce},
    packs,
    webhook::{self, SignedHeaders},
};
use connectus_core::{Code, Result, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
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

/// Names as an attacker's name server would answer them.
struct Hostile(AtomicUsize);

#[async_trait]
impl Resolver for Hostile {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.0.fetch_add(1, Ordering::SeqCst);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let public = || ip("1.1.1.1");
        Ok(match name {
            "rebind.example" if turn.is_multiple_of(2) => Vec::new(),
            "one-bad.example" => vec![public(), ip("127.0.0.1")],
            "bad-first.example" => vec![ip("127.0.0.1"), public()],
            "six.example" => vec![ip("::1")],
            "mapped.example" => vec![ip("::ffff:127.0.0.1")],
            "nat64.example" => vec![ip("64:ff9b::7f00:1")],
            "any.example" => vec![ip("0.0.0.0")],
            "metadata.example" => vec![ip("169.254.169.254")],
            "private.example" => vec![ip("10.0.0.1")],
            // CNAMEs, wildcard services and everything else lead home.
            _ => vec![ip("127.0.0.1")],
        })
    }
}

/// Loopback in every spelling, and names that lead there.
const HOSTS: &[&str] = &[
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.1.",
    "127.127.127.127",
    "127.255.255.254",
    "0177.0.0.1",
    "0177.0.0.01",
    "0000177.0.0.1",
    "0x7f.0.0.1",
    "0x7f.1",
    "0X7F.0x0.0x0.0x1",
    "0x7f000001",
    "0x7F000001",
    "0x7f.0x000001",
    "2130706433",
    "017700000001",
    "0017700000001",
    "127.0.0.0x1",
    "127.0.0.01",
    "0",
    "0.0.0.0",
    "0x0",
    "00000000",
    "0.0",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:7F00:0001]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost..",
    "x.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "ｌｏｃａｌｈｏｓｔ",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "%31%32%37.0.0.1",
    "127.0.0.1%2e",
    "%6cocalhost",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0251.0376.0251.0376",
    "0xa9fea9fe",
    "2852039166",
    "metadata.google.internal",
    "instance-data",
    "rebind.example",
    "one-bad.example",
    "bad-first.example",
    "six.example",
    "mapped.example",
    "nat64.example",
    "any.example",
    "metadata.example",
    "private.example",
    "127.0.0.1.nip.io",
    "localtest.me",
    "user@127.0.0.1",
    "user:pass@127.0.0.1",
    "api.hubapi.com@127.0.0.1",
    "api.hubapi.com:443@127.0.0.1",
    "127.0.0.1@api.hubapi.com",
    "api.hubapi.com%40127.0.0.1",
    "api.hubapi.com\\@127.0.0.1",
    "127.0.0.1\\api.hubapi.com",
    "127.0.0.1\tx",
    "127.0.\n0.1",
    " 127.0.0.1",
    "127.0.0.1\0",
    "127.0.0.1#@api.hubapi.com",
    "127.0.0.1?@api.hubapi.com",
    "127.0.0.1;api.hubapi.com",
    "[::1%25lo]",
    "[::1",
    "",
];

fn urls(port: u16) -> Vec<String> {
    let mut urls = Vec::new();
    for host in HOSTS {
        for scheme in ["http", "https", "HTTP"] {
            urls.push(format!("{scheme}://{host}:{port}/x"));
        }
        urls.push(format!("http:/{host}:{port}/"));
        urls.push(format!("//{host}:{port}/"));
    }
    for scheme in ["file", "gopher", "ftp", "ws", "wss", "dict", "ldap", "jar:http", "data"] {
        urls.push(format!("{scheme}://127.0.0.1:{port}/"));
    }
    for odd in [
        "http:127.0.0.1",
        "http:///127.0.0.1",
        "https:\\\\127.0.0.1",
        "http://",
        "127.0.0.1",
        "",
        "file:///etc/passwd",
        "about:blank",
        "javascript:1",
        "data:text/html,x",
        "unix:/run/x",
    ] {
        urls.push(format!("{odd}:{port}"));
    }
    urls
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
    Guarded::with(policy, Arc::new(Hostile(AtomicUsize::new(0))), limits)
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
