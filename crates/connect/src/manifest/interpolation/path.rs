//! Plain paths, such as `record.a.b` and `response.get('x', {}).get('y')`, which are followed
//! through the values lent without an interpreter.

use serde_json::{Map, Value};

use super::{
    Parameters, Scope, SliceView, Variable,
    scope::Given,
    syntax::tree::{Args, Expr, Name, Step},
};

#[derive(Debug)]
pub(super) struct Path {
    root: Name,
    steps: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    /// `.name` or `['name']`
    Key(Box<str>),
    Index(i64),
    /// `.get('name', default)`
    Get(Box<str>, Value),
}

/// What a path leads to.
pub(super) enum Found<'a> {
    Value(&'a Value),
    /// The last step finds nothing.
    Missing,
    /// A step before the last finds nothing.
    Undefined(String),
    /// For the interpreter to say.
    Unknown,
}

#[derive(Clone, Copy)]
enum At<'a> {
    Json(&'a Value),
    Map(&'a Map<String, Value>),
    Slice(SliceView<'a>),
    Missing,
}

/// Names that mean something else than a key on some value.
const SPECIAL: [&str; 22] = [
    "items",
    "keys",
    "values",
    "get",
    "pop",
    "popitem",
    "update",
    "copy",
    "clear",
    "setdefault",
    "fromkeys",
    "partition",
    "_partition",
    "cursor_slice",
    "extra_fields",
    "append",
    "count",
    "index",
    "insert",
    "extend",
    "sort",
    "reverse",
];

fn plain(name: &str) -> bool {
    !SPECIAL.contains(&name) && !name.starts_with("__")
}

impl Path {
    /// The path an expression is, if it is one.
    pub fn of(expr: &Expr) -> Option<Self> {
        let (root, steps) = match expr {
            Expr::Name(name) => (name, [].as_slice()),
            Expr::Postfix(inner, steps) => match &**inner {
                Expr::Name(name) => (name, steps.as_slice()),
                _ => return None,
            },
            _ => return None,
        };
        let mut parts = Vec::with_capacity(steps.len());
        let mut steps = steps.iter();
        while let Some(step) = steps.next() {
            parts.push(match step {
                Step::Attr(name) if &**name == "get" => match steps.next()? {
                    Step::Call(args) => get(args)?,
                    _ => return None,
                },
                Step::Attr(name) if plain(name) => Part::Key(name.clone()),
                Step::Item(Expr::Str(name)) if plain(name) => Part::Key(name.clone()),
                Step::Item(Expr::Int(at)) => Part::Index(i64::try_from(*at).ok()?),
                _ => return None,
            });
        }
        Some(Self { root: Name::new(&root.text), steps: parts })
    }

    pub fn find<'a>(&'a self, scope: &Scope<'a>, parameters: &'a Parameters) -> Found<'a> {
        let Some(mut at) = self.root(scope, parameters) else { return Found::Unknown };
        for (position, part) in self.steps.iter().enumerate() {
            if let At::Missing = at {
                return Found::Undefined(self.missing(position));
            }
            let Some(next) = part.from(at) else { return Found::Unknown };
            at = next;
        }
        match at {
            At::Json(value) => Found::Value(value),
            At::Missing => Found::Missing,
            At::Map(_) | At::Slice(_) => Found::Unknown,
        }
    }

    fn root<'a>(&self, scope: &Scope<'a>, parameters: &'a Parameters) -> Option<At<'a>> {
        let given = match self.root.variable {
            Some(variable) => match scope.get(variable) {
                None if variable == Variable::Parameters => {
                    return Some(At::Json(parameters.value()));
                }
                given => given?,
            },
            None => return scope.extra(&self.root.text).map(At::Json),
        };
        match given {
            Given::Json(value) => Some(At::Json(value)),
            Given::Map(map) => Some(At::Map(map)),
            Given::Slice => scope.slice().map(At::Slice),
            Given::Headers(_) | Given::Int(_) | Given::JsonLoads => None,
        }
    }

    fn missing(&self, position: usize) -> String {
        let name = match position.checked_sub(1).and_then(|at| self.steps.get(at)) {
            Some(Part::Key(name) | Part::Get(name, _)) => name.to_string(),
            Some(Part::Index(at)) => at.to_string(),
            None => self.root.text.to_string(),
        };
        format!("there is no `{name}`, so nothing can be read from it")
    }
}

/// `.get('name')` and `.get('name', default)` with a constant default.
fn get(args: &Args) -> Option<Part> {
    if !args.named.is_empty() || args.rest.is_some() || args.named_rest.is_some() {
        return None;
    }
    let (name, usual) = match args.positional.as_slice() {
        [Expr::Str(name)] => (name, Value::Null),
        [Expr::Str(name), usual] => (name, constant(usual)?),
        _ => return None,
    };
    Some(Part::Get(name.clone(), usual))
}

fn constant(expr: &Expr) -> Option<Value> {
    Some(match expr {
        Expr::None => Value::Null,
        Expr::Bool(flag) => Value::Bool(*flag),
        Expr::Int(int) => Value::Number(i64::try_from(*int).ok()?.into()),
        Expr::Str(text) => Value::String(text.to_string()),
        Expr::Dict(pairs) if pairs.is_empty() => Value::Object(Map::new()),
        Expr::List(items) if items.is_empty() => Value::Array(Vec::new()),
        _ => return None,
    })
}

impl Part {
    /// One step further; `None` for the interpreter to say.
    fn from<'a>(&'a self, at: At<'a>) -> Option<At<'a>> {
        let found = |value: Option<&'a Value>| Some(value.map_or(At::Missing, At::Json));
        match (self, at) {
            (_, At::Missing) => None,
            (Self::Key(name), At::Json(Value::Object(map)) | At::Map(map)) => {
                found(map.get(&**name))
            }
            (Self::Key(_) | Self::Index(_), At::Json(Value::Null)) => Some(At::Missing),
            (Self::Key(name), At::Slice(slice)) => found(slice.get(name)),
            (Self::Index(at), At::Json(Value::Array(items))) => {
                let length = i64::try_from(items.len()).ok()?;
                let place = if *at < 0 { at + length } else { *at };
                found(usize::try_from(place).ok().and_then(|place| items.get(place)))
            }
            (Self::Get(name, usual), At::Json(Value::Object(map)) | At::Map(map)) => {
                Some(At::Json(map.get(&**name).unwrap_or(usual)))
            }
            (Self::Get(name, usual), At::Slice(slice)) => {
                Some(At::Json(slice.get(name).unwrap_or(usual)))
            }
            _ => None,
        }
    }
}
