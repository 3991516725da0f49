//! Takes connections and answers requests on them, within limits that keep slow or many clients
//! from taking the process down.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// How much one listener takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once; further ones wait in the operating system's queue.
    pub connections: usize,
    /// How long a connection may be silent before a request's headers are complete.
    pub headers_within: Duration,
    /// Largest headers of a request, in bytes.
    pub header_bytes: usize,
    /// How long open requests get to be answered once no new ones are taken.
    pub answer_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            // Longer than the 60 seconds for which proxies keep idle connections, so that it is
            // they who close them and never meet a connection that is closing.
            headers_within: Duration::from_secs(75),
            header_bytes: 16 * 1024,
            answer_within: Duration::from_secs(2),
        }
    }
}

/// Pause after the system refused a connection, most likely for want of file handles.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// Answers on a listener until told to stop, then lets open requests end.
pub async fn answer(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    while let Some((stream, peer, place)) = next(&listener, &places, &stop).await {
        let service = Caller { peer, router: router.clone() };
        let stop = stop.clone();
        connections.spawn(async move {
            converse(stream, service, limits, stop).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The far end of a connection, and what answers it.
struct Caller {
    peer: SocketAddr,
    router: Router,
}

/// Answers the requests of one connection. Told to stop, it ends after the request under way.
async fn converse(stream: TcpStream, caller: Caller, limits: Limits, stop: CancellationToken) {
    let Caller { peer, router } = caller;
    // Answers are small and written whole: waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_within)
        .max_header_size(limits.header_bytes)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // A client that breaks off mid-way is the client's affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // What is not answered in time is cut off; whoever asked repeats it elsewhere.
            let _ = tokio::time::timeout(limits.answer_within, connection).await;
        }
    }
}

/// The next connection with its place; `None` once told to stop.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let accepted = stop.run_until_cancelled(async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        });
        match accepted.await?? {
            (Ok((stream, peer)), place) => return Some((stream, peer, place)),
            (Err(error), _) => {
                tracing::warn!(action = "http.accept", status = "failure", %error);
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn start(
        router: Router,
        limits: Limits,
    ) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(answer(listener, router, limits, stop.clone()));
        (address, stop, task)
    }

    async fn ask(address: SocketAddr, request: impl AsRef<str>) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_ref().as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_handler_learns_who_calls() {
        let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
        let (address, stop, task) =
            start(Router::new().route("/", get(who)), Limits::default()).await;
        let answer = ask(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_up_the_end_and_an_open_request_is_answered() {
        let (told, wait) = (CancellationToken::new(), CancellationToken::new());
        let (begun, end) = (told.clone(), wait.clone());
        let slow = async move || {
            begun.cancel();
            end.cancelled().await;
            "done"
        };
        let (address, stop, task) =
            start(Router::new().route("/", get(slow)), Limits::default()).await;
        let idle = TcpStream::connect(address).await.unwrap();
        let open = tokio::spawn(ask(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        told.cancelled().await;
        stop.cancel();
        wait.cancel();
        task.await.unwrap();
        assert!(open.await.unwrap().ends_with("done"));
        drop(idle);
        assert!(TcpStream::connect(address).await.is_err(), "still listening");
    }

    #[tokio::test]
    async fn headers_beyond_the_limit_are_refused() {
        let (address, stop, task) = start(Router::new(), Limits::default()).await;
        let long = "x".repeat(Limits::default().header_bytes);
        let answer = ask(address, format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn whoever_never_finishes_the_headers_is_cut_off() {
        let limits = Limits { headers_within: Duration::from_millis(20), ..Limits::default() };
        let (address, stop, task) = start(Router::new(), limits).await;
        // It returns at all only because the server closes the connection.
        ask(address, "GET / HTTP/1.1\r\nHost:").await;
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn beyond_the_last_place_connections_wait_their_turn() {
        let limits = Limits { connections: 1, ..Limits::default() };
        let (address, stop, task) = start(Router::new(), limits).await;
        let first = TcpStream::connect(address).await.unwrap();
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let mut second = std::pin::pin!(ask(address, request));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        assert!(second.await.starts_with("HTTP/1.1 404"));
        stop.cancel();
        task.await.unwrap();
    }
}
