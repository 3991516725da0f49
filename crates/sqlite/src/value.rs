//! Values as they come out of a row.

use std::{borrow::Cow, fmt};

use rusqlite::types::Value as Raw;

use crate::{Sqlite, types::TypeInfo};

/// A value of its own.
#[derive(Clone, Debug)]
pub struct Value(pub(crate) Raw);

/// A value in a row.
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'r>(pub(crate) &'r Raw);

fn type_of(value: &Raw) -> Cow<'static, TypeInfo> {
    Cow::Owned(match value {
        Raw::Null => TypeInfo::Null,
        Raw::Integer(_) => TypeInfo::Integer,
        Raw::Real(_) => TypeInfo::Real,
        Raw::Text(_) => TypeInfo::Text,
        Raw::Blob(_) => TypeInfo::Blob,
    })
}

impl sqlx_core::value::Value for Value {
    type Database = Sqlite;

    fn as_ref(&self) -> ValueRef<'_> {
        ValueRef(&self.0)
    }

    fn type_info(&self) -> Cow<'_, TypeInfo> {
        type_of(&self.0)
    }

    fn is_null(&self) -> bool {
        matches!(self.0, Raw::Null)
    }
}

impl<'r> sqlx_core::value::ValueRef<'r> for ValueRef<'r> {
    type Database = Sqlite;

    fn to_owned(&self) -> Value {
        Value(self.0.clone())
    }

    fn type_info(&self) -> Cow<'_, TypeInfo> {
        type_of(self.0)
    }

    fn is_null(&self) -> bool {
        matches!(self.0, Raw::Null)
    }
}

/// Numbers as they are written, bytes as text; nothing for no value.
impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Raw::Null => Ok(()),
            Raw::Integer(number) => number.fmt(f),
            Raw::Real(number) => number.fmt(f),
            Raw::Text(text) => f.write_str(text),
            Raw::Blob(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
        }
    }
}
