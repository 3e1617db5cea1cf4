//! What a device says of itself, in EAT claims (RFC 9711). Facts for people and policy, no proof.
//!
//! ```cddl
//! platform = (
//!   ? ( 258: oem-id, ? 259: bstr .size (1..32) ),
//!   ? 267: u32,
//!   ? ( 270: software, ? 271: [software] ),
//! )
//! oem-id = u32 / bstr .size 3 / bstr .size 16
//! software = (tstr .size (1..32)) .and printable
//! ```

use crate::limits;
use crate::malformed::Malformed;
use crate::message::count;
use crate::strict::Reader;
use crate::writer::Writer;

const OEM_ID: i64 = 258;
const HW_MODEL: i64 = 259;
const BOOT_COUNT: i64 = 267;
const SW_NAME: i64 = 270;
const SW_VERSION: i64 = 271;

/// The maker of the hardware (RFC 9711 section 4.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OemId<'b> {
    /// An IANA private enterprise number.
    Pen(u32),
    /// An IEEE OUI (3 bytes) or a random id (16 bytes).
    Bytes(&'b [u8]),
}

/// The platform a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Platform<'b> {
    /// Maker of the hardware.
    pub oem_id: Option<OemId<'b>>,
    /// Model of the hardware, 1 to 32 bytes; only with `oem_id`.
    pub hw_model: Option<&'b [u8]>,
    /// How often it booted.
    pub boot_count: Option<u32>,
    /// Name of the firmware, 1 to 32 bytes.
    pub sw_name: Option<&'b str>,
    /// Version of the firmware, 1 to 32 bytes; only with `sw_name`.
    pub sw_version: Option<&'b str>,
}

impl<'b> Platform<'b> {
    pub(crate) fn len(&self) -> usize {
        count(&[
            self.oem_id.is_some(),
            self.hw_model.is_some(),
            self.boot_count.is_some(),
            self.sw_name.is_some(),
            self.sw_version.is_some(),
        ])
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) {
        match self.oem_id {
            Some(OemId::Pen(number)) => drop(w.int(OEM_ID).uint(number.into())),
            Some(OemId::Bytes(bytes)) => drop(w.int(OEM_ID).bytes(bytes)),
            None => {}
        }
        if let Some(model) = self.hw_model {
            w.int(HW_MODEL).bytes(model);
        }
        if let Some(count) = self.boot_count {
            w.int(BOOT_COUNT).uint(count.into());
        }
        if let Some(name) = self.sw_name {
            w.int(SW_NAME).text(name);
        }
        if let Some(version) = self.sw_version {
            w.int(SW_VERSION).array(1).text(version);
        }
    }

    /// Reads the value of one claim.
    pub(crate) fn read(&mut self, claim: i64, r: &mut Reader<'b>) -> Result<(), Malformed> {
        match claim {
            OEM_ID => self.oem_id = Some(read_oem_id(r)?),
            HW_MODEL => self.hw_model = Some(r.bytes_within(1, limits::MAX_HWMODEL)?),
            BOOT_COUNT => self.boot_count = Some(r.u32()?),
            SW_NAME => self.sw_name = Some(r.text_within(1, limits::MAX_SOFTWARE)?),
            SW_VERSION => {
                r.tuple(1)?;
                self.sw_version = Some(r.text_within(1, limits::MAX_SOFTWARE)?);
            }
            _ => return Err(Malformed::UnknownKey),
        }
        Ok(())
    }

    /// `hwmodel` needs `oemid`, `swversion` needs `swname` (RFC 9711 sections 4.2.4, 4.2.7).
    pub(crate) fn check(&self) -> Result<(), Malformed> {
        let model_alone = self.hw_model.is_some() && self.oem_id.is_none();
        let version_alone = self.sw_version.is_some() && self.sw_name.is_none();
        if model_alone || version_alone {
            Err(Malformed::MissingKey)
        } else {
            Ok(())
        }
    }
}

fn read_oem_id<'b>(r: &mut Reader<'b>) -> Result<OemId<'b>, Malformed> {
    if !r.is_bytes() {
        return r.u32().map(OemId::Pen);
    }
    let bytes = r.bytes()?;
    match bytes.len() {
        3 | 16 => Ok(OemId::Bytes(bytes)),
        _ => Err(Malformed::WrongLength),
    }
}
