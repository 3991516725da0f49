//! Which transitions the machine has, and that chance takes every one of them.
//!
//! A transition is an event of a kind that comes while the run is in a phase, for something that
//! is in a state. The list below is all there can be: a state that is new must be put there.

use std::collections::BTreeMap;

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use super::{
    driver::{compile, failure},
    history::workflow,
};
use crate::{
    Timestamp,
    workflow::{
        ChildOutcome, Event, Interp, RunError,
        machine::{APPROVAL_SIGNAL, FrameKind, Phase, SignalWait, State},
    },
};

/// What an event about a step can find there.
const WAITING: [&str; 13] = [
    "answer",
    "cancelling",
    "late",
    "undoing inside",
    "backoff",
    "limit",
    "timer",
    "signal",
    "signal until",
    "approval",
    "approval until",
    "approval to escalate",
    "nobody",
];
/// Events about a step.
const ABOUT: [&str; 5] = ["done", "failed", "child done", "child failed", "fired"];
/// What a signal can find.
const ASKING: [&str; 7] = [
    "signal",
    "signal until",
    "approval",
    "approval until",
    "approval to escalate",
    "nobody",
    "no question",
];
/// Workflows tried at most.
const TRIED: usize = 3_000;

type Transition = (&'static str, &'static str, &'static str);

/// Every transition there can be.
fn declared() -> Vec<Transition> {
    let mut all = Vec::new();
    for phase in ["new", "running", "ending", "undoing", "over"] {
        for event in ["started", "cancel requested", "resumed"] {
            all.push((phase, event, "the run"));
        }
        let states: &[&str] = match phase {
            "running" => &WAITING,
            "ending" => &["cancelling", "undoing inside", "nobody"],
            "undoing" => &["undoing", "nobody"],
            _ => &["nobody"],
        };
        all.extend(ABOUT.iter().flat_map(|event| states.iter().map(|s| (phase, *event, *s))));
        let asking: &[&str] = if phase == "running" { &ASKING } else { &["nobody", "no question"] };
        all.extend(asking.iter().map(|state| (phase, "signalled", *state)));
    }
    all
}

/// A state in words. A new one does not compile until it is declared above.
fn of_state(state: &State) -> &'static str {
    match state {
        State::Answer => "answer",
        State::Cancelling => "cancelling",
        State::Late => "late",
        State::Undoing(_) => "undoing inside",
        State::Backoff => "backoff",
        State::Timer => "timer",
        State::Signal(wait) => of_wait(wait),
        // A step with blocks is not pending: nothing can be about it.
        State::Group(_) => "group",
    }
}

fn of_wait(wait: &SignalWait) -> &'static str {
    match (&wait.ask, &wait.escalation, wait.has_deadline) {
        (Some(_), Some(_), _) => "approval to escalate",
        (Some(_), None, true) => "approval until",
        (Some(_), None, false) => "approval",
        (None, _, true) => "signal until",
        (None, _, false) => "signal",
    }
}

fn state(interp: &Interp, path: &str) -> Option<&'static str> {
    if interp.deadlines.contains_key(path) {
        return Some("limit");
    }
    match &interp.frames.get(interp.pending.get(path)?)?.kind {
        FrameKind::Step(step) => Some(of_state(&step.state)),
        FrameKind::Block(_) => Some("block"),
    }
}

/// The transition that an event is about to make.
fn transition(interp: &Interp, event: &Event) -> Transition {
    let (phase, undoing) = match &interp.phase {
        Phase::New => ("new", None),
        Phase::Running => ("running", None),
        Phase::Ending { .. } => ("ending", None),
        Phase::Undoing { current, .. } => ("undoing", current.as_ref().map(|(id, _)| id.as_str())),
        Phase::Over => ("over", None),
    };
    let of = |id: &str| match state(interp, id) {
        Some(state) => state,
        None if undoing == Some(id) => "undoing",
        None => "nobody",
    };
    let (kind, target) = match event {
        Event::Started { .. } => ("started", "the run"),
        Event::CancelRequested { .. } => ("cancel requested", "the run"),
        Event::Resumed {} => ("resumed", "the run"),
        Event::Done { id, .. } => ("done", of(id)),
        Event::Failed { id, .. } => ("failed", of(id)),
        Event::Fired { id } => ("fired", of(id)),
        Event::ChildDone { id, result: ChildOutcome::Output(_) } => ("child done", of(id)),
        Event::ChildDone { id, result: ChildOutcome::Error(_) } => ("child failed", of(id)),
        Event::Signalled { name, .. } => {
            let target = match interp.serves(name) {
                Some(path) => of(path),
                None if name.starts_with(APPROVAL_SIGNAL) => "no question",
                None => "nobody",
            };
            ("signalled", target)
        }
    };
    (phase, kind, target)
}

/// Numbers that look like chance and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }
}

