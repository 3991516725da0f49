//! Who may call, and how often: a rolling day for the whole organisation.

use std::collections::VecDeque;

use axum::{
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;

use super::{Refusal, World};
use crate::{asked::Asked, oauth::Standing};

const DAY_SECS: i64 = 86_400;

/// The calls of the last 24 hours.
#[derive(Debug)]
pub(crate) struct RollingDay {
    max: u32,
    calls: VecDeque<Timestamp>,
}

impl RollingDay {
    pub(crate) fn new(max: Option<u32>) -> Self {
        Self { max: max.unwrap_or(u32::MAX), calls: VecDeque::new() }
    }

    /// Calls made and allowed.
    pub(crate) fn usage(&mut self, now: Timestamp) -> (u32, u32) {
        let first = now.plus_secs(-DAY_SECS);
        while self.calls.front().is_some_and(|at| *at <= first) {
            self.calls.pop_front();
        }
        (u32::try_from(self.calls.len()).unwrap_or(u32::MAX), self.max)
    }

    /// Counts a call; `false` when none is left.
    fn take(&mut self, now: Timestamp) -> bool {
        let (used, max) = self.usage(now);
        let left = used < max;
        if left && max < u32::MAX {
            self.calls.push_back(now);
        }
        left
    }
}

/// Checks the token and the day, then answers; every answer tells the usage.
pub(super) fn pass(
    world: &World,
    asked: &Asked,
    answer: impl FnOnce() -> Result<Response, Refusal>,
) -> Response {
    let now = world.now();
    if let Err(refusal) = check_token(world, asked, now) {
        return refusal.into_response();
    }
    let admitted = world.salesforce().calls.take(now);
    let mut response = if admitted { answer() } else { Err(Refusal::limit()) }
        .unwrap_or_else(IntoResponse::into_response);
    let (used, max) = world.salesforce().calls.usage(now);
    if let Ok(usage) = HeaderValue::from_str(&format!("api-usage={used}/{max}")) {
        response.headers_mut().insert("sforce-limit-info", usage);
    }
    response
}

fn check_token(world: &World, asked: &Asked, now: Timestamp) -> Result<(), Refusal> {
    let token = asked.credential(&["Bearer", "OAuth"]).ok_or_else(Refusal::expired)?;
    match world.salesforce().grants.standing(token, now) {
        Standing::Valid { .. } => Ok(()),
        _ if token == world.config.keys.salesforce_token => Ok(()),
        Standing::Expired { .. } | Standing::Unknown => Err(Refusal::expired()),
    }
}
