//! Events over a WebSocket, with a real client on a real socket.

use std::{net::SocketAddr, time::Duration};

use connectus_core::{TenantCtx, access::Role, event::EventType};
use connectus_testkit::both;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::support::{Call, Organisation, TestApp, organisation::PASSWORD};

/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<TcpStream>;

/// Opens a socket, or tells the status and the code of the refusal.
async fn open(
    at: SocketAddr,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket, (u16, String)> {
    let url = format!("ws://{at}/api/v1/events/ws{query}");
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let stream = TcpStream::connect(at).await.unwrap();
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let code = answer.headers().get("x-error-code");
            let code = code.map_or("", |code| code.to_str().unwrap()).to_owned();
            Err((answer.status().as_u16(), code))
        }
        Err(error) => panic!("{error}"),
    }
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

async fn next(socket: &mut Socket) -> Message {
    let next = async {
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    };
    tokio::time::timeout(PATIENCE, next).await.expect("the socket says nothing")
}

async fn take(socket: &mut Socket, count: usize) -> Vec<Value> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match next(socket).await {
            Message::Text(text) => taken.push(serde_json::from_str(&text).unwrap()),
            other => panic!("{other:?} after {} events", taken.len()),
        }
    }
    taken
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

/// The code with which the server closes.
async fn closed(socket: &mut Socket) -> u16 {
    match next(socket).await {
        Message::Close(Some(frame)) => {
            assert!(!frame.reason.is_empty());
            frame.code.into()
        }
        other => panic!("{other:?}"),
    }
}

async fn emit(app: &TestApp, ctx: &TenantCtx, count: usize) {
    let ctx = ctx.clone();
    let write = app.db.store.write(move |tx| {
        Box::pin(async move {
            for _ in 0..count {
                tx.emit(&ctx, EventType::RunCompleted, "run_1", json!({})).await?;
            }
            Ok(())
        })
    });
    write.await.unwrap();
}

async fn start(db: connectus_testkit::TestStore) -> (TestApp, Organisation, SocketAddr) {
    let app = TestApp::start(db).await;
    let ours = app.organisation("Ours").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = app.serve(listener);
    (app, ours, at)
}

async fn last_seq(app: &TestApp, ctx: &TenantCtx) -> u64 {
    app.db.store.read().await.unwrap().last_event_seq(ctx).await.unwrap()
}

