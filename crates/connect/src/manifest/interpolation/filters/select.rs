//! `map`, `select`, `reject` and their kin.

use super::{
    super::{
        checks::Check,
        program::Fault,
        run::{Arguments, Done, Interp},
        values::{self, Str, Val},
    },
    Filter,
};

/// A path to what is asked of each item: `a.b.0`.
pub(super) struct Getter<'a> {
    parts: Vec<Val<'a>>,
    usual: Option<Val<'a>>,
}

impl<'a> Getter<'a> {
    pub fn new(attribute: &Val<'a>, usual: Option<Val<'a>>) -> Self {
        let parts = match attribute {
            Val::Str(text) => text
                .split('.')
                .map(|part| match part.parse() {
                    Ok(int) if part.bytes().all(|byte| byte.is_ascii_digit()) => Val::Int(int),
                    _ => Val::Str(Str::Own(part.into())),
                })
                .collect(),
            Val::None => Vec::new(),
            other => vec![other.clone()],
        };
        Self { parts, usual }
    }

    pub fn get(&self, item: &Val<'a>) -> Done<'a> {
        let mut found = item.clone();
        for part in &self.parts {
            found = values::item(&found, part)?;
            if let (Val::Undefined(_), Some(usual)) = (&found, &self.usual) {
                found = usual.clone();
            }
        }
        Ok(found)
    }
}

fn missing(what: &str) -> Fault {
    Fault::Failed(format!("{what} is missing"))
}

impl<'a> Interp<'a> {
    pub(super) fn select(&self, filter: Filter, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
        // What is empty needs no arguments, whatever they are; so it is with `None`.
        if !value.is_true() {
            return Ok(Val::stream(Vec::new()));
        }
        let items = value.items()?;
        if filter == Filter::Map {
            return self.map(items, args);
        }
        let mut args = args;
        let mut getter = None;
        if matches!(filter, Filter::SelectAttr | Filter::RejectAttr) {
            if args.positional.is_empty() {
                return Err(missing("the name of the attribute"));
            }
            getter = Some(Getter::new(&args.positional.remove(0), None));
        }
        let mut check = None;
        if !args.positional.is_empty() {
            let name = args.positional.remove(0);
            let found = name.as_str().and_then(Check::of);
            check = Some(found.ok_or_else(|| Fault::Failed("there is no such test".to_owned()))?);
        }
        let wanted = matches!(filter, Filter::Select | Filter::SelectAttr);
        let mut kept = Vec::new();
        for item in items {
            self.spend(1)?;
            let asked = match &getter {
                Some(getter) => getter.get(&item)?,
                None => item.clone(),
            };
            let passes = match check {
                None => asked.is_true(),
                Some(check) => {
                    let (positional, named) = (args.positional.clone(), args.named.clone());
                    self.check(check, &asked, Arguments { positional, named })?
                }
            };
            if passes == wanted {
                kept.push(item);
            }
        }
        Ok(Val::stream(kept))
    }

    fn map(&self, items: Vec<Val<'a>>, args: Arguments<'a>) -> Done<'a> {
        let mut args = args;
        let mut mapped = Vec::with_capacity(items.len());
        let by_attribute = args.named.iter().any(|(name, _)| &**name == "attribute");
        if args.positional.is_empty() && by_attribute {
            let [attribute, usual] = args.bind(["attribute", "default"]).map_err(|fault| {
                // An argument error of this filter is not one of types there.
                Fault::Failed(fault.what().to_owned())
            })?;
            let getter = Getter::new(
                &attribute.unwrap_or(Val::None),
                usual.filter(|usual| !matches!(usual, Val::None)),
            );
            for item in items {
                self.spend(1)?;
                mapped.push(getter.get(&item)?);
            }
            return Ok(Val::stream(mapped));
        }
        if args.positional.is_empty() {
            return Err(missing("the filter `map` applies"));
        }
        let name = args.positional.remove(0);
        let filter = name.as_str().and_then(Filter::of);
        let filter = filter.ok_or_else(|| Fault::Failed("there is no such filter".to_owned()))?;
        for item in items {
            self.spend(1)?;
            let (positional, named) = (args.positional.clone(), args.named.clone());
            mapped.push(self.filter(filter, item, Arguments { positional, named })?);
        }
        Ok(Val::stream(mapped))
    }
}
