//! What a device wants, and why it is denied.

use crate::code::CodeClaim;
use crate::id::{CodeId, CodeProof};
use crate::limits;
use crate::malformed::Malformed;
use crate::seq;
use crate::strict::Reader;
use crate::writer::Writer;

const BY_FEATURE: u64 = 0;
const BY_CODE: u64 = 1;

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

/// What a want is about, whatever its total or proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject<'b> {
    Feature(&'b str),
    Code(CodeId),
}

impl<'b> Want<'b> {
    /// No request asks twice, and no grant denies twice, for one subject.
    pub(crate) const fn subject(&self) -> Subject<'b> {
        match self {
            Self::Feature { feature, .. } => Subject::Feature(feature),
            Self::Code(claim) => Subject::Code(claim.id),
        }
    }
}

impl<'b> seq::private::Codec<'b> for Want<'b> {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.tuple(3)?;
        match reader.u64()? {
            BY_FEATURE => Ok(Self::Feature {
                feature: reader.name(limits::MAX_FEATURE)?,
                total: reader.u32()?,
            }),
            BY_CODE => Ok(Self::Code(CodeClaim {
                id: CodeId(reader.array_of_bytes()?),
                proof: CodeProof(reader.array_of_bytes()?),
            })),
            _ => Err(Malformed::OutOfRange),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.array(3);
        match self {
            Self::Feature { feature, total } => {
                writer.uint(BY_FEATURE).text(feature).uint((*total).into());
            }
            Self::Code(claim) => {
                writer.uint(BY_CODE).bytes(&claim.id.0);
                writer.bytes(&claim.proof.0);
            }
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

impl<'b> seq::private::Codec<'b> for Denial<'b> {
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        reader.tuple(3)?;
        Ok(Self {
            want: Want::read(reader)?,
            rule: reader.name(limits::MAX_RULE)?,
            retry_after: if reader.null() {
                None
            } else {
                Some(reader.u32()?)
            },
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.array(3);
        self.want.write(writer);
        writer.text(self.rule);
        match self.retry_after {
            Some(seconds) => writer.uint(seconds.into()),
            None => writer.null(),
        };
    }
}
impl<'b> seq::Item<'b> for Denial<'b> {}
