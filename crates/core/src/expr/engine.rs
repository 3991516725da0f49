//! The template engine, stripped to what a tenant may use and metered.

use std::sync::OnceLock;

use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters, tests,
    value::{Rest, ValueKind, ValueOrKwargs},
};

use super::{MAX_FUEL, MAX_RESULT_BYTES, MAX_WORK_BYTES};

macro_rules! filters {
    ($($name:literal => $function:path,)*) => {
        /// Every filter an expression may use.
        pub const FILTERS: &[&str] = &[$($name,)*];

        fn add_filters(environment: &mut Environment<'static>) {
            $(add_filter(environment, $name, Value::from_function($function));)*
        }
    };
}

// Left out on purpose: what exists only for HTML output (`safe`, `escape`, `indent`), and what
// makes much from little (`format`, `batch`, `slice`, `pprint`, `zip`, `chain`).
filters! {
    "abs" => filters::abs,
    "attr" => filters::attr,
    "bool" => filters::bool,
    "capitalize" => filters::capitalize,
    "count" => filters::length,
    "d" => filters::default,
    "default" => filters::default,
    "dictsort" => filters::dictsort,
    "first" => filters::first,
    "float" => filters::float,
    "groupby" => filters::groupby,
    "int" => filters::int,
    "items" => filters::items,
    "join" => filters::join,
    "last" => filters::last,
    "length" => filters::length,
    "lines" => filters::lines,
    "list" => filters::list,
    "lower" => filters::lower,
    "map" => filters::map,
    "max" => filters::max,
    "min" => filters::min,
    "reject" => filters::reject,
    "rejectattr" => filters::rejectattr,
    "replace" => filters::replace,
    "reverse" => filters::reverse,
    "round" => filters::round,
    "select" => filters::select,
    "selectattr" => filters::selectattr,
    "sort" => filters::sort,
    "split" => filters::split,
    "string" => filters::string,
    "sum" => filters::sum,
    "title" => filters::title,
    "tojson" => filters::tojson,
    "trim" => filters::trim,
    "unique" => filters::unique,
    "upper" => filters::upper,
    "urlencode" => filters::urlencode,
}

macro_rules! tests {
    ($($name:literal => $function:path,)*) => {
        /// Every test an expression may use after `is`.
        pub(super) const TESTS: &[&str] = &[$($name,)*];

        fn add_tests(environment: &mut Environment<'static>) {
            $(environment.add_test($name, $function);)*
        }
    };
}

// `divisibleby` is left out: it panics on zero. `x % 3 == 0` says the same.
tests! {
    "boolean" => tests::is_boolean,
    "defined" => tests::is_defined,
    "endingwith" => tests::is_endingwith,
    "eq" => tests::is_eq,
    "equalto" => tests::is_eq,
    "even" => tests::is_even,
    "false" => tests::is_false,
    "float" => tests::is_float,
    "ge" => tests::is_ge,
    "gt" => tests::is_gt,
    "in" => metered_in,
    "integer" => tests::is_integer,
    "iterable" => tests::is_iterable,
    "le" => tests::is_le,
    "lower" => tests::is_lower,
    "lt" => tests::is_lt,
    "mapping" => tests::is_mapping,
    "ne" => tests::is_ne,
    "none" => tests::is_none,
    "number" => tests::is_number,
    "odd" => tests::is_odd,
    "sequence" => tests::is_sequence,
    "startingwith" => tests::is_startingwith,
    "string" => tests::is_string,
    "true" => tests::is_true,
    "undefined" => tests::is_undefined,
    "upper" => tests::is_upper,
}

/// The one environment all expressions share: immutable, without globals, templates or debug
/// snapshots of the scope.
pub(super) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(MAX_FUEL));
        environment.set_debug(false);
        add_filters(&mut environment);
        add_tests(&mut environment);
        environment
    })
}

/// Registers a filter that pays for what it reads and for what it makes.
fn add_filter(environment: &mut Environment<'static>, name: &'static str, inner: Value) {
    environment.add_filter(
        name,
        move |state: &mut State, value: Value, rest: Rest<ValueOrKwargs>| {
            let mut args = vec![value];
            args.extend(rest.into_values());
            for arg in &args {
                spend_value(state, arg)?;
            }
            if let Some(bytes) = growth(name, &args) {
                spend(state, bytes)?;
                if bytes > MAX_RESULT_BYTES {
                    return Err(too_much());
                }
            }
            let made = inner.call(state, &args)?;
            spend_value(state, &made)?;
            Ok(made)
        },
    );
}

fn metered_in(state: &mut State, value: &Value, container: &Value) -> Result<bool, Error> {
    spend_value(state, container)?;
    tests::is_in(state, value, container)
}

/// What the two filters that can multiply their input will make, in bytes, before they make it.
fn growth(name: &str, args: &[Value]) -> Option<usize> {
    let text = |index: usize| args.get(index).and_then(Value::as_str);
    match name {
        "replace" => {
            let (value, from, to) = (text(0)?, text(1)?, text(2)?);
            Some(value.matches(from).count().saturating_mul(to.len()))
        }
        "join" => {
            let items = match text(0) {
                Some(value) => value.chars().count(),
                None => args.first()?.len()?,
            };
            // The joiner may come by position or as `d=`; the largest string argument covers both.
            let joiner = args.iter().skip(1).map(longest_text).max().unwrap_or(0);
            Some(items.saturating_mul(joiner))
        }
        _ => None,
    }
}

fn longest_text(value: &Value) -> usize {
    if let Some(text) = value.as_str() {
        return text.len();
    }
    let Ok(keys) = value.try_iter() else { return 0 };
    keys.filter_map(|key| value.get_item(&key).ok())
        .filter_map(|item| item.as_str().map(str::len))
        .max()
        .unwrap_or(0)
}

/// Bytes this evaluation's filters may still touch.
struct Work(usize);

fn spend(state: &mut State, bytes: usize) -> Result<(), Error> {
    let work = state.get_or_insert_extension_with(|| Work(MAX_WORK_BYTES));
    work.0 = work.0.checked_sub(bytes).ok_or_else(too_much)?;
    Ok(())
}

fn spend_value(state: &mut State, value: &Value) -> Result<(), Error> {
    spend(state, 1)?;
    match value.kind() {
        ValueKind::String => spend(state, value.as_str().map_or(0, str::len)),
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                spend_value(state, &item)?;
            }
            Ok(())
        }
        ValueKind::Map => {
            for key in value.try_iter()? {
                spend_value(state, &key)?;
                spend_value(state, &value.get_item(&key)?)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn too_much() -> Error {
    Error::new(ErrorKind::InvalidOperation, "the filters make or read too much data")
}
