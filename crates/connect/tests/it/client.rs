//! The guarded client on a real socket.

use std::{sync::Arc, time::Duration};

use connectus_connect::{
    EgressPolicy, Guarded,
    http::{GuardedRequest, Limits, SystemResolver},
};
use connectus_core::Code;

use crate::{
    server::{Answer, Server},
    world::client,
};

fn get(url: String) -> GuardedRequest {
    GuardedRequest::new(http::Method::GET, url)
}

fn small(server: &Server, exchange: Duration) -> Guarded {
    let policy = EgressPolicy::allowing([server.addr.to_string().as_str()]).unwrap();
    let limits = Limits { body_bytes: 1_000, exchange, ..Limits::default() };
    Guarded::with(policy, Arc::new(SystemResolver), limits)
}

#[tokio::test]
async fn sends_and_reads_what_is_allowed() {
    let server = Server::start(|_, _| Answer::status(201, "made").header("x-a", "b")).await;
    let request = get(server.url() + "/x?y=1").header("x-test", "1").unwrap();
    let response = client(&server.url()).send(request).await.unwrap();
    assert_eq!(
        (response.status, &response.body[..], response.header("x-a")),
        (201, &b"made"[..], Some("b"))
    );
    let seen = &server.requests()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/x?y=1"));
    assert_eq!(seen.header("x-test"), Some("1"));
}

#[tokio::test]
async fn bodies_end_at_the_limit_whatever_the_header_says() {
    let server = Server::start(|n, _| match n {
        0 => Answer::status(200, &"x".repeat(1_001)),
        1 => Answer {
            // Small on the wire, large once opened.
            body: gzip_of_zeros(),
            ..Answer::status(200, "").header("content-encoding", "gzip")
        },
        _ => Answer::status(200, &"x".repeat(1_000)),
    })
    .await;
    let http = small(&server, Duration::from_secs(10));
    for _ in 0..2 {
        let error = http.send(get(server.url())).await.unwrap_err();
        assert_eq!(error.code, Code::ProviderRefused, "{error}");
    }
    assert_eq!(http.send(get(server.url())).await.unwrap().body.len(), 1_000);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let answer = Answer { cut: Some(10), ..Answer::status(200, &"x".repeat(1_001)) };
    let server = Server::start(move |_, _| answer.clone()).await;
    let http = small(&server, Duration::from_secs(10));
    let error = http.send(get(server.url())).await.unwrap_err();
    assert_eq!(error.code, Code::ProviderRefused, "{error}");
}

/// 100,000 zero bytes, gzipped.
fn gzip_of_zeros() -> Vec<u8> {
    const HEX: &str = concat!(
        "1f8b0800000000000203edc13101000000c2a0f54f6d0d0fa0000000000000000000000000000000",
        "00000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "00000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "008057037d9511d4a0860100",
    );
    hex::decode(HEX).unwrap()
}

#[tokio::test]
async fn a_silent_provider_is_a_timeout_and_a_dropped_line_says_so() {
    let server = Server::start(|n, _| match n {
        0 => Answer { hang: true, ..Answer::default() },
        1 => Answer { drop: true, ..Answer::default() },
        _ => Answer { cut: Some(3), ..Answer::status(200, "whole") },
    })
    .await;
    let http = small(&server, Duration::from_millis(300));
    let error = http.send(get(server.url())).await.unwrap_err();
    assert_eq!(error.code, Code::Timeout);
    for _ in 0..2 {
        let error = http.send(get(server.url())).await.unwrap_err();
        assert_eq!(error.code, Code::ProviderUnavailable, "{error}");
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn nobody_there_is_not_sent() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{free}/secret-path-canary");
    let error = client(&format!("http://{free}")).send(get(url)).await.unwrap_err();
    assert_eq!(error.code, Code::ProviderUnavailable);
    assert_eq!(error.extra[connectus_connect::http::NOT_SENT], true);
    assert!(!format!("{error:?}").contains("canary"), "the URL may hold a secret: {error:?}");
}

#[tokio::test]
async fn https_to_somebody_who_does_not_speak_it_fails_in_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let plain = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, plain).await;
        }
    });
    let error = client(&format!("http://{addr}")).send(get(format!("https://{addr}/"))).await;
    let error = error.unwrap_err();
    // `unavailable` where the machine holds no root certificates at all.
    assert!(matches!(error.code, Code::ProviderUnavailable | Code::Unavailable), "{error}");
}