both! {
    async fn a_client_that_was_cut_off_goes_on_without_gap_or_double(db: TestStore) {
        let (app, ours, at) = start(db).await;
        let key = bearer(ours.owner());
        let auth = [("authorization", key.as_str())];
        let theirs = app.organisation("Theirs").await;
        emit(&app, &ours.ctx, 5).await;
        let mut first = open(at, "?after=0", &auth).await.unwrap();
        emit(&app, &theirs.ctx, 7).await;
        emit(&app, &ours.ctx, 300).await;
        let before = usize::try_from(last_seq(&app, &ours.ctx).await).unwrap();
        let mut seen = take(&mut first, before - 50).await;
        drop(first);
        emit(&app, &ours.ctx, 20).await;
        let after = format!("?after={}", seqs(&seen).last().unwrap());
        let mut second = open(at, &after, &auth).await.unwrap();
        seen.extend(take(&mut second, 70).await);
        emit(&app, &ours.ctx, 3).await;
        seen.extend(take(&mut second, 3).await);
        let all = last_seq(&app, &ours.ctx).await;
        assert_eq!(seqs(&seen), (1..=all).collect::<Vec<_>>());
        assert!(seen.iter().all(|event| event["tenant"] == ours.ctx.tenant().as_str()));
    }

    async fn only_what_is_asked_for_and_may_be_seen_comes(db: TestStore) {
        let (app, ours, at) = start(db).await;
        let viewer = bearer(ours.key(Role::Viewer));
        let auth = [("authorization", viewer.as_str())];
        let mut socket = open(at, "?after=0", &auth).await.unwrap();
        emit(&app, &ours.ctx, 1).await;
        // What comes before is about people and keys.
        assert_eq!(take(&mut socket, 1).await[0]["type"], "run.completed");
        let refused = open(at, "?types=flwo.*", &auth).await.unwrap_err();
        assert_eq!(refused, (422, "invalid".to_owned()));
        let refused = open(at, "?after=now", &auth).await.unwrap_err();
        assert_eq!(refused, (400, "bad_request".to_owned()));
        let nobody = open(at, "", &[]).await.unwrap_err();
        assert_eq!(nobody, (401, "unauthenticated".to_owned()));
        // Without an upgrade it is no socket.
        let call = Call::get("/api/v1/events/ws").bearer(ours.key(Role::Viewer));
        app.send(call).await.refused(400, "bad_request");
    }

    async fn a_ticket_opens_one_socket(db: TestStore) {
        let (app, ours, at) = start(db).await;
        let ticket = async || {
            let call = Call::post("/api/v1/events/ticket").bearer(ours.key(Role::Viewer));
            app.send(call).await.expect(201).text_of("ticket")
        };
        let first = format!("?ticket={}", ticket().await);
        let mut socket = open(at, &first, &[]).await.unwrap();
        emit(&app, &ours.ctx, 1).await;
        assert_eq!(take(&mut socket, 1).await.len(), 1);
        let used = open(at, &first, &[]).await.unwrap_err();
        assert_eq!(used, (401, "unauthenticated".to_owned()));
        let key = bearer(ours.owner());
        let both = format!("?ticket={}", ticket().await);
        let both = open(at, &both, &[("authorization", &key)]).await.unwrap_err();
        assert_eq!(both, (400, "bad_request".to_owned()));
        let late = format!("?ticket={}", ticket().await);
        app.db.sim.clock.advance_secs(31);
        assert_eq!(open(at, &late, &[]).await.unwrap_err().0, 401);
        app.send(Call::post("/api/v1/events/ticket")).await.refused(401, "unauthenticated");
    }

    async fn a_cookie_opens_a_socket_for_pages_of_ours_only(db: TestStore) {
        let (app, ours, at) = start(db).await;
        app.person(&ours, "ann@example.org", Role::Owner).await;
        let body = json!({"email": "ann@example.org", "password": PASSWORD, "keep": "cookie"});
        let signed_in = app.send(Call::post("/auth/login").json(&body)).await.expect(200);
        let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
        let forged = (403, "csrf_failed".to_owned());
        for origin in [None, Some("https://evil.example"), Some("null")] {
            let mut headers = vec![("cookie", cookie.as_str())];
            headers.extend(origin.map(|origin| ("origin", origin)));
            assert_eq!(open(at, "", &headers).await.unwrap_err(), forged, "{origin:?}");
        }
        let own = format!("http://{at}");
        let mut socket = open(at, "", &[("cookie", &cookie), ("origin", &own)]).await.unwrap();
        emit(&app, &ours.ctx, 1).await;
        assert_eq!(take(&mut socket, 1).await.len(), 1);
    }

    async fn a_revoked_key_closes_its_socket_and_stream(db: TestStore) {
        let (app, ours, at) = start(db).await;
        let body = json!({"name": "probe", "role": "viewer"});
        let call = Call::post("/api/v1/api-keys").bearer(ours.owner()).json(&body);
        let made = app.send(call).await.expect(201);
        let (id, key) = (made.text_of("id"), made.text_of("token"));
        let auth = bearer(&key);
        let mut socket = open(at, "", &[("authorization", auth.as_str())]).await.unwrap();
        let stream = app.open(Call::get("/api/v1/events").bearer(&key)).await;
        assert_eq!(stream.status(), 200);
        let call = Call::delete(&format!("/api/v1/api-keys/{id}")).bearer(ours.owner());
        app.send(call).await.expect(204);
        assert_eq!(closed(&mut socket).await, 1008);
        // The whole of the stream can be read, because it ends.
        let read = axum::body::to_bytes(stream.into_body(), 1024 * 1024);
        tokio::time::timeout(PATIENCE, read).await.expect("the stream goes on").unwrap();
    }

    async fn sockets_are_closed_when_the_process_stops_and_count_as_streams(db: TestStore) {
        let (app, ours, at) = start(db).await;
        let key = bearer(ours.owner());
        let auth = [("authorization", key.as_str())];
        let mut open_ones = Vec::new();
        for _ in 0..app.app.settings.events.streams_per_user {
            open_ones.push(open(at, "", &auth).await.unwrap());
        }
        let refused = open(at, "", &auth).await.unwrap_err();
        assert_eq!(refused, (429, "rate_limited".to_owned()));
        app.app.stopping.cancel();
        for socket in &mut open_ones {
            assert_eq!(closed(socket).await, 1012);
        }
    }

    async fn a_client_that_says_too_much_is_cut_off(db: TestStore) {
        use futures::SinkExt;
        let (_app, ours, at) = start(db).await;
        let key = bearer(ours.owner());
        let mut socket = open(at, "", &[("authorization", key.as_str())]).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        // It may break off before all of it is written.
        let _ = socket.send(Message::text("x".repeat(100_000))).await;
        let ends = async { while let Some(Ok(_)) = socket.next().await {} };
        tokio::time::timeout(PATIENCE, ends).await.expect("the socket stays open");
    }

    async fn a_client_that_takes_nothing_is_cut_off_and_costs_little(db: TestStore) {
        let (app, ours, at) = start(db).await;
        let key = bearer(ours.owner());
        let auth = [("authorization", key.as_str())];
        let mut slow = open(at, "?types=workflow.*", &auth).await.unwrap();
        let mut quick = open(at, "?types=workflow.*", &auth).await.unwrap();
        let first = last_seq(&app, &ours.ctx).await + 1;
        // Far more than the sockets of both sides hold.
        let (text, count) = ("x".repeat(100_000), 300);
        let reads = async {
            for seq in first..first + count {
                assert_eq!(take(&mut quick, 1).await[0]["seq"], seq);
            }
        };
        let write = async {
            for _ in 0..count {
                let (ctx, data) = (ours.ctx.clone(), json!({"name": "long", "data": text}));
                let write = app.db.store.write(move |tx| {
                    Box::pin(async move {
                        tx.emit(&ctx, EventType::WorkflowNotified, "wf_1", data).await
                    })
                });
                write.await.unwrap();
            }
        };
        // Who reads gets everything meanwhile: the slow one holds up nobody.
        tokio::join!(reads, write);
        assert_eq!(app.app.places.held(), 2);
        // It is given up, and with it goes all that was kept for it.
        let ends = async {
            while app.app.places.held() > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ends).await.expect("the slow one is kept");
        // What had been written before is there; the last thing said is why it ended, for as long
        // as somebody may still come to take it.
        let mut taken = 0;
        let last = loop {
            match next(&mut slow).await {
                Message::Text(_) => taken += 1,
                other => break other,
            }
        };
        assert!(taken < count, "it was not cut off");
        let Message::Close(Some(frame)) = last else { panic!("{last:?} after {taken}") };
        assert_eq!(u16::from(frame.code), 1013);
    }

    async fn events_that_are_forgotten_are_not_passed_over_in_silence(db: TestStore) {
        let (app, ours, at) = start(db).await;
        emit(&app, &ours.ctx, 10).await;
        app.app.engine.handle_events().await.unwrap();
        let before = last_seq(&app, &ours.ctx).await;
        app.db.sim.clock.advance_secs(40 * 24 * 3600);
        let keep = connectus_engine::retention::Retention { run_days: 0, event_days: 31 };
        let gone = connectus_engine::retention::sweep(&app.db.store, keep).await.unwrap();
        assert_eq!(gone.events, before);
        let key = bearer(ours.owner());
        let auth = [("authorization", key.as_str())];
        let refused = open(at, "?after=3", &auth).await.unwrap_err();
        assert_eq!(refused, (404, "not_found".to_owned()));
        let call = Call::get("/api/v1/events?after=3").bearer(ours.owner());
        app.send(call).await.refused(404, "not_found");
        emit(&app, &ours.ctx, 1).await;
        for query in ["?after=0".to_owned(), format!("?after={before}")] {
            let mut socket = open(at, &query, &auth).await.unwrap();
            assert_eq!(take(&mut socket, 1).await[0]["seq"], before + 1);
        }
    }
}
