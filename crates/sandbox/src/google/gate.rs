//! Who may call, for which customer, and how many operations a day.

use connectus_core::Timestamp;

use super::{
    customer::{Customers, DIRECT, MANAGED, MANAGER},
    refusal::Refusal,
};
use crate::{asked::Asked, oauth::Standing, world::World};

const DAY_SECS: i64 = 86_400;

pub(super) fn check_token(
    world: &World,
    customers: &Customers,
    asked: &Asked,
    now: Timestamp,
) -> Result<(), Refusal> {
    let token = asked.credential(&["Bearer"]).ok_or_else(Refusal::unauthenticated)?;
    match customers.grants.standing(token, now) {
        Standing::Valid { .. } => {}
        _ if token == world.config.keys.google_token => {}
        Standing::Expired { .. } | Standing::Unknown => return Err(Refusal::unauthenticated()),
    }
    if asked.header("developer-token") == world.config.keys.google_developer_token {
        return Ok(());
    }
    let message = "The developer token is not valid.";
    Err(Refusal::denied("DEVELOPER_TOKEN_INVALID", message))
}

/// A managed customer is reached through its manager only.
pub(super) fn check_customer(asked: &Asked, id: &str) -> Result<(), Refusal> {
    let through = asked.header("login-customer-id");
    match (id, through) {
        (DIRECT, "" | DIRECT) | (MANAGED, MANAGER) => Ok(()),
        _ if id.len() != 10 || !id.bytes().all(|b| b.is_ascii_digit()) => {
            let message = format!("Invalid customer ID '{id}'.");
            Err(Refusal::invalid("requestError", "INVALID_CUSTOMER_ID", &message))
        }
        _ => {
            let message = "User doesn't have permission to access customer. If you're accessing a \
                           client customer, the manager's customer id must be set in the \
                           'login-customer-id' header.";
            Err(Refusal::denied("USER_PERMISSION_DENIED", message))
        }
    }
}

/// Counts operations against the day of the developer token.
pub(super) fn spend(customers: &mut Customers, count: u32, now: Timestamp) -> Result<(), Refusal> {
    let Some(max) = customers.per_day else { return Ok(()) };
    let day = now.secs().div_euclid(DAY_SECS);
    if customers.day != day {
        (customers.day, customers.spent) = (day, 0);
    }
    if customers.spent + count > max {
        return Err(Refusal::exhausted((day + 1) * DAY_SECS - now.secs()));
    }
    customers.spent += count;
    Ok(())
}
