//! No workflow makes this process connect to its own machine or network, whatever URL it names.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use connectus_connect::{EgressPolicy, Guarded, http::Limits};
use connectus_engine::{Engine, connections::Connections};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    hostile::{Hostile, urls},
    support::{Rig, on_store},
};

/// Counts who comes.
async fn canary() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, visits) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = visits.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, visits)
}

/// An engine whose way out is held by this policy, and whose names an attacker answers.
async fn behind(db: &TestStore, policy: EgressPolicy) -> Rig {
    let ctx = db.tenant("Digi Sol").await.unwrap();
    let limits = Limits { connect: Duration::from_millis(300), ..Limits::default() };
    let http = Guarded::with(policy, Arc::new(Hostile::default()), limits);
    let mut parts = on_store(db.store.clone(), &[]);
    parts.connections = Connections::new(db.store.clone(), http);
    Rig { engine: Engine::new(parts.clone()), parts, ctx }
}

/// Asks for each URL in one run; how each request ended.
async fn knock(rig: &Rig, method: &str, urls: &[String]) -> Vec<(String, Value)> {
    let steps = json!([{
        "id": "each", "type": "for_each", "items": "trigger.urls", "as": "url", "concurrency": 8,
        "steps": [{
            "id": "ask", "type": "action", "action": "http.request",
            "input": { "url": "{{ url }}", "method": method },
            "retry": { "attempts": 1 }, "continue_on_error": true,
        }],
    }]);
    let run = rig.start(&format!("Knock {method}"), steps, json!({ "urls": urls })).await;
    rig.settle().await;
    let mut conn = rig.parts.store.read().await.unwrap();
    let steps = conn.steps(&rig.ctx, &run.id).await.unwrap();
    let asked = steps.into_iter().filter(|step| step.action == "http.request");
    asked.map(|step| (step.status, step.input.here().unwrap()["url"].clone())).collect()
}

both! {
    async fn no_url_of_a_request_reaches_this_machine(db: TestStore) {
        let (port, visits) = canary().await;
        // As open as it gets without naming the network: only the address check stands.
        let open = EgressPolicy {
            allow_insecure_http: true,
            ports: vec![port],
            ..EgressPolicy::default()
        };
        let rig = behind(&db, open).await;
        // A zero byte does not come in: the API and the templates refuse it.
        let urls: Vec<_> = urls(port).into_iter().filter(|url| !url.contains('\0')).collect();
        assert!(urls.len() >= 300, "{} URLs", urls.len());
        for method in ["GET", "POST"] {
            let asked = knock(&rig, method, &urls).await;
            assert_eq!(asked.len(), urls.len(), "{method}");
            let through: Vec<_> = asked.iter().filter(|(status, _)| status != "failed").collect();
            assert!(through.is_empty(), "{method} let through: {through:?}");
        }
        assert_eq!(visits.load(Ordering::SeqCst), 0, "something connected");
    }

    /// The test above can fail: where this machine is allowed, the canary is reached.
    async fn the_canary_would_notice(db: TestStore) {
        let (port, visits) = canary().await;
        let policy = EgressPolicy {
            allow_insecure_http: true,
            ..EgressPolicy::allowing(["127.0.0.0/8"]).unwrap()
        };
        let rig = behind(&db, policy).await;
        knock(&rig, "GET", &[format!("http://127.0.0.1:{port}/")]).await;
        assert_eq!(visits.load(Ordering::SeqCst), 1);
    }
}
