//! Methods of lists, tuples and dicts.

use std::rc::Rc;

use super::{
    super::{
        MAX_NESTING,
        program::Fault,
        run::{Arguments, Done, Interp, flag, int, pairs_of},
        values::{self, Absent, Items, Pairs, Val},
    },
    unknown,
};

pub(super) fn call<'a>(
    interp: &Interp<'a>,
    value: &Val<'a>,
    name: &str,
    args: Arguments<'a>,
) -> Done<'a> {
    match (name, value) {
        ("get", _) => get(value, args),
        ("keys" | "values" | "items", _) => view(value, name, args),
        ("count" | "index", _) => place(value, name, args),
        ("copy", _) => {
            args.none()?;
            Ok(match value {
                Val::Dict(dict) => Val::dict(dict.borrow().pairs.clone()),
                Val::List(items) => Val::list(items.borrow().clone()),
                other => other.clone(),
            })
        }
        (_, Val::List(items)) => list(interp, items, name, args),
        (_, Val::Dict(dict)) => mapping(interp, dict, name, args),
        ("append" | "clear" | "extend" | "insert" | "pop" | "remove" | "reverse" | "sort", _)
        | ("popitem" | "setdefault" | "update", _) => Err(Fault::Failed(format!(
            "`{name}` would change a value that was only lent; make a copy of it first, such as \
             `value | list`"
        ))),
        _ => Err(unknown(value, name)),
    }
}

fn get<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let mut args = args;
    let key = args.take_first("key")?;
    let [usual] = args.bind(["default"])?;
    key.as_key()?;
    let found = match value {
        Val::Object(fields) => key.as_str().and_then(|key| fields.get(key)).map(Val::of_json),
        Val::Dict(dict) => dict.borrow().get(&key).cloned(),
        _ => match values::item(value, &key)? {
            Val::Undefined(_) | Val::Function(_) => None,
            found => Some(found),
        },
    };
    Ok(found.or(usual).unwrap_or(Val::None))
}

fn view<'a>(value: &Val<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    args.none()?;
    let pairs = value.pairs().unwrap_or_default().into_iter();
    Ok(match name {
        "keys" => Val::View("dict_keys", pairs.map(|(key, _)| key).collect()),
        "values" => Val::View("dict_values", pairs.map(|(_, value)| value).collect()),
        _ => {
            let pair = |(key, value)| Val::tuple(vec![key, value]);
            Val::View("dict_items", pairs.map(pair).collect())
        }
    })
}

fn place<'a>(value: &Val<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    let [wanted] = args.exactly(["value"])?;
    let items = value.items()?;
    let number = |count: usize| Val::Int(i128::try_from(count).unwrap_or(0));
    if name == "count" {
        return Ok(number(items.iter().filter(|item| values::equal(item, &wanted)).count()));
    }
    let at = items.iter().position(|item| values::equal(item, &wanted));
    at.map(number).ok_or_else(|| Fault::Failed("the value is not in the list".to_owned()))
}

fn list<'a>(interp: &Interp<'a>, items: &Items<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    let this = Val::List(Rc::clone(items));
    match name {
        "append" => {
            let [item] = args.exactly(["object"])?;
            refuse_cycle(&this, &item)?;
            items.borrow_mut().push(item);
        }
        "extend" => {
            let [more] = args.exactly(["iterable"])?;
            let more = more.items()?;
            interp.spend(more.len())?;
            more.iter().try_for_each(|item| refuse_cycle(&this, item))?;
            items.borrow_mut().extend(more);
        }
        "insert" => {
            let [at, item] = args.exactly(["index", "object"])?;
            refuse_cycle(&this, &item)?;
            let mut items = items.borrow_mut();
            let at = wrapped(int(Some(&at), 0)?, items.len()).clamp(0, items.len());
            items.insert(at, item);
        }
        "pop" => {
            let [at] = args.bind(["index"])?;
            let mut items = items.borrow_mut();
            let at = wrapped(int(at.as_ref(), -1)?, items.len());
            if at >= items.len() {
                return Err(Fault::Failed("`pop` finds no such item".to_owned()));
            }
            return Ok(items.remove(at));
        }
        "remove" => {
            let [wanted] = args.exactly(["value"])?;
            let mut items = items.borrow_mut();
            let Some(at) = items.iter().position(|item| values::equal(item, &wanted)) else {
                return Err(Fault::Failed("`remove` finds no such item".to_owned()));
            };
            items.remove(at);
        }
        "clear" => {
            args.none()?;
            items.borrow_mut().clear();
        }
        "reverse" => {
            args.none()?;
            items.borrow_mut().reverse();
        }
        "sort" => {
            let [reverse] = args.bind(["reverse"])?;
            let named = Arguments {
                positional: vec![Val::Bool(flag(reverse.as_ref())), Val::Bool(true)],
                named: Vec::new(),
            };
            let sorted = interp.filter(super::super::filters::Filter::Sort, this, named)?;
            let sorted = sorted.items()?;
            *items.borrow_mut() = sorted;
        }
        _ => return Err(unknown(&this, name)),
    }
    Ok(Val::None)
}

