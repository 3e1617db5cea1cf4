//! Why bytes are no message of this version.

use core::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $name:literal $text:literal,)*) => {
        /// Why bytes are refused before anything in them is believed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Malformed {
            $($(#[$doc])* $variant,)*
        }

        impl Malformed {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// A stable name for metrics and scripts.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl fmt::Display for Malformed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)*
                })
            }
        }
    };
}

reasons! {
    /// Longer than the limit of its direction.
    Oversize "oversize" "the message is larger than the limit",
    /// The bytes end inside a value.
    Truncated "truncated" "the bytes end inside a value",
    /// Bytes follow the last value.
    TrailingBytes "trailing-bytes" "bytes follow the end of the message",
    /// An array, map or string of indefinite length.
    Indefinite "indefinite-length" "indefinite lengths are not allowed",
    /// A head longer than its value needs (RFC 8949 section 4.2.1).
    NotShortest "not-shortest" "an integer or length is not in its shortest form",
    /// Map keys out of bytewise order (RFC 8949 section 4.2.1).
    UnsortedKeys "unsorted-keys" "map keys are not in bytewise order",
    /// A map key stands twice.
    DuplicateKey "duplicate-key" "a map key stands twice",
    /// A value of another type than its place asks for.
    WrongType "wrong-type" "a value has the wrong type",
    /// A text string that is not UTF-8.
    InvalidUtf8 "invalid-utf8" "a text string is not UTF-8",
    /// A key that this version does not know.
    UnknownKey "unknown-key" "a map holds a key that this version does not know",
    /// A text string with a control character.
    ControlCharacter "control-character" "a text string holds a control character",
    /// A required key is absent.
    MissingKey "missing-key" "a required map key is missing",
    /// A string longer or shorter than its field allows.
    WrongLength "wrong-length" "a string is longer or shorter than its field allows",
    /// A number, or a character of a name, outside its field's range.
    OutOfRange "out-of-range" "a number or a character is outside its field's range",
    /// More elements than the field allows.
    TooMany "too-many" "an array holds more elements than its field allows",
    /// Two elements of an array speak of the same thing.
    Repeated "repeated" "two elements of an array speak of the same thing",
    /// Not a tagged COSE_Sign1 (RFC 9052 section 4.2).
    NotSign1 "not-cose-sign1" "not a COSE_Sign1 with tag 18",
    /// The unprotected header holds something.
    UnprotectedHeader "unprotected-header" "the unprotected header must be empty",
    /// An algorithm other than ES256.
    Algorithm "algorithm" "the algorithm must be ES256",
    /// A `typ` that is none of the five, or not the one expected here.
    Type "type" "the typ header does not name the message expected here",
    /// No signer, two, or one of the other direction.
    Signer "signer" "the header must name exactly one signer that fits the direction",
    /// A protocol version other than 1.
    Version "version" "this protocol version is not spoken here",
}

impl core::error::Error for Malformed {}
