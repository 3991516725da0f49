//! The arguments of a call, and what a function makes of them.

use super::super::{
    program::Fault,
    values::{Str, Val},
};

/// Arguments with their values.
#[derive(Debug, Default)]
pub(in super::super) struct Arguments<'a> {
    pub positional: Vec<Val<'a>>,
    pub named: Vec<(Str<'a>, Val<'a>)>,
}

impl<'a> Arguments<'a> {
    /// No arguments at all.
    pub fn none(self) -> Result<(), Fault> {
        self.bind::<0>([]).map(drop)
    }

    /// Each of these names, and no other; some may be left out.
    pub fn bind<const N: usize>(self, names: [&str; N]) -> Result<[Option<Val<'a>>; N], Fault> {
        let count = self.positional.len();
        let mut bound = [const { None }; N];
        if count > N {
            return Err(Fault::Type(format!("{count} arguments are given, at most {N} are taken")));
        }
        for (place, value) in bound.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            let place = names.iter().position(|known| **known == *name);
            match place.and_then(|place| bound.get_mut(place)) {
                Some(place @ None) => *place = Some(value),
                _ => return Err(Fault::Type(format!("the argument `{}` is not taken", &*name))),
            }
        }
        Ok(bound)
    }

    /// Each of these names, none left out.
    pub fn exactly<const N: usize>(self, names: [&str; N]) -> Result<[Val<'a>; N], Fault> {
        let bound = self.bind(names)?;
        for (name, value) in names.iter().zip(&bound) {
            if value.is_none() {
                return Err(Fault::Type(format!("the argument `{name}` is missing")));
            }
        }
        Ok(bound.map(|value| value.unwrap_or(Val::None)))
    }

    /// The first, which must be there.
    pub fn take_first(&mut self, name: &str) -> Result<Val<'a>, Fault> {
        if !self.positional.is_empty() {
            return Ok(self.positional.remove(0));
        }
        match self.named.iter().position(|(found, _)| **found == *name) {
            Some(at) => Ok(self.named.remove(at).1),
            None => Err(Fault::Type(format!("the argument `{name}` is missing"))),
        }
    }
}

/// A text among arguments.
pub(in super::super) fn text<'v>(value: &'v Val<'_>, what: &str) -> Result<&'v str, Fault> {
    value.as_str().ok_or_else(|| super::wrong_type(what, value))
}

/// A whole number among arguments; `usual` where it is left out.
pub(in super::super) fn int(value: Option<&Val<'_>>, usual: i128) -> Result<i128, Fault> {
    match value {
        None => Ok(usual),
        Some(value) => value.as_int().ok_or_else(|| super::wrong_type("a whole number", value)),
    }
}

/// A flag among arguments.
pub(in super::super) fn flag(value: Option<&Val<'_>>) -> bool {
    value.is_some_and(Val::is_true)
}
