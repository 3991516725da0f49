//! Webhooks that are answered with what their run made: four fields are edited, a branch taken, a
//! service called, and its answer is the answer. Each step is on disk before the next one.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    ceiling::Ceiling,
    figure::{Figure, Target},
    load::{Answers, drive},
    meter::{Meter, Spent},
    quiet,
    upstream::Upstream,
};
use crate::{
    api::{Api, text},
    command::Outcome,
    http::{Connection, Request},
    installation::Server,
    organisation::{Organisation, PUBLIC_URL},
    programs::Programs,
};

/// Callers at once, as in the figures of other products.
const CALLERS: usize = 32;
/// Calls before the clock runs.
const WARM_UP: u64 = 500;
/// Calls that one workflow's address is given; it takes 6,000 a minute.
const CALLS_OF_ADDRESS: u64 = 4_000;
/// Fewest addresses.
const FEWEST: u64 = 4;

/// So many calls, as fast as they are answered.
pub fn measure(programs: &Programs, calls: u64) -> Outcome<Vec<Figure>> {
    let (upstream, ceiling) = (Upstream::start()?, Ceiling::find()?);
    let best = ceiling.respond(&upstream, &example(&upstream))?;
    let before = upstream.answered();
    let mut installation = quiet(&programs.server, "respond")?;
    installation.set("CONNECTUS_EGRESS_ALLOW", upstream.address.clone());
    installation.set("CONNECTUS_PUBLIC_URL", PUBLIC_URL);
    let organisation = Organisation::create(&installation)?;
    let server = installation.serve()?;
    let mut api = organisation.api(&server.base_url);
    let addresses = (calls + WARM_UP).div_ceil(CALLS_OF_ADDRESS).max(FEWEST);
    let addresses: Vec<_> =
        (0..addresses).map(|_| Address::create(&mut api, &upstream)).collect::<Outcome<_>>()?;
    let stage = Stage { server: &server, addresses };
    stage.play("warm", WARM_UP)?;
    let (answers, spent) = stage.play("call", calls)?;
    let answered = upstream.answered() - before;
    if answered != calls + WARM_UP {
        return Err(format!("{} calls, {answered} answers", calls + WARM_UP));
    }
    Ok(figures(calls, &answers, spent, best))
}

#[expect(clippy::cast_precision_loss, reason = "no bench has 2^52 calls")]
fn figures(calls: u64, answers: &Answers, spent: Spent, best: Figure) -> Vec<Figure> {
    let each = spent.cpu.as_secs_f64() * 1e3 / calls as f64;
    let (p50, p99) = (answers.latencies.p50_ms(), answers.latencies.p99_ms());
    let beside = |figure: Figure| figure.beside("calls", calls).beside("callers", CALLERS);
    let rate = Figure::new("respond.rate", answers.rate(), "answers/s", spent);
    let cpu = Figure::new("respond.cpu", each, "ms of CPU each", spent);
    let late = Figure::new("respond.p99", p99, "ms p99", spent).beside("p50_ms", p50);
    let share = Figure::new("respond.of_ceiling", best.value() / each, "of the ceiling", spent);
    vec![
        best,
        share.target(Target::AtLeast(0.18)),
        beside(rate.target(Target::AtLeast(5_000.0))),
        beside(cpu.target(Target::Below(0.18))),
        beside(late.target(Target::Below(40.0))),
    ]
}

/// What is called as, to a program that looks at nothing but the body.
fn example(upstream: &Upstream) -> Vec<u8> {
    let body = body(29).to_string();
    let (host, length) = (&upstream.address, body.len());
    format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n{body}").into()
}

fn body(number: u64) -> Value {
    json!({
        "email": format!("person-{number}@example.com"), "name": "Ada Lovelace",
        "pieces": number % 40 + 11, "currency": "eur",
    })
}

/// A workflow's own address.
struct Address {
    path: String,
    key: Vec<u8>,
}

impl Address {
    fn create(api: &mut Api, upstream: &Upstream) -> Outcome<Self> {
        let made = api.create("/api/v1/workflows", &definition(upstream))?;
        let path = format!("/api/v1/workflows/{}/endpoint", text(&made, "id"));
        let made = api.create(&path, &json!({}))?;
        let (url, secret) = (text(&made, "url"), text(&made, "secret"));
        let key = secret.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
        let found = url.strip_prefix(PUBLIC_URL).map(str::to_owned).zip(key);
        let (path, key) = found.ok_or_else(|| format!("no address with a secret: {made}"))?;
        Ok(Self { path, key })
    }

    /// A call, signed by the Standard Webhooks rules.
    fn call(&self, id: &str, secs: u64, number: u64) -> Outcome<Request> {
        let body = body(number).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|e| e.to_string())?;
        mac.update(format!("{id}.{secs}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", secs.to_string()),
            ("webhook-signature", signature),
        ];
        Ok(Request { method: "POST", target: self.path.clone(), headers, body })
    }
}

/// Edits four fields, asks whether the order is large, calls a service, and gives back its answer.
fn definition(upstream: &Upstream) -> Value {
    json!({ "definition": {
        "version": 1,
        "name": "Answer",
        "trigger": { "type": "webhook", "config": { "endpoint": { "respond": "at_end" } } },
        "steps": [
            { "id": "edit", "type": "set", "vars": {
                "email": "{{ trigger.body.email|lower }}",
                "name": "{{ trigger.body.name|upper }}",
                "total": "{{ trigger.body.pieces * 12 }}",
                "currency": "{{ trigger.body.currency|upper }}",
            } },
            { "id": "large", "type": "branch", "condition": "vars.total > 100",
              "then": [{
                "id": "call", "type": "action", "action": "http.request",
                "input": {
                    "url": format!("http://{}/contacts", upstream.address), "method": "PUT",
                    "json": { "email": "{{ vars.email }}", "name": "{{ vars.name }}" },
                },
              }],
              "else": [{ "id": "small", "type": "stop", "output": { "large": false } }] },
        ],
        "output": { "contact": "{{ steps.call.output.body.id }}", "total": "{{ vars.total }}" },
    } })
}

/// What the clock on the wall says, in seconds: signatures are good for five minutes.
#[expect(clippy::disallowed_methods, reason = "the server under test looks at the same clock")]
fn now() -> Outcome<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).map_err(|error| error.to_string())
}

struct Stage<'a> {
    server: &'a Server,
    addresses: Vec<Address>,
}

impl Stage<'_> {
    /// Calls whose identifiers begin with `name`, signed before the clock runs: what signing costs
    /// is the caller's.
    fn play(&self, name: &str, calls: u64) -> Outcome<(Answers, Spent)> {
        let url = &self.server.base_url;
        let connection = Connection::open(url).map_err(|error| error.to_string())?;
        let now = now()?;
        let one = |(number, address): (u64, &Address)| {
            let id = format!("{name}-{number}");
            Ok(connection.render(&address.call(&id, now, number)?))
        };
        let rendered = (0..calls).zip(self.addresses.iter().cycle()).map(one);
        let rendered: Vec<Vec<u8>> = rendered.collect::<Outcome<_>>()?;
        drop(connection);
        let mut rendered = rendered.iter().map(Vec::as_slice);
        let meter = Meter::start(self.server.pid())?;
        let answers = drive(url, (CALLERS, None), 200, || rendered.next())?;
        Ok((answers, meter.read()?))
    }
}
