//! What every test needs: a clock it moves, connections to a server it scripts.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use connectus_connect::{
    Access, CallRecord, CallSink, Connection, Connector, CredentialSource, EgressPolicy, Guarded,
    Secrets, Settings, credential::Fixed, packs,
};
use connectus_core::{Env, Timestamp, env};
use secrecy::SecretString;
use serde_json::json;

/// A clock that stands still until moved.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance_secs(&self, secs: i64) {
        self.0.fetch_add(secs * 1_000_000, Ordering::SeqCst);
    }
}

impl env::Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

struct Counter(AtomicU64);

impl env::Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        buffer.iter_mut().zip(number.iter().cycle()).for_each(|(to, from)| *to = *from);
    }
}

/// An environment and the clock in it.
pub fn env() -> (Env, Arc<TestClock>) {
    let start = Timestamp::from_secs(1_790_000_000);
    let clock = Arc::new(TestClock(AtomicI64::new(start.0)));
    (Env::new(clock.clone(), Arc::new(Counter(AtomicU64::new(1)))), clock)
}

/// Keeps every call record.
#[derive(Default)]
pub struct Calls(pub Mutex<Vec<CallRecord>>);

impl CallSink for Calls {
    fn on_call(&self, call: &CallRecord) {
        self.0.lock().unwrap().push(call.clone());
    }
}

/// A guarded client that may reach one loopback address.
pub fn client(base_url: &str) -> Guarded {
    let host = base_url.trim_start_matches("http://").split('/').next().unwrap();
    Guarded::new(EgressPolicy::allowing([host]).unwrap())
}

pub fn secrets(fields: &[(&str, &str)]) -> Secrets {
    let mut secrets = Secrets::new();
    for (name, value) in fields {
        secrets.set(*name, SecretString::from(*value));
    }
    secrets
}

pub fn access(base_url: &str, fields: &[(&str, &str)]) -> Access {
    Access { origin: Some(base_url.to_owned()), ..Access::lasting(secrets(fields)) }
}

pub fn settings(base_url: &str) -> Settings {
    // The scripted server is a stand-in without limits; the sandbox has HubSpot's own.
    Settings::from_json(&json!({"base_url": base_url, "rate_limits": "off"})).unwrap()
}

/// A connection of a built-in pack to a scripted server, with a pasted token.
pub fn connect(pack: &str, base_url: &str) -> (Connection, Arc<Calls>) {
    let fixed = Fixed(access(base_url, &[("access_token", "pasted-token-canary")]));
    connect_with(pack, base_url, Arc::new(fixed))
}

pub fn connect_with(
    pack: &str,
    base_url: &str,
    source: Arc<dyn CredentialSource>,
) -> (Connection, Arc<Calls>) {
    let calls = Arc::new(Calls::default());
    let (env, _) = env();
    let connector = Connector::new(client(base_url), env, calls.clone());
    let plan = packs::find(pack).unwrap();
    let connection = connector.connect(&plan, &settings(base_url), "cred_1", source).unwrap();
    (connection, calls)
}
