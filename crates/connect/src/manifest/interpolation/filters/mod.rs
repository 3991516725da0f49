//! Filters: the reference's own, and those of Jinja.

mod lists;
mod numbers;
mod own;
mod select;
mod texts;

use super::{
    run::{Arguments, Done, Interp},
    values::Val,
};

macro_rules! filters {
    ($($name:ident = $($text:literal)|+,)*) => {
        /// A filter there is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Filter { $($name,)* }

        impl Filter {
            /// The filter of this name.
            pub fn of(name: &str) -> Option<Self> {
                match name { $($($text)|+ => Some(Self::$name),)* _ => None }
            }
        }
    };
}

filters! {
    Abs = "abs",
    Attr = "attr",
    Base64Binascii = "base64binascii_decode",
    Base64Decode = "base64decode",
    Base64Encode = "base64encode",
    Batch = "batch",
    Capitalize = "capitalize",
    Center = "center",
    Default = "default" | "d",
    DictSort = "dictsort",
    Escape = "e" | "escape" | "forceescape",
    FileSize = "filesizeformat",
    First = "first",
    Float = "float",
    Format = "format",
    GroupBy = "groupby",
    Hash = "hash",
    Hmac = "hmac",
    Indent = "indent",
    Int = "int",
    Items = "items",
    Join = "join",
    Last = "last",
    Length = "length" | "count",
    List = "list",
    Lower = "lower",
    Map = "map",
    Max = "max",
    Min = "min",
    Random = "random",
    RegexReplace = "regex_replace",
    RegexSearch = "regex_search",
    Reject = "reject",
    RejectAttr = "rejectattr",
    Replace = "replace",
    Reverse = "reverse",
    Round = "round",
    Safe = "safe",
    Select = "select",
    SelectAttr = "selectattr",
    Slice = "slice",
    Sort = "sort",
    String = "string",
    Sum = "sum",
    Title = "title",
    ToJson = "tojson",
    Trim = "trim",
    Truncate = "truncate",
    Unique = "unique",
    Upper = "upper",
    UrlEncode = "urlencode",
    WordCount = "wordcount",
}

impl<'a> Interp<'a> {
    /// Applies a filter.
    pub(super) fn filter(&self, filter: Filter, value: Val<'a>, args: Arguments<'a>) -> Done<'a> {
        self.spend_on(&value)?;
        match filter {
            Filter::Abs | Filter::FileSize | Filter::Float | Filter::Int | Filter::Round => {
                numbers::apply(filter, &value, args)
            }
            Filter::Base64Binascii
            | Filter::Base64Decode
            | Filter::Base64Encode
            | Filter::Hash
            | Filter::Hmac
            | Filter::RegexReplace
            | Filter::RegexSearch
            | Filter::String => own::apply(filter, &value, args),
            Filter::Capitalize
            | Filter::Center
            | Filter::Escape
            | Filter::Format
            | Filter::Indent
            | Filter::Lower
            | Filter::Replace
            | Filter::Safe
            | Filter::Title
            | Filter::ToJson
            | Filter::Trim
            | Filter::Truncate
            | Filter::Upper
            | Filter::UrlEncode
            | Filter::WordCount => texts::apply(filter, value, args),
            Filter::Map
            | Filter::Select
            | Filter::Reject
            | Filter::SelectAttr
            | Filter::RejectAttr => self.select(filter, &value, args),
            _ => self.list_filter(filter, value, args),
        }
    }
}
