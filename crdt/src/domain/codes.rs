//! Coded enums: lists of words with stable codes, and a place for the codes of newer versions.

/// A word that is none of an enum's keys or names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{text}” is no {kind}; write one of: {known}")]
pub struct UnknownName {
    kind: &'static str,
    text: String,
    known: String,
}

impl UnknownName {
    pub(crate) fn new(kind: &'static str, text: &str, known: &[&str]) -> Self {
        // A wrong file can hold megabytes in one cell: quote only its beginning.
        Self { kind, text: text.chars().take(40).collect(), known: known.join(", ") }
    }
}

/// The form in which JSON shows a code that this version does not know, such as `unknown_17`.
pub(crate) fn unknown_key(code: u16) -> String {
    format!("unknown_{code}")
}

/// The code in [`unknown_key`]'s form.
pub(crate) fn parse_unknown_key(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("unknown_")?;
    let code = digits.parse().ok()?;
    (unknown_key(code) == text).then_some(code)
}

/// Defines an enum with a stable integer code, key, Chinese and English name for each variant, and `Unknown(code)`.
///
/// `coded! { /// doc  pub enum Light: "traffic light" { /// doc  Red = 1, "red", "红灯", "red light"; } }`
macro_rules! coded {
    (
        $(#[$doc:meta])*
        pub enum $name:ident : $label:literal {
            $( $(#[$variant_doc:meta])* $variant:ident = $code:literal, $key:literal, $zh:literal, $en:literal; )+
        }
    ) => {
        $(#[$doc])*
        ///
        /// | code | key | Chinese | English |
        /// |---|---|---|---|
        $( #[doc = concat!("| ", stringify!($code), " | `", $key, "` | ", $zh, " | ", $en, " |")] )+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant, )+
            /// A code that a newer version wrote; kept as it is. Made by [`Self::from_code`] only.
            Unknown(u16),
        }

        impl $name {
            /// Every variant that this version knows, by code.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),+];

            const KEYS: &'static [&'static str] = &[$( $key ),+];

            /// The stable code that is stored.
            pub const fn code(self) -> u16 {
                match self {
                    $( Self::$variant => $code, )+
                    Self::Unknown(code) => code,
                }
            }

            /// The variant of a stored code.
            pub const fn from_code(code: u16) -> Self {
                match code {
                    $( $code => Self::$variant, )+
                    _ => Self::Unknown(code),
                }
            }

            /// The stable English key, as in JSON; `unknown` for a code of a newer version.
            pub const fn key(self) -> &'static str {
                match self {
                    $( Self::$variant => $key, )+
                    Self::Unknown(_) => "unknown",
                }
            }

            /// The name in Simplified Chinese, for people.
            pub const fn chinese(self) -> &'static str {
                match self {
                    $( Self::$variant => $zh, )+
                    Self::Unknown(_) => "未知",
                }
            }

            /// The name in English, for people.
            pub const fn english(self) -> &'static str {
                match self {
                    $( Self::$variant => $en, )+
                    Self::Unknown(_) => "unknown",
                }
            }
        }

        impl std::fmt::Display for $name {
            /// The key as in JSON: `unknown_17` for code 17 of a newer version.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Unknown(code) => f.write_str(&$crate::domain::codes::unknown_key(*code)),
                    $( Self::$variant )|+ => f.write_str(self.key()),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::codes::UnknownName;

            /// Reads a key or a Chinese or English name.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let text = text.trim();
                let named = |one: &&Self| text == one.key() || text == one.chinese() || text == one.english();
                if let Some(known) = Self::ALL.iter().find(named) {
                    return Ok(*known);
                }
                $crate::domain::codes::parse_unknown_key(text)
                    .map(Self::from_code)
                    .ok_or_else(|| $crate::domain::codes::UnknownName::new($label, text, Self::KEYS))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        $crate::openapi::described!(
            $name => $crate::openapi::forms::words(Self::KEYS, &[$( [$key, $zh, $en] ),+], $label)
        );

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.u16(self.code())?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.u16().map(Self::from_code)
            }
        }

        impl $crate::domain::record::Scalar for $name {
            fn to_value(&self) -> $crate::value::Value {
                $crate::value::Value::Int(self.code().into())
            }

            fn from_value(value: &$crate::value::Value) -> Option<Self> {
                value.as_int()?.try_into().ok().map(Self::from_code)
            }
        }
    };
}
pub(crate) use coded;

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro defines public types")]
mod tests {
    use crate::domain::record::Scalar;

    coded! {
        /// For the tests.
        pub enum Light: "traffic light" {
            /// Stop.
            Red = 1, "red", "红灯", "red light";
            /// Go.
            Green = 3, "green", "绿灯", "green light";
        }
    }

    #[test]
    fn a_word_is_read_by_key_and_by_either_name() {
        for text in ["green", " 绿灯 ", "green light"] {
            assert_eq!(text.parse(), Ok(Light::Green));
        }
        let error = "blue".parse::<Light>().unwrap_err();
        assert_eq!(error.to_string(), "“blue” is no traffic light; write one of: red, green");
    }

    #[test]
    fn the_code_of_a_newer_version_survives_every_form() {
        let newer = Light::from_code(2);
        assert_eq!(newer, Light::Unknown(2));
        assert_eq!(serde_json::to_string(&newer).unwrap(), "\"unknown_2\"");
        assert_eq!(serde_json::from_str::<Light>("\"unknown_2\"").unwrap(), newer);
        assert_eq!(minicbor::decode::<Light>(&minicbor::to_vec(newer).unwrap()).unwrap(), newer);
        assert_eq!(Light::from_value(&newer.to_value()), Some(newer));
    }

    #[test]
    fn a_known_code_has_one_form_only() {
        assert_eq!("unknown_3".parse(), Ok(Light::Green));
        for wrong in ["unknown_", "unknown_03", "unknown_+3", "unknown_65536"] {
            assert!(wrong.parse::<Light>().is_err(), "{wrong} must be refused");
        }
    }
}
