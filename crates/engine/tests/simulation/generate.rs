//! Workflows made up by a seed.

use serde_json::{Value, json};

/// A stream of numbers that is the same for the same seed (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: usize) -> bool {
        self.below(1_000) < per_mille
    }

    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// Steps that put a record have ids that begin so; nothing else has.
pub const PUT: &str = "put";

/// A workflow under construction.
struct Maker<'r> {
    random: &'r mut Random,
    /// Steps so far.
    made: usize,
}

/// Steps of a workflow at most.
const MOST: usize = 12;

/// A definition that people start with `{k, n}`, once for each `k`.
pub fn definition(random: &mut Random, name: &str) -> Value {
    let mut maker = Maker { random, made: 0 };
    let mut steps = maker.steps(0, false);
    if maker.random.chance(250) {
        steps.push(json!({ "id": "no", "type": "fail", "message": "on purpose" }));
    }
    json!({
        "version": 1, "name": name, "steps": steps,
        "trigger": { "type": "manual", "config": { "dedupe": "{{ trigger.k }}" } },
    })
}

impl Maker<'_> {
    fn steps(&mut self, depth: usize, looped: bool) -> Vec<Value> {
        let count = 1 + self.random.below(if depth == 0 { 4 } else { 2 });
        (0..count).map(|_| self.step(depth, looped)).collect()
    }

    fn step(&mut self, depth: usize, looped: bool) -> Value {
        self.made += 1;
        let kinds = if depth > 2 || self.made > MOST { 8 } else { 13 };
        let number = self.made;
        match self.random.below(kinds) {
            0..=2 => put(number, looped),
            3 | 4 => self.post(number, looped),
            5 => json!({ "id": format!("set{number}"), "type": "set", "vars": { "x": number } }),
            6 => {
                let time = self.random.of(&["1m", "20m", "1h", "3h"]);
                json!({ "id": format!("nap{number}"), "type": "wait", "for": time })
            }
            7 => json!({ "id": format!("ask{number}"), "type": "wait", "signal": "go",
                "deadline": "2h", "on_deadline": "continue" }),
            8 => json!({ "id": format!("if{number}"), "type": "branch",
                "condition": "trigger.n % 2 == 0",
                "then": self.steps(depth + 1, looped), "else": self.steps(depth + 1, looped) }),
            9 | 10 => {
                let count = 2 + self.random.below(2);
                let wait_for = match self.random.below(3) {
                    0 => json!("all"),
                    1 => json!("any"),
                    _ => json!(count - 1),
                };
                let branches: Vec<_> = (0..count).map(|_| self.steps(depth + 1, looped)).collect();
                json!({ "id": format!("fork{number}"), "type": "parallel",
                    "branches": branches, "wait_for": wait_for })
            }
            11 if !looped => {
                let items: Vec<_> = (0..=self.random.below(3)).collect();
                let concurrency = 1 + self.random.below(2);
                json!({ "id": format!("each{number}"), "type": "for_each", "items": items,
                    "concurrency": concurrency, "steps": self.steps(depth + 1, true) })
            }
            _ => json!({ "id": format!("sub{number}"), "type": "workflow", "workflow": "leaf",
                "input": { "k": "{{ trigger.k }}", "n": number } }),
        }
    }

    fn post(&mut self, number: usize, looped: bool) -> Value {
        let item = if looped { " {{ item }}" } else { "" };
        let text = format!("{{{{ trigger.k }}}} {number}{item}");
        let mut step = json!({
            "id": format!("post{number}"), "type": "action", "action": "slack.post_message",
            "input": { "channel": "general", "text": text },
        });
        match self.random.below(4) {
            0 => step["on_error"] = json!([put(100 + number, looped)]),
            1 => step["continue_on_error"] = json!(true),
            _ => {}
        }
        step
    }
}

/// Puts a record that no other step and no other run puts.
fn put(number: usize, looped: bool) -> Value {
    let item = if looped { "-{{ item }}" } else { "" };
    let key = format!("{{{{ trigger.k }}}}-{{{{ run.seed }}}}-{number}{item}");
    let place = json!({ "collection": "digisol_crm/contacts", "key": key });
    let mut input = place.clone();
    input["record"] = json!({ "number": number });
    json!({ "id": format!("{PUT}{number}"), "type": "action", "action": "collection.upsert",
        "input": input,
        "compensate": { "action": "collection.delete", "input": place } })
}

/// The workflow that others run.
pub fn leaf() -> Value {
    let nap = json!({ "id": "nap", "type": "wait", "for": "10m", "when": "trigger.n % 2 == 0" });
    json!({ "version": 1, "name": "leaf", "steps": [put(1, false), nap,
        { "id": "post2", "type": "action", "action": "slack.post_message",
          "input": { "channel": "general", "text": "{{ run.seed }} from the leaf" } }] })
}
