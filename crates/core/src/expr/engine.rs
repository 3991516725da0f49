//! The template engine, stripped to what a tenant may use and metered.

use std::sync::OnceLock;

use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters, tests,
    value::{Kwargs, Rest, ValueOrKwargs},
};

use super::{MAX_FUEL, meter};

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
    "sum" => sum,
    "title" => filters::title,
    "tojson" => tojson,
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
    "in" => is_in,
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
            meter::before(state, name, &args)?;
            let made = inner.call(state, &args)?;
            meter::value(state, &made)?;
            Ok(made)
        },
    );
}

/// `sum` without `start`: a text to start from would make it a slow way to join.
fn sum(
    state: &mut State,
    values: Value,
    attribute: Option<&str>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    filters::sum(state, values, attribute, None, kwargs_without(kwargs, "start")?)
}

/// `tojson` without `indent`: the width of an indent is a size chosen by the author.
fn tojson(value: &Value) -> Result<Value, Error> {
    filters::tojson(value, None, Kwargs::from_iter(std::iter::empty::<(&str, Value)>()))
}

fn kwargs_without(kwargs: Kwargs, name: &str) -> Result<Kwargs, Error> {
    if kwargs.has(name) {
        let detail = format!("the argument `{name}` is not available");
        return Err(Error::new(ErrorKind::TooManyArguments, detail));
    }
    Ok(kwargs)
}

/// `in` as a test, for `select('in', list)`: it runs once per item, so it pays each time.
fn is_in(state: &mut State, value: &Value, container: &Value) -> Result<bool, Error> {
    meter::value(state, container)?;
    tests::is_in(state, value, container)
}
