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
use crate::shape::Shape;
use crate::values::{Value, Values};

pub(crate) const OEM_ID: i16 = 258;
pub(crate) const HW_MODEL: i16 = 259;
pub(crate) const BOOT_COUNT: i16 = 267;
pub(crate) const SW_NAME: i16 = 270;
pub(crate) const SW_VERSION: i16 = 271;

pub(crate) const SOFTWARE: Shape = Shape::printable(limits::MAX_SOFTWARE);
/// The version alone, its scheme left out.
pub(crate) const VERSION_OF_SOFTWARE: &[Shape] = &[SOFTWARE];

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
    pub(crate) fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_if(self.oem_id, |id| match id {
            OemId::Pen(number) => Value::Uint(number.into()),
            OemId::Bytes(bytes) => Value::Bytes(bytes),
        });
        values.put_if(self.hw_model, Value::Bytes);
        values.put_uint_if(self.boot_count);
        values.put_if(self.sw_name, Value::Text);
        values.put_if(self.sw_version, Value::Text);
    }

    pub(crate) fn take(values: &mut Values<'b>) -> Self {
        Self {
            oem_id: match values.take() {
                Value::Uint(number) => Some(OemId::Pen(number as u32)),
                Value::Bytes(bytes) => Some(OemId::Bytes(bytes)),
                _ => None,
            },
            hw_model: values.if_there(Values::bytes),
            boot_count: values.if_there(Values::u32),
            sw_name: values.if_there(Values::text),
            sw_version: values.if_there(Values::text),
        }
    }

    /// `hwmodel` needs `oemid`, `swversion` needs `swname` (RFC 9711 sections 4.2.4, 4.2.7).
    pub(crate) const fn check(&self) -> Result<(), Malformed> {
        let model_alone = self.hw_model.is_some() && self.oem_id.is_none();
        let version_alone = self.sw_version.is_some() && self.sw_name.is_none();
        if model_alone || version_alone {
            Err(Malformed::MissingKey)
        } else {
            Ok(())
        }
    }
}
