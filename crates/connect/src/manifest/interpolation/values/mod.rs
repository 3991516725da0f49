//! The values of Python a text computes with. What the scope lends stays where it is.

mod access;
mod compare;
mod number;
mod operate;
mod percent;
mod show;
mod spec;

use std::{cell::RefCell, rc::Rc};

use jiff::civil;
use serde_json::{Map, Number, Value};

pub(super) use self::{
    access::{attribute, item, method_of, slice},
    compare::{contains, equal, order},
    number::{float_of_text, int_of_text, power_of_ten, round_half_even, truncate},
    operate::{binary, negate},
    percent::percent,
    show::Shower,
    spec::Spec,
};
use super::{
    datetime::{Moment, Span},
    literal::Literal,
    program::Fault,
    run::{Function, Loop},
    scope::{Given, Scope, SliceView},
};

/// A text, lent or made.
#[derive(Clone, Debug)]
pub(super) enum Str<'a> {
    Lent(&'a str),
    Own(Rc<str>),
}

impl std::ops::Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Own(text) => text,
        }
    }
}

/// Why a value is undefined; said when it is used.
#[derive(Clone, Debug)]
pub(super) enum Absent<'a> {
    Name(&'a str),
    Attribute(&'static str, Str<'a>),
    /// An attribute a sandbox keeps shut.
    Shut(Str<'a>),
    Other(&'static str),
}

impl Absent<'_> {
    pub fn fault(&self) -> Fault {
        Fault::Undefined(match self {
            Self::Name(name) => format!("`{name}` is undefined"),
            Self::Attribute(kind, name) => {
                format!("a value of type {kind} has no attribute `{}`", &**name)
            }
            Self::Shut(name) => {
                return Fault::Failed(format!("the attribute `{}` may not be read", &**name));
            }
            Self::Other(what) => (*what).to_owned(),
        })
    }
}

pub(super) type Items<'a> = Rc<RefCell<Vec<Val<'a>>>>;
pub(super) type Pairs<'a> = Rc<RefCell<Dict<'a>>>;

#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Undefined(Absent<'a>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Str<'a>),
    /// Lists and objects lent by the scope.
    Array(&'a [Value]),
    Object(&'a Map<String, Value>),
    Slice(SliceView<'a>),
    Headers(&'a Map<String, Value>),
    List(Items<'a>),
    Tuple(Rc<[Val<'a>]>),
    Dict(Pairs<'a>),
    /// What can be run through once: a generator.
    Stream(Items<'a>),
    /// `keys()`, `values()`, `items()` of a dict, under the name they print with.
    View(&'static str, Rc<[Val<'a>]>),
    Moment(Moment),
    Date(civil::Date),
    Span(Rc<Span>),
    Function(Function<'a>),
    Namespace(Pairs<'a>),
    Loop(Rc<Loop<'a>>),
}

/// A dict of any keys that can be keys, in the order they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Dict<'a> {
    pub pairs: Vec<(Val<'a>, Val<'a>)>,
}

impl<'a> Dict<'a> {
    pub fn get(&self, key: &Val<'a>) -> Option<&Val<'a>> {
        self.pairs.iter().find(|(found, _)| equal(found, key)).map(|(_, value)| value)
    }

    pub fn insert(&mut self, key: Val<'a>, value: Val<'a>) {
        match self.pairs.iter_mut().find(|(found, _)| equal(found, &key)) {
            Some(pair) => pair.1 = value,
            None => self.pairs.push((key, value)),
        }
    }

    pub fn remove(&mut self, key: &Val<'a>) -> Option<Val<'a>> {
        let at = self.pairs.iter().position(|(found, _)| equal(found, key))?;
        Some(self.pairs.remove(at).1)
    }
}

impl<'a> Val<'a> {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Str(Str::Own(Rc::from(text.into())))
    }

    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(RefCell::new(items)))
    }

    pub fn stream(items: Vec<Self>) -> Self {
        Self::Stream(Rc::new(RefCell::new(items)))
    }

    pub fn tuple(items: Vec<Self>) -> Self {
        Self::Tuple(Rc::from(items))
    }

    pub fn dict(pairs: Vec<(Self, Self)>) -> Self {
        Self::Dict(Rc::new(RefCell::new(Dict { pairs })))
    }

    pub fn missing(kind: &'static str, name: Str<'a>) -> Self {
        Self::Undefined(Absent::Attribute(kind, name))
    }

    pub fn of_json(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::of_number(number),
            Value::String(text) => Self::Str(Str::Lent(text)),
            Value::Array(items) => Self::Array(items),
            Value::Object(fields) => Self::Object(fields),
        }
    }

    fn of_number(number: &Number) -> Self {
        match number.as_i128() {
            Some(int) => Self::Int(int),
            None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    /// The same from JSON that nobody lends.
    pub fn own_json(value: Value) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::of_number(&number),
            Value::String(text) => Self::text(text),
            Value::Array(items) => Self::list(items.into_iter().map(Self::own_json).collect()),
            Value::Object(fields) => {
                let pair = |(name, field)| (Self::text(name), Self::own_json(field));
                Self::dict(fields.into_iter().map(pair).collect())
            }
        }
    }

    /// What a scope gives under a name.
    pub fn of_given(given: Given<'a>, scope: &Scope<'a>) -> Self {
        match given {
            Given::Json(value) => Self::of_json(value),
            Given::Map(fields) => Self::Object(fields),
            Given::Slice => scope.slice().map_or(Self::None, Self::Slice),
            Given::Headers(fields) => Self::Headers(fields),
            Given::Int(int) => Self::Int(int.into()),
            Given::JsonLoads => Self::Function(Function::JsonLoads),
        }
    }

    /// The name of its type in Python.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Array(_) | Self::List(_) => "list",
            Self::Object(_) | Self::Dict(_) => "dict",
            Self::Slice(_) => "StreamSlice",
            Self::Headers(_) => "CaseInsensitiveDict",
            Self::Tuple(_) => "tuple",
            Self::Stream(_) => "generator",
            Self::View(name, _) => name,
            Self::Moment(_) => "datetime",
            Self::Date(_) => "date",
            Self::Span(span) if span.is_exact() => "timedelta",
            Self::Span(_) => "Duration",
            Self::Function(_) => "function",
            Self::Namespace(_) => "Namespace",
            Self::Loop(_) => "LoopContext",
        }
    }

    /// A fault unless it is defined.
    pub fn defined(&self) -> Result<(), Fault> {
        match self {
            Self::Undefined(absent) => Err(absent.fault()),
            _ => Ok(()),
        }
    }

    pub fn is_true(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(flag) => *flag,
            Self::Int(int) => *int != 0,
            Self::Float(float) => *float != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Array(items) => !items.is_empty(),
            Self::Object(fields) | Self::Headers(fields) => !fields.is_empty(),
            Self::Slice(slice) => {
                !(slice.partition.is_empty() && slice.cursor.is_empty() && slice.extra.is_empty())
            }
            Self::List(items) => !items.borrow().is_empty(),
            Self::Tuple(items) | Self::View(_, items) => !items.is_empty(),
            Self::Dict(dict) => !dict.borrow().pairs.is_empty(),
            Self::Span(span) => !span.is_exact() || span.micros() != 0,
            Self::Stream(_)
            | Self::Moment(_)
            | Self::Date(_)
            | Self::Function(_)
            | Self::Namespace(_)
            | Self::Loop(_) => true,
        }
    }

    /// As a text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// As a whole number; a boolean is one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Bool(flag) => Some((*flag).into()),
            _ => None,
        }
    }

    /// As a number of any kind.
    #[expect(clippy::cast_precision_loss, reason = "as Python's float() of an int")]
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(float) => Some(*float),
            other => other.as_int().map(|int| int as f64),
        }
    }

    /// How many items it has, as `len` counts; `None` if it has no length.
    pub fn length(&self) -> Option<usize> {
        Some(match self {
            Self::Undefined(_) => 0,
            Self::Str(text) => text.chars().count(),
            Self::Array(items) => items.len(),
            Self::Object(fields) | Self::Headers(fields) => fields.len(),
            Self::Slice(slice) => slice_keys(slice).count(),
            Self::List(items) => items.borrow().len(),
            Self::Tuple(items) | Self::View(_, items) => items.len(),
            Self::Dict(dict) => dict.borrow().pairs.len(),
            Self::Loop(state) => state.length,
            _ => return None,
        })
    }

    /// Its items, as a loop runs over them. A generator is used up by it.
    pub fn items(&self) -> Result<Vec<Self>, Fault> {
        Ok(match self {
            Self::Undefined(_) => Vec::new(),
            Self::Str(Str::Lent(text)) => {
                let piece = |(at, c): (usize, char)| &text[at..at + c.len_utf8()];
                text.char_indices().map(|found| Self::Str(Str::Lent(piece(found)))).collect()
            }
            Self::Str(text) => text.chars().map(Self::text).collect(),
            Self::Array(items) => items.iter().map(Self::of_json).collect(),
            Self::Object(fields) | Self::Headers(fields) => {
                fields.keys().map(|key| Self::Str(Str::Lent(key))).collect()
            }
            Self::Slice(slice) => slice_keys(slice).map(|key| Self::Str(Str::Lent(key))).collect(),
            Self::List(items) => items.borrow().clone(),
            Self::Stream(items) => std::mem::take(&mut *items.borrow_mut()),
            Self::Tuple(items) | Self::View(_, items) => items.to_vec(),
            Self::Dict(dict) => dict.borrow().pairs.iter().map(|(key, _)| key.clone()).collect(),
            other => {
                return Err(Fault::Type(format!("a value of type {} has no items", other.kind())));
            }
        })
    }

    /// Keys and values of a mapping; `None` if it is none.
    pub fn pairs(&self) -> Option<Vec<(Self, Self)>> {
        let lent = |(key, value): (&'a String, &'a Value)| {
            (Self::Str(Str::Lent(key)), Self::of_json(value))
        };
        Some(match self {
            Self::Object(fields) | Self::Headers(fields) => fields.iter().map(lent).collect(),
            Self::Slice(slice) => {
                slice_keys(slice).filter_map(|key| Some(lent((key, slice.get(key)?)))).collect()
            }
            Self::Dict(dict) => dict.borrow().pairs.clone(),
            _ => return None,
        })
    }

    /// Whether it can be a key of a dict, or the type at fault.
    pub fn as_key(&self) -> Result<(), Fault> {
        match self {
            Self::Array(_) | Self::Object(_) | Self::List(_) | Self::Dict(_) | Self::Headers(_) => {
                Err(Fault::Type(format!("a value of type {} cannot be a key", self.kind())))
            }
            Self::Tuple(items) => items.iter().try_for_each(Self::as_key),
            _ => Ok(()),
        }
    }

    /// The literal it prints as, where that is known without printing it.
    pub fn plain(&self) -> Option<Literal> {
        Some(match self {
            Self::None => Literal::None,
            Self::Bool(flag) => Literal::Bool(*flag),
            Self::Int(int) => Literal::Int(*int),
            Self::Float(float) if float.is_finite() => Literal::Float(*float),
            _ => return None,
        })
    }
}

/// The keys of a slice: the partition's, then those only the interval has.
pub(super) fn slice_keys<'a>(slice: &SliceView<'a>) -> impl Iterator<Item = &'a String> + use<'a> {
    let partition = slice.partition;
    let cursor = slice.cursor.keys().filter(move |key| !partition.contains_key(*key));
    partition.keys().chain(cursor)
}
