//! A macro that converts between the variants of an enum and their names in documents and APIs.

/// Implements the conversions between an enum and the names of its variants, and an error for an
/// unknown name. In the error's message, `$label` fills the gap in "… is not ___; write one of …".
macro_rules! named_enum {
    ($Enum:ident, $Unknown:ident, $label:literal, $first:ident $(, $other:ident)* $(,)?) => {
        impl $Enum {
            /// All variants of the enum, in the order of their declaration.
            pub const ALL: &'static [Self] = &[Self::$first $(, Self::$other)*];

            /// Returns the name of the variant in documents and APIs. No later version of this
            /// crate changes the name of a variant.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::$first => stringify!($first),
                    $(Self::$other => stringify!($other),)*
                }
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $Enum {
            type Err = $Unknown;

            /// Parses the name of a variant, and distinguishes upper-case and lower-case letters.
            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let mut values = Self::ALL.iter().copied();
                values.find(|value| value.as_str() == name).ok_or($Unknown)
            }
        }

        impl From<$Enum> for &'static str {
            fn from(value: $Enum) -> Self {
                value.as_str()
            }
        }

        impl TryFrom<std::borrow::Cow<'_, str>> for $Enum {
            type Error = $Unknown;

            fn try_from(name: std::borrow::Cow<'_, str>) -> Result<Self, Self::Error> {
                name.parse()
            }
        }

        #[doc = concat!("The text is not the name of a value of [`", stringify!($Enum), "`].")]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $Unknown;

        impl std::fmt::Display for $Unknown {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(
                    "is not ", $label, "; write one of ",
                    stringify!($first) $(, ", ", stringify!($other))*
                ))
            }
        }

        impl std::error::Error for $Unknown {}
    };
}

pub(super) use named_enum;

#[cfg(test)]
mod tests {
    use crate::{DiagLevel, EndpointKind, UnknownDiagLevel, UnknownEndpointKind};

    #[test]
    fn every_name_is_parsed_to_its_value_and_no_other_text_is() {
        for &level in DiagLevel::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(format!("{level:?}"), level.as_str());
        }
        for &kind in EndpointKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(format!("{kind:?}"), kind.as_str());
        }
        for name in ["", "shape", "Shape ", "SEARCH"] {
            assert_eq!(name.parse::<DiagLevel>(), Err(UnknownDiagLevel));
            assert_eq!(name.parse::<EndpointKind>(), Err(UnknownEndpointKind));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        assert_eq!(
            UnknownDiagLevel.to_string(),
            "is not a level; write one of Off, Shape, ShapeTiming, ShapeRewriteDiff"
        );
        assert_eq!(
            UnknownEndpointKind.to_string(),
            "is not an endpoint kind; write one of IngestDoc, IngestBulk, Search, MultiSearch, \
             Count, GetById, MultiGet, DeleteById, DeleteByQuery, Cursor, Admin, Unknown"
        );
    }
}
