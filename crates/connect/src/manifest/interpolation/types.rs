//! Which types an interpolated value may take on.

use serde_json::Value;

use super::literal::Literal;

/// A set of Python types. A text whose literal is of none of them stays the text it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    /// Whatever the text says.
    pub const ANY: Self = Self(0);
    /// `str`
    pub const STR: Self = Self(1);
    /// `int`; a `bool` is one, too
    pub const INT: Self = Self(2);
    /// `float`
    pub const FLOAT: Self = Self(4);
    /// `bool`
    pub const BOOL: Self = Self(8);
    /// `list`
    pub const LIST: Self = Self(16);
    /// `dict`
    pub const DICT: Self = Self(32);
    /// `tuple`
    pub const TUPLE: Self = Self(64);

    /// One more type.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a value of this type is kept.
    pub(super) fn admit(self, literal: &Literal) -> bool {
        let of = match literal {
            Literal::None => Self(0),
            Literal::Bool(_) => Self::BOOL.or(Self::INT),
            Literal::Int(_) => Self::INT,
            Literal::Float(_) => Self::FLOAT,
            Literal::Str(_) => Self::STR,
            Literal::List(_) => Self::LIST,
            Literal::Tuple(_) => Self::TUPLE,
            Literal::Dict(_) => Self::DICT,
        };
        self.admits(of)
    }

    /// The same of a value that is JSON.
    pub(super) fn admit_json(self, value: &Value) -> bool {
        self.admits(match value {
            Value::Null => Self(0),
            Value::Bool(_) => Self::BOOL.or(Self::INT),
            Value::Number(number) if number.is_f64() => Self::FLOAT,
            Value::Number(_) => Self::INT,
            Value::String(_) => Self::STR,
            Value::Array(_) => Self::LIST,
            Value::Object(_) => Self::DICT,
        })
    }

    fn admits(self, of: Self) -> bool {
        self.0 == 0 || self.0 & of.0 != 0
    }
}