/// Any event, about something that is pending or about nothing.
fn any_event(interp: &Interp, dice: &mut Dice) -> Event {
    let pending = interp.pending();
    let id = match dice.below(5) {
        0 => "s999".to_owned(),
        _ => pending.get(dice.below(pending.len())).map_or("s1", |id| *id).to_owned(),
    };
    match dice.below(21) {
        0 => Event::Started { seed: 1, generation: 0 },
        1 => Event::CancelRequested { reason: None },
        2..7 => Event::Done { id, output: json!({"id": 1}) },
        7 | 8 => Event::Failed { id, error: failure("bad"), unsure: dice.below(2) == 0 },
        9..12 => Event::Fired { id },
        12 => Event::ChildDone { id, result: ChildOutcome::Output(json!(1)) },
        13 => Event::ChildDone { id, result: ChildOutcome::Error(RunError::new("bad", "no")) },
        14 => Event::Signalled { name: format!("{APPROVAL_SIGNAL}nowhere"), value: json!(1) },
        15 => Event::Signalled { name: "unasked".to_owned(), value: json!(1) },
        20 => Event::Resumed {},
        16 => Event::Signalled { name: "go".to_owned(), value: json!(1) },
        _ => {
            let value = json!({"approved": dice.below(2) == 0});
            Event::Signalled { name: format!("{APPROVAL_SIGNAL}{id}"), value }
        }
    }
}

/// Workflows of chance, and some that wait in ways chance seldom does.
fn tried() -> impl Iterator<Item = Value> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let asks = json!([{"id": "p", "type": "parallel", "branches": [
        [{"id": "s1", "type": "approval", "message": "?"}],
        [{"id": "s2", "type": "approval", "message": "?", "deadline": "1h"}],
        [{"id": "s3", "type": "approval", "message": "?",
          "escalate": {"after": "1h", "approvers": ["owner"]}}],
        [{"id": "s4", "type": "wait", "signal": "go"}],
        [{"id": "s5", "type": "wait", "signal": "go", "deadline": "1h"}],
        [{"id": "s6", "type": "action", "action": "t.act"}],
        [{"id": "s7", "type": "workflow", "workflow": "w", "continue_on_error": true}]]}]);
    let undone = json!({"action": "t.undo", "input": {}});
    let done =
        |id: &str| json!({"id": id, "type": "action", "action": "t.act", "compensate": undone});
    let again = json!({"attempts": 3, "backoff": "1s"});
    let repeats = json!([{"id": "p", "type": "parallel", "branches": [
        [{"id": "s1", "type": "branch", "condition": "true", "retry": again, "timeout": "1h",
          "then": [done("s2"), done("s3"), {"id": "s4", "type": "fail", "message": "no"}]}],
        [{"id": "s5", "type": "workflow", "workflow": "w", "retry": again, "timeout": "1h",
          "compensate": undone}],
        [{"id": "s6", "type": "approval", "message": "?", "retry": again, "timeout": "1h"}]]}]);
    let mut turn = 0_usize;
    std::iter::from_fn(move || {
        turn += 1;
        match turn % 4 {
            0 => Some(asks.clone()),
            1 => Some(repeats.clone()),
            _ => workflow().new_tree(&mut runner).ok().map(|tree| tree.current()),
        }
    })
}

#[test]
fn every_transition_is_exercised() {
    let declared = declared();
    let mut seen: BTreeMap<Transition, usize> = BTreeMap::new();
    let mut dice = Dice(7);
    for (turn, steps) in tried().take(TRIED).enumerate() {
        let mut interp = Interp::new(compile(&steps), json!({"x": 1}));
        let mut left = 40;
        // A few events before it begins, and a few after it has ended.
        let mut begin = dice.below(4);
        while left > 0 {
            left -= 1;
            let event = match begin {
                0 => Event::Started { seed: 1, generation: 0 },
                _ => any_event(&interp, &mut dice),
            };
            if matches!(interp.phase, Phase::New) && begin > 0 {
                begin -= 1;
            } else if begin == 0 {
                begin = usize::MAX;
            }
            *seen.entry(transition(&interp, &event)).or_default() += 1;
            interp.on(Timestamp::from_secs(1), event);
            if interp.is_over() {
                left = left.min(12);
            }
        }
        if turn > 200 && declared.iter().all(|one| seen.contains_key(one)) {
            break;
        }
    }
    let missing: Vec<_> = declared.iter().filter(|one| !seen.contains_key(*one)).collect();
    let unknown: Vec<_> = seen.keys().filter(|one| !declared.contains(one)).collect();
    let covered = declared.len() - missing.len();
    println!("{covered} of {} transitions", declared.len());
    assert!(missing.is_empty(), "never taken: {missing:#?}");
    assert!(unknown.is_empty(), "not declared: {unknown:#?}");
}

/// A time that comes twice, or where none was asked for, changes nothing.
#[test]
fn a_time_nobody_set_is_ignored() {
    let steps = json!([{"id": "ok", "type": "approval", "message": "?",
        "escalate": {"after": "1h", "approvers": ["owner"]}}]);
    let mut run = super::driver::Run::start(&compile(&steps), json!({}));
    let fired = || Event::Fired { id: "ok".to_owned() };
    assert_eq!(run.feed(fired()).len(), 1, "asks more people");
    assert_eq!(run.feed(fired()), []);
    assert_eq!(run.interp.pending(), ["ok"]);
}
