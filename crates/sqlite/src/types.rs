//! Which Rust types a value of SQLite can be, and back.

use std::fmt;

use rusqlite::types::Value as Raw;
use sqlx_core::{
    decode::Decode,
    encode::{Encode, IsNull},
    error::{BoxDynError, UnexpectedNullError},
    types::Type,
};

use crate::{Sqlite, value::ValueRef};

/// The type of a value; columns of SQLite have none that binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeInfo {
    /// No value.
    Null,
    /// A whole number, or a truth value.
    Integer,
    /// A floating-point number.
    Real,
    /// Text.
    Text,
    /// Bytes.
    Blob,
}

impl fmt::Display for TypeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(sqlx_core::type_info::TypeInfo::name(self))
    }
}

impl sqlx_core::type_info::TypeInfo for TypeInfo {
    fn is_null(&self) -> bool {
        *self == Self::Null
    }

    fn name(&self) -> &str {
        match self {
            Self::Null => "NULL",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
        }
    }
}

fn other(found: &Raw) -> BoxDynError {
    match found {
        Raw::Null => UnexpectedNullError.into(),
        other => format!("a value of another type: {:?}", other.data_type()).into(),
    }
}

/// Declares a Rust type: its name here, how it is written and how it is read.
macro_rules! types {
    ($($rust:ty = $info:ident, $this:ident => $write:expr, $($read:pat => $value:expr),+;)*) => {$(
        impl Type<Sqlite> for $rust {
            fn type_info() -> TypeInfo {
                TypeInfo::$info
            }
        }

        impl Encode<'_, Sqlite> for $rust {
            fn encode_by_ref(&self, buffer: &mut Vec<Raw>) -> Result<IsNull, BoxDynError> {
                let $this = self;
                buffer.push($write);
                Ok(IsNull::No)
            }
        }

        impl<'r> Decode<'r, Sqlite> for $rust {
            fn decode(value: ValueRef<'r>) -> Result<Self, BoxDynError> {
                match value.0 {
                    $($read => Ok($value),)+
                    found => Err(other(found)),
                }
            }
        }
    )*};
}

types! {
    i64 = Integer, this => Raw::Integer(*this), Raw::Integer(number) => *number;
    bool = Integer, this => Raw::Integer(i64::from(*this)), Raw::Integer(number) => *number != 0;
    f64 = Real, this => Raw::Real(*this), Raw::Real(number) => *number;
    String = Text, this => Raw::Text(this.clone()), Raw::Text(text) => text.clone();
    Vec<u8> = Blob, this => Raw::Blob(this.clone()), Raw::Blob(bytes) => bytes.clone();
}

impl Type<Sqlite> for str {
    fn type_info() -> TypeInfo {
        TypeInfo::Text
    }
}

impl<'q> Encode<'q, Sqlite> for &'q str {
    fn encode_by_ref(&self, buffer: &mut Vec<Raw>) -> Result<IsNull, BoxDynError> {
        buffer.push(Raw::Text((*self).to_owned()));
        Ok(IsNull::No)
    }
}

impl Type<Sqlite> for [u8] {
    fn type_info() -> TypeInfo {
        TypeInfo::Blob
    }
}

impl<'q> Encode<'q, Sqlite> for &'q [u8] {
    fn encode_by_ref(&self, buffer: &mut Vec<Raw>) -> Result<IsNull, BoxDynError> {
        buffer.push(Raw::Blob(self.to_vec()));
        Ok(IsNull::No)
    }
}
