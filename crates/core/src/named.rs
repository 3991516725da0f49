//! Closed lists of names: an enum whose members are known outside by one stable text.

/// Declares an enum with one list of `Member = "name"`; text, parsing and serde all follow it.
///
/// Parsing is exact. An unknown name is an [`Invalid`](crate::Code::Invalid) error that lists the
/// names which would have been right.
macro_rules! named {
    ($(#[$meta:meta])* pub enum $type:ident as $label:literal {
        $($(#[$doc:meta])* $member:ident = $name:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$doc])* $member,)+ }

        impl $type {
            /// All members, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$member,)+];

            /// The stable text, as rows, requests and responses carry it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$member => $name,)+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::Error;

            fn from_str(text: &str) -> $crate::Result<Self> {
                match text {
                    $($name => Ok(Self::$member),)+
                    _ => Err($crate::Error::invalid(
                        $label,
                        format!("must be one of: {}.", [$($name,)+].join(", ")),
                    )),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str>>::deserialize(from)?;
                text.parse().map_err(|error: $crate::Error| serde::de::Error::custom(error.detail))
            }
        }
    };
}

pub(crate) use named;
