//! Methods of Python's types, as far as texts of manifests have a use for them.

mod containers;
mod format;
mod texts;
mod times;

use std::rc::Rc;

use super::{
    program::Fault,
    run::{Arguments, Done, Interp},
    values::Val,
};

pub(super) use self::{
    containers::refuse_cycle,
    texts::{capitalized, centred, replaced, split_lines},
};

impl<'a> Interp<'a> {
    /// Calls a method that the type of the value has.
    pub(super) fn method(&self, value: &Val<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
        self.spend_on(value)?;
        match value {
            Val::Str(text) => texts::call(text, name, args),
            Val::Moment(moment) => times::of_moment(moment, name, args),
            Val::Date(date) => times::of_date(*date, name, args),
            Val::Span(span) => times::of_span(span, args),
            Val::Loop(state) => Rc::clone(state).call(name, args),
            Val::Int(_) | Val::Bool(_) | Val::Float(_) => number(value, name, args),
            _ => containers::call(self, value, name, args),
        }
    }
}

fn number<'a>(value: &Val<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    args.none()?;
    Ok(match (name, value) {
        ("is_integer", Val::Float(float)) => Val::Bool(float.is_finite() && float.fract() == 0.0),
        ("bit_length", _) => {
            let size = value.as_int().unwrap_or(0).unsigned_abs();
            Val::Int((u128::BITS - size.leading_zeros()).into())
        }
        ("conjugate", Val::Bool(_)) => Val::Int(value.as_int().unwrap_or(0)),
        ("conjugate", _) => value.clone(),
        _ => return Err(unknown(value, name)),
    })
}

/// A method Python has and this has not.
fn unknown(value: &Val<'_>, name: &str) -> Fault {
    Fault::Failed(format!("`{name}` of {} is not run in manifests", value.kind()))
}
