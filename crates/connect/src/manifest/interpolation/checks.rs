//! Tests: what stands after `is`.

use std::cmp::Ordering;

use super::{
    program::Fault,
    run::{Arguments, Interp},
    values::{self, Val},
};

macro_rules! checks {
    ($($name:ident = $($text:literal)|+,)*) => {
        /// A test Jinja has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Check { $($name,)* }

        impl Check {
            /// The test of this name.
            pub fn of(name: &str) -> Option<Self> {
                match name { $($($text)|+ => Some(Self::$name),)* _ => None }
            }
        }
    };
}

checks! {
    Boolean = "boolean",
    Callable = "callable",
    Defined = "defined",
    DivisibleBy = "divisibleby",
    Eq = "eq" | "equalto" | "==",
    Escaped = "escaped",
    Even = "even",
    False = "false",
    Filter = "filter",
    Float = "float",
    Ge = "ge" | ">=",
    Gt = "gt" | "greaterthan" | ">",
    In = "in",
    Integer = "integer",
    Iterable = "iterable",
    Le = "le" | "<=",
    Lower = "lower",
    Lt = "lt" | "lessthan" | "<",
    Mapping = "mapping",
    Ne = "ne" | "!=",
    None = "none",
    Number = "number",
    Odd = "odd",
    SameAs = "sameas",
    Sequence = "sequence",
    String = "string",
    Test = "test",
    True = "true",
    Undefined = "undefined",
    Upper = "upper",
}

impl<'a> Interp<'a> {
    /// Whether a value passes a test.
    pub(super) fn check(
        &self,
        check: Check,
        value: &Val<'a>,
        args: Arguments<'a>,
    ) -> Result<bool, Fault> {
        use Check::{DivisibleBy, Eq, Filter, Ge, Gt, In, Le, Lt, Ne, SameAs, Test};
        match check {
            Eq | Ne | Ge | Gt | Le | Lt | In | SameAs | DivisibleBy => {
                let [other] = args.exactly(["other"])?;
                self.spend_on(&other)?;
                compare(check, value, &other)
            }
            Filter | Test => {
                args.none()?;
                let Some(name) = value.as_str() else { return Ok(false) };
                Ok(match check {
                    Filter => super::filters::Filter::of(name).is_some(),
                    _ => Check::of(name).is_some(),
                })
            }
            _ => {
                args.none()?;
                alone(check, value)
            }
        }
    }
}

fn compare<'a>(check: Check, value: &Val<'a>, other: &Val<'a>) -> Result<bool, Fault> {
    let order = || values::order(value, other);
    Ok(match check {
        Check::Ne => !values::equal(value, other),
        Check::Ge => matches!(order()?, Some(Ordering::Greater | Ordering::Equal)),
        Check::Gt => order()? == Some(Ordering::Greater),
        Check::Le => matches!(order()?, Some(Ordering::Less | Ordering::Equal)),
        Check::Lt => order()? == Some(Ordering::Less),
        Check::In => values::contains(other, value)?,
        Check::SameAs => same(value, other),
        Check::DivisibleBy => {
            let rest = values::binary(super::syntax::tree::Op::Mod, value, other)?;
            values::equal(&rest, &Val::Int(0))
        }
        _ => values::equal(value, other),
    })
}

/// `is` of Python, as far as values have an identity here.
fn same(value: &Val<'_>, other: &Val<'_>) -> bool {
    value.kind() == other.kind()
        && matches!(value, Val::None | Val::Bool(_) | Val::Int(_) | Val::Str(_))
        && values::equal(value, other)
}

fn alone(check: Check, value: &Val<'_>) -> Result<bool, Fault> {
    let cased = |upper: bool| {
        let text = value.as_str().unwrap_or("");
        let wrong = |c: char| if upper { c.is_lowercase() } else { c.is_uppercase() };
        let right = |c: char| if upper { c.is_uppercase() } else { c.is_lowercase() };
        text.contains(right) && !text.contains(wrong)
    };
    let parity = |wanted: i128| {
        value.defined()?;
        let rest = values::binary(super::syntax::tree::Op::Mod, value, &Val::Int(2))?;
        Ok(values::equal(&rest, &Val::Int(wanted)))
    };
    Ok(match check {
        Check::Boolean => matches!(value, Val::Bool(_)),
        Check::Callable => matches!(value, Val::Function(_)),
        Check::Defined => !matches!(value, Val::Undefined(_)),
        Check::Undefined => matches!(value, Val::Undefined(_)),
        Check::Even => return parity(0),
        Check::Odd => return parity(1),
        Check::False => matches!(value, Val::Bool(false)),
        Check::True => matches!(value, Val::Bool(true)),
        Check::Float => matches!(value, Val::Float(_)),
        Check::Integer => matches!(value, Val::Int(_)),
        Check::Number => value.as_float().is_some(),
        Check::None => matches!(value, Val::None),
        Check::String => matches!(value, Val::Str(_)),
        Check::Lower => cased(false),
        Check::Upper => cased(true),
        Check::Mapping => value.pairs().is_some(),
        Check::Iterable => {
            value.length().is_some() || matches!(value, Val::Stream(_) | Val::Loop(_))
        }
        // Anything with a length whose items can be asked for by number or key.
        Check::Sequence => value.length().is_some() && !matches!(value, Val::View(..)),
        _ => false,
    })
}
