//! Closed lists of numbered codes.

/// Declares an enum whose variants have a number on the wire and a name for people.
macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $number,)*
        }

        impl $name {
            /// Every variant, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name people and scripts read.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The variant with this number on the wire.
            #[must_use]
            pub const fn from_number(number: u64) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            #[allow(dead_code, reason = "not every list stands in a message")]
            pub(crate) fn take(values: &mut $crate::values::Values<'_>) -> Self {
                Self::from_number((values.uint() as u8).into()).unwrap_or(Self::ALL[0])
            }

            /// Its number in a message.
            #[allow(dead_code, reason = "not every list stands in a message")]
            pub(crate) const SHAPE: $crate::shape::Shape = {
                // Numbers have no gap: those between would be read and be nothing.
                let (first, last) = (Self::ALL[0] as u8, Self::ALL[Self::ALL.len() - 1] as u8);
                assert!((last - first) as usize + 1 == Self::ALL.len());
                $crate::shape::Shape::Code(first, last)
            };
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use closed;
