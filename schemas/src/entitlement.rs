//! One right in a grant.
//!
//! ```cddl
//! entitlement = {
//!   0: activation, 1: feature, ? 2: version-ceiling, 3: model, ? 4: instant, ? 5: instant,
//!   ? 6: u64, ? 7: u32, ? 8: bstr .size (1..64), ? 9: u64, ? 10: instant,
//! }
//! version-ceiling = tstr .regexp "[!-~]{1,16}"
//! model = 1..7
//! ```

use crate::closed::closed;
use crate::id::ActivationId;
use crate::limits;
use crate::malformed::Malformed;
use crate::message::{count, read_instant, required};
use crate::seq;
use crate::strict::Reader;
use crate::writer::Writer;

const ACTIVATION: i64 = 0;
const FEATURE: i64 = 1;
const VERSION_CEILING: i64 = 2;
const MODEL: i64 = 3;
const START: i64 = 4;
const END: i64 = 5;
const COUNT: i64 = 6;
const GRACE: i64 = 7;
const VENDOR_DATA: i64 = 8;
const USAGE_BASE: i64 = 9;
const LEASE_END: i64 = 10;

closed! {
    /// Under which licence model a right runs.
    Model {
        /// No end.
        Perpetual = 1 "perpetual",
        /// A term, renewable.
        Subscription = 2 "subscription",
        /// Once per device and product.
        Evaluation = 3 "evaluation",
        /// A stop-gap.
        Temporary = 4 "temporary",
        /// Paid by use.
        Metered = 5 "metered",
        /// A count of uses.
        Counted = 6 "counted",
        /// A version ceiling on other rights.
        Maintenance = 7 "maintenance",
    }
}

/// One feature that one activation gives. Instants are seconds since 1970; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement<'b> {
    /// The activation that gives it; several features may come from one.
    pub activation: ActivationId,
    /// The feature's name, 1 to 32 visible ASCII characters.
    pub feature: &'b str,
    /// The newest firmware version it is good for, 1 to 16 visible ASCII characters.
    pub version_ceiling: Option<&'b str>,
    /// Under which model it runs.
    pub model: Model,
    /// From when.
    pub start: Option<u64>,
    /// Until when.
    pub end: Option<u64>,
    /// How many uses, from `usage_base` on.
    pub count: Option<u64>,
    /// Seconds it goes on past `end`, with a warning.
    pub grace: Option<u32>,
    /// The maker's own, 1 to 64 bytes.
    pub vendor_data: Option<&'b [u8]>,
    /// The usage total at which `count` begins.
    pub usage_base: Option<u64>,
    /// Until when without contact, where policy sets a lease.
    pub lease_end: Option<u64>,
}

impl<'b> seq::private::Codec<'b> for Entitlement<'b> {
    fn read(r: &mut Reader<'b>) -> Result<Self, Malformed> {
        let (mut activation, mut feature, mut version_ceiling) = (None, None, None);
        let (mut model, mut start, mut end, mut uses) = (None, None, None, None);
        let (mut grace, mut vendor_data, mut usage_base, mut lease_end) = (None, None, None, None);
        let mut keys = r.map()?;
        while let Some(key) = r.key(&mut keys)? {
            match key {
                ACTIVATION => activation = Some(ActivationId(r.array_of_bytes()?)),
                FEATURE => feature = Some(r.name(limits::MAX_FEATURE)?),
                VERSION_CEILING => {
                    version_ceiling = Some(r.name(limits::MAX_VERSION_CEILING)?);
                }
                MODEL => model = Some(Model::read(r)?),
                START => start = Some(read_instant(r)?),
                END => end = Some(read_instant(r)?),
                COUNT => uses = Some(r.u64()?),
                GRACE => grace = Some(r.u32()?),
                VENDOR_DATA => vendor_data = Some(r.bytes_within(1, limits::MAX_VENDOR_DATA)?),
                USAGE_BASE => usage_base = Some(r.u64()?),
                LEASE_END => lease_end = Some(read_instant(r)?),
                _ => return Err(Malformed::UnknownKey),
            }
        }
        Ok(Self {
            activation: required(activation)?,
            feature: required(feature)?,
            version_ceiling,
            model: required(model)?,
            start,
            end,
            count: uses,
            grace,
            vendor_data,
            usage_base,
            lease_end,
        })
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.map(
            3 + count(&[
                self.version_ceiling.is_some(),
                self.start.is_some(),
                self.end.is_some(),
                self.count.is_some(),
                self.grace.is_some(),
                self.vendor_data.is_some(),
                self.usage_base.is_some(),
                self.lease_end.is_some(),
            ]),
        );
        w.int(ACTIVATION).bytes(&self.activation.0);
        w.int(FEATURE).text(self.feature);
        if let Some(ceiling) = self.version_ceiling {
            w.int(VERSION_CEILING).text(ceiling);
        }
        w.int(MODEL).uint(self.model.number().into());
        for (key, value) in [(START, self.start), (END, self.end), (COUNT, self.count)] {
            w.optional_uint(key, value);
        }
        w.optional_uint(GRACE, self.grace.map(u64::from));
        if let Some(data) = self.vendor_data {
            w.int(VENDOR_DATA).bytes(data);
        }
        w.optional_uint(USAGE_BASE, self.usage_base);
        w.optional_uint(LEASE_END, self.lease_end);
    }
}
impl<'b> seq::Item<'b> for Entitlement<'b> {}
