//! What an editor can say of filters and tests.

/// How a filter or test is written, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// How it is written behind a value.
    pub signature: &'static str,
    /// What it gives.
    pub says: &'static str,
}

macro_rules! manual {
    ($($name:literal $signature:literal $says:literal;)*) => {
        &[$(Entry { name: $name, signature: $signature, says: $says },)*]
    };
}

/// Every filter.
pub const FILTERS: &[Entry] = manual! {
    "abs" "abs" "the number without its sign";
    "attr" "attr(name)" "the member of this name";
    "bool" "bool" "whether the value is true";
    "capitalize" "capitalize" "the first letter large, the others small";
    "count" "count" "how many items or characters there are";
    "d" "d(other, boolean=false)" "short for `default`";
    "default" "default(other, boolean=false)" "the other value where there is none";
    "dictsort" "dictsort(by='key', reverse=false)" "pairs of name and value in order";
    "first" "first" "the first item";
    "float" "float(default=0.0)" "the value as a number";
    "groupby" "groupby(attribute)" "items in groups that share a member";
    "int" "int(default=0)" "the value as a whole number";
    "items" "items" "pairs of name and value";
    "join" "join(separator='')" "the items as one text";
    "last" "last" "the last item";
    "length" "length" "how many items or characters there are";
    "lines" "lines" "the lines of a text";
    "list" "list" "the items, or characters, as a list";
    "lower" "lower" "the text in small letters";
    "map" "map(attribute='name') or map('filter')" "a member of each item, or a filter on each";
    "max" "max" "the largest item";
    "min" "min" "the smallest item";
    "reject" "reject('test', ...)" "the items that do not meet a test";
    "rejectattr" "rejectattr('name', 'test', ...)" "the items whose member does not meet a test";
    "replace" "replace(old, new)" "the text with one part in place of another";
    "reverse" "reverse" "the other way round";
    "round" "round(digits=0)" "the number with so many digits";
    "select" "select('test', ...)" "the items that meet a test";
    "selectattr" "selectattr('name', 'test', ...)" "the items whose member meets a test";
    "sort" "sort(reverse=false, attribute='name')" "the items in order";
    "split" "split(separator=none)" "the parts of a text";
    "string" "string" "the value as a text";
    "sum" "sum(attribute='name')" "the sum of the items, or of a member of each";
    "title" "title" "the first letter of each word large";
    "tojson" "tojson" "the value as JSON";
    "trim" "trim(characters=none)" "the text without blanks at both ends";
    "unique" "unique(attribute='name')" "each item once";
    "upper" "upper" "the text in large letters";
    "urlencode" "urlencode" "the text for use in an address";
};

/// Every test, written behind `is`.
pub const TESTS: &[Entry] = manual! {
    "boolean" "is boolean" "it is true or false";
    "defined" "is defined" "it is there";
    "endingwith" "is endingwith(end)" "the text ends so";
    "eq" "is eq(other)" "they are equal";
    "equalto" "is equalto(other)" "they are equal";
    "even" "is even" "the number is even";
    "false" "is false" "it is false";
    "float" "is float" "it is a number with a fraction";
    "ge" "is ge(other)" "it is as large or larger";
    "gt" "is gt(other)" "it is larger";
    "in" "is in(list)" "it is one of them";
    "integer" "is integer" "it is a whole number";
    "iterable" "is iterable" "it has items";
    "le" "is le(other)" "it is as large or smaller";
    "lower" "is lower" "the text has small letters only";
    "lt" "is lt(other)" "it is smaller";
    "mapping" "is mapping" "it is an object";
    "ne" "is ne(other)" "they differ";
    "none" "is none" "it is null";
    "number" "is number" "it is a number";
    "odd" "is odd" "the number is odd";
    "sequence" "is sequence" "it is a list";
    "startingwith" "is startingwith(start)" "the text begins so";
    "string" "is string" "it is a text";
    "true" "is true" "it is true";
    "undefined" "is undefined" "it is not there";
    "upper" "is upper" "the text has large letters only";
};

/// Every operator and word.
pub const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or", "not",
    "in", "is", "if", "else", "|",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::engine;

    #[test]
    fn the_manual_is_whole() {
        let names = |entries: &[Entry]| entries.iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names(FILTERS), engine::FILTERS);
        assert_eq!(names(TESTS), engine::TESTS);
        for entry in FILTERS {
            assert!(entry.signature.starts_with(entry.name), "{}", entry.name);
        }
    }
}
