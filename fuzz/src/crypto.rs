//! In place of the gateway's own: what its reading of certificates needs of it. Whether a point lies on
//! the curve is the curve's library to say, and not fuzzed here.

/// A point on P-256, uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct P256PublicKey([u8; 65]);

impl P256PublicKey {
    /// Another length or form is refused.
    pub(crate) fn from_sec1(bytes: &[u8]) -> Result<Self, ()> {
        let point: [u8; 65] = bytes.try_into().map_err(|_| ())?;
        (point[0] == 4).then_some(Self(point)).ok_or(())
    }
}
