//! What the factory writes into the first page of the flash, in CBOR: an array of the device's id,
//! its realm, the private scalar of its key, its certificates (the leaf first), the authority's
//! public key (SEC 1, uncompressed) with its epoch, and the features it knows.
//!
//! A product keeps the key where it cannot be read out, and the rest in its image.

use minicbor::decode::Error;
use minicbor::encode::Write;
use minicbor::{Decoder, Encoder};

/// Certificates of a chain, without the root.
pub const MAX_CHAIN: usize = 4;
/// Features a factory page names.
pub const MAX_FEATURES: usize = 8;

const FIELDS: u64 = 7;

/// The page's contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factory<'b> {
    /// The id that the certificate proves.
    pub device: &'b str,
    /// The realm the device belongs to.
    pub realm: &'b str,
    /// The private scalar, 32 bytes big-endian.
    pub key: &'b [u8],
    /// The certificates, of which the first `chain_len` are set.
    pub chain: [&'b [u8]; MAX_CHAIN],
    /// How many certificates there are.
    pub chain_len: usize,
    /// `04 ‖ x ‖ y` of the authority's key.
    pub authority: &'b [u8],
    /// Its epoch.
    pub epoch: u32,
    /// The features, of which the first `features_len` are set.
    pub features: [&'b str; MAX_FEATURES],
    /// How many features there are.
    pub features_len: usize,
}

impl<'b> Factory<'b> {
    /// Reads a page; what follows the contents is not looked at.
    ///
    /// # Errors
    /// It is none, or holds more than there is room for.
    pub fn read(page: &'b [u8]) -> Result<Self, Error> {
        let mut page = Decoder::new(page);
        if page.array()? != Some(FIELDS) {
            return Err(Error::message("not a factory page"));
        }
        let mut factory = Self {
            device: page.str()?,
            realm: page.str()?,
            key: page.bytes()?,
            ..Self::default()
        };
        factory.chain_len = list(&mut page, &mut factory.chain, Decoder::bytes)?;
        factory.authority = page.bytes()?;
        factory.epoch = page.u32()?;
        factory.features_len = list(&mut page, &mut factory.features, Decoder::str)?;
        Ok(factory)
    }

    /// Writes a page.
    ///
    /// # Errors
    /// There is no room.
    pub fn write<W: Write>(&self, page: W) -> Result<(), minicbor::encode::Error<W::Error>> {
        let mut page = Encoder::new(page);
        page.array(FIELDS)?
            .str(self.device)?
            .str(self.realm)?
            .bytes(self.key)?
            .array(self.chain_len as u64)?;
        for certificate in self.chain.iter().take(self.chain_len) {
            page.bytes(certificate)?;
        }
        page.bytes(self.authority)?
            .u32(self.epoch)?
            .array(self.features_len as u64)?;
        for feature in self.features.iter().take(self.features_len) {
            page.str(feature)?;
        }
        Ok(())
    }
}

fn list<'b, T>(
    page: &mut Decoder<'b>,
    slots: &mut [T],
    item: impl Fn(&mut Decoder<'b>) -> Result<T, Error>,
) -> Result<usize, Error> {
    let len = page.array()?.unwrap_or(u64::MAX);
    let len = usize::try_from(len).ok().filter(|len| *len <= slots.len());
    let len = len.ok_or_else(|| Error::message("a list is too long"))?;
    for slot in slots.iter_mut().take(len) {
        *slot = item(page)?;
    }
    Ok(len)
}
