//! What a device wants, and why it is denied.

use crate::code::CodeClaim;
use crate::id::{CodeId, CodeProof};
use crate::limits;
use crate::seq;
use crate::seq::private::Codec;
use crate::shape::{List, Shape};
use crate::values::Values;

const WANT: Shape = Shape::Cases(&CASES);
const CASES: &[&[Shape]] = &[
    &[Shape::FEATURE, Shape::U32],
    &[Shape::Bytes(5, 5), Shape::HASH],
];
const BY_FEATURE: u64 = 0;
const BY_CODE: u64 = 1;
/// No request asks twice for one feature or code.
pub(crate) const LIST: List = List {
    min: 0,
    max: limits::MAX_WANTS as u8,
    of: WANT,
    subject: 2,
};

const DENIAL: &[Shape] = &[
    WANT,
    Shape::name(limits::MAX_RULE),
    Shape::OrNull(&Shape::U32),
];
/// No grant denies one feature or code twice.
pub(crate) const DENIALS: List = List {
    min: 1,
    max: limits::MAX_WANTS as u8,
    of: Shape::Array(&DENIAL),
    subject: 2,
};

/// One thing a device asks for.
///
/// ```cddl
/// want = [0, feature: feature, total: u32]
///      / [1, code: bstr .size 5, proof: bstr .size 32]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want<'b> {
    /// So many units of a feature in all, what it has included; fewer than it has is a return.
    Feature {
        /// The feature's name, 1 to 32 visible ASCII characters.
        feature: &'b str,
        /// Units in all.
        total: u32,
    },
    /// What an activation code gives.
    Code(CodeClaim),
}

impl<'b> Codec<'b> for Want<'b> {
    const SHAPE: &'static Shape = &WANT;

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        match self {
            Self::Feature { feature, total } => {
                values.put_uint(BY_FEATURE).put_text(feature);
                values.put_uint(*total);
            }
            Self::Code(claim) => {
                values.put_uint(BY_CODE).put_bytes(&claim.id.0);
                values.put_bytes(&claim.proof.0);
            }
        }
    }

    fn take(values: &mut Values<'b>) -> Self {
        match values.uint() {
            BY_FEATURE => Self::Feature {
                feature: values.text(),
                total: values.u32(),
            },
            _ => Self::Code(CodeClaim {
                id: CodeId(values.array()),
                proof: CodeProof(values.array()),
            }),
        }
    }
}
impl<'b> seq::Item<'b> for Want<'b> {}

/// A want that was not granted.
///
/// ```cddl
/// denial = [want: want, rule: rule, retry-after: u32 / null]
/// rule = tstr .regexp "[!-~]{1,32}"
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial<'b> {
    /// What was asked.
    pub want: Want<'b>,
    /// The rule that denied, by its stable name.
    pub rule: &'b str,
    /// Seconds after which asking again may be answered differently; none: not by waiting.
    pub retry_after: Option<u32>,
}

impl<'b> Codec<'b> for Denial<'b> {
    const SHAPE: &'static Shape = &Shape::Array(&DENIAL);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        self.want.put(values);
        values.put_text(self.rule);
        values.put_uint_if(self.retry_after);
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            want: Want::take(values),
            rule: values.text(),
            retry_after: values.if_there(Values::u32),
        }
    }
}
impl<'b> seq::Item<'b> for Denial<'b> {}
