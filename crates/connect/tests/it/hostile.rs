//! URLs that would lead to this machine or its network, and an attacker's name server. Shared by
//! all tests that knock at a way out.

use std::{
    io,
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use connectus_connect::http::Resolver;

/// Names as an attacker's name server would answer them.
#[derive(Default)]
pub struct Hostile(AtomicUsize);

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
pub const HOSTS: &[&str] = &[
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

/// All of them, at a port.
pub fn urls(port: u16) -> Vec<String> {
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
