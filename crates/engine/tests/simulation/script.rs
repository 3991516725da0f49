//! Which fault strikes at which point.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use connectus_connect::{
    http::NOT_SENT,
    plan::{OUTCOME, OUTCOME_UNKNOWN},
};
use connectus_core::{
    Code, Error,
    drill::{Drill, Moment, Passage, Point, Site},
};
use futures::FutureExt;
use tokio::sync::Notify;

use crate::world;

/// What happens to whoever passes a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends.
    Crash,
    /// It is told that what it wanted did not work, for now.
    Error,
    /// It takes five seconds.
    Delay,
    /// The step is told that it can never work.
    Refusal,
}

/// When faults strike.
pub enum Plan {
    Never,
    /// Once, at the so many-th passage of a point.
    Once(Point, usize, Fault),
    /// By chance.
    Chance(Box<dyn FnMut(Point) -> Option<Fault> + Send>),
}

/// A drill with a memory.
pub struct Script {
    state: Mutex<State>,
    pub dead: Notify,
}

struct State {
    plan: Plan,
    passed: BTreeMap<Point, usize>,
    gone: bool,
    struck: Vec<(Point, Fault)>,
}

impl Script {
    pub fn new(plan: Plan) -> Arc<Self> {
        let (passed, struck) = (BTreeMap::new(), Vec::new());
        let state = State { plan, passed, gone: false, struck };
        Arc::new(Self { state: Mutex::new(state), dead: Notify::new() })
    }

    /// How often each point was passed.
    pub fn passed(&self) -> BTreeMap<Point, usize> {
        self.state.lock().unwrap().passed.clone()
    }

    /// The faults that struck.
    pub fn struck(&self) -> Vec<(Point, Fault)> {
        self.state.lock().unwrap().struck.clone()
    }

    /// A new process begins.
    pub fn revive(&self) {
        self.state.lock().unwrap().gone = false;
    }
}

impl State {
    fn fault(&mut self, point: Point) -> Option<Fault> {
        let passed = self.passed.entry(point).or_default();
        *passed += 1;
        let fault = match &mut self.plan {
            Plan::Never => None,
            Plan::Once(at, nth, fault) => (*at == point && *nth == *passed).then_some(*fault),
            Plan::Chance(chance) => chance(point),
        };
        self.struck.extend(fault.map(|fault| (point, fault)));
        fault
    }
}

impl Drill for Script {
    fn at(&self, point: Point) -> Passage {
        let mut state = self.state.lock().unwrap();
        if state.gone {
            return Box::pin(std::future::pending());
        }
        match state.fault(point) {
            None => Box::pin(std::future::ready(Ok(()))),
            Some(Fault::Delay) => Box::pin(world::delay().map(Ok)),
            Some(Fault::Error) => Box::pin(std::future::ready(Err(error_at(point)))),
            Some(Fault::Refusal) => {
                let refused = Error::invalid("input", "refused by the drill");
                Box::pin(std::future::ready(Err(refused)))
            }
            Some(Fault::Crash) => {
                state.gone = true;
                self.dead.notify_one();
                Box::pin(std::future::pending())
            }
        }
    }
}

/// What a failure there looks like: a database that is gone, a connection that breaks off.
fn error_at(point: Point) -> Error {
    let gone = Error::new(Code::Unavailable, "The drill took the database away.");
    let broken = Error::new(Code::ProviderUnavailable, "The drill broke off the connection.");
    match (point.site, point.moment) {
        (Site::Call | Site::Delivery, Moment::Before) => broken.with(NOT_SENT, true),
        (Site::Call | Site::Delivery, Moment::After) => broken,
        (Site::Step, Moment::After) => gone.with(OUTCOME, OUTCOME_UNKNOWN),
        _ => gone,
    }
}