/// A place counted from the end where it is negative; beyond the end where there is none.
fn wrapped(at: i128, length: usize) -> usize {
    let length = i128::try_from(length).unwrap_or(i128::MAX);
    let at = if at < 0 { at + length } else { at };
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn mapping<'a>(interp: &Interp<'a>, dict: &Pairs<'a>, name: &str, args: Arguments<'a>) -> Done<'a> {
    let this = Val::Dict(Rc::clone(dict));
    match name {
        "update" => {
            let mut pairs = Vec::new();
            for source in &args.positional {
                source.defined()?;
                match source.pairs() {
                    Some(found) => pairs.extend(found),
                    None => pairs.extend(pairs_of(source)?),
                }
            }
            pairs.extend(args.named.into_iter().map(|(name, value)| (Val::Str(name), value)));
            for (key, value) in pairs {
                refuse_cycle(&this, &value)?;
                interp.spend(dict.borrow().pairs.len() / 8 + 1)?;
                dict.borrow_mut().insert(key, value);
            }
            Ok(Val::None)
        }
        "pop" => {
            let [key, usual] = args.bind(["key", "default"])?;
            let key = key.unwrap_or(Val::None);
            let found = dict.borrow_mut().remove(&key).or(usual);
            found.ok_or_else(|| Fault::Failed("`pop` finds no such key".to_owned()))
        }
        "setdefault" => {
            let [key, usual] = args.bind(["key", "default"])?;
            let (key, usual) = (key.unwrap_or(Val::None), usual.unwrap_or(Val::None));
            key.as_key()?;
            refuse_cycle(&this, &usual)?;
            if let Some(found) = dict.borrow().get(&key) {
                return Ok(found.clone());
            }
            dict.borrow_mut().insert(key, usual.clone());
            Ok(usual)
        }
        "popitem" => {
            args.none()?;
            let last = dict.borrow_mut().pairs.pop();
            let none = Fault::Failed("`popitem` finds nothing".to_owned());
            last.map(|(key, value)| Val::tuple(vec![key, value])).ok_or(none)
        }
        "clear" => {
            args.none()?;
            dict.borrow_mut().pairs.clear();
            Ok(Val::None)
        }
        _ => Ok(Val::Undefined(Absent::Other("there is no such method"))),
    }
}

/// A value may not come to hold itself: it could be neither printed nor freed.
pub(in super::super) fn refuse_cycle<'a>(holder: &Val<'a>, item: &Val<'a>) -> Result<(), Fault> {
    let mut left = 10_000;
    match holds(item, holder, 0, &mut left) {
        false => Ok(()),
        true => Err(Fault::Failed("a value cannot hold itself, nor be so large".to_owned())),
    }
}

/// Whether a value holds another; so it is taken to do, too, when it is too large to tell.
fn holds<'a>(value: &Val<'a>, wanted: &Val<'a>, depth: usize, left: &mut usize) -> bool {
    if depth > MAX_NESTING || *left == 0 {
        return true;
    }
    *left -= 1;
    let mut inside = |inner: &Val<'a>| holds(inner, wanted, depth + 1, left);
    match (value, wanted) {
        (Val::List(a), Val::List(b)) if Rc::ptr_eq(a, b) => true,
        (Val::Dict(a) | Val::Namespace(a), Val::Dict(b) | Val::Namespace(b))
            if Rc::ptr_eq(a, b) =>
        {
            true
        }
        (Val::List(items) | Val::Stream(items), _) => items.borrow().iter().any(inside),
        (Val::Tuple(items) | Val::View(_, items), _) => items.iter().any(inside),
        (Val::Dict(dict) | Val::Namespace(dict), _) => {
            dict.borrow().pairs.iter().any(|(_, value)| inside(value))
        }
        (Val::Function(super::super::run::Function::Method(owner, _)), _) => inside(owner),
        (Val::Loop(_), _) => true,
        _ => false,
    }
}
