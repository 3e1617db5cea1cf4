//! One right in a grant.
//!
//! ```cddl
//! entitlement = {
//!   0: activation, 1: feature, ? 2: version-ceiling, 3: model, ? 4: instant, ? 5: instant,
//!   ? 6: u64, ? 7: u32, ? 8: bstr .size (1..64), ? 9: u64, ? 10: instant, ? 11: instant,
//!   ? 12: end-effect,
//! }
//! version-ceiling = tstr .regexp "[!-~]{1,16}"
//! model = 1..7
//! end-effect = 1
//! ```

use crate::closed::closed;
use crate::id::ActivationId;
use crate::limits;
use crate::seq;
use crate::seq::private::Codec;
use crate::shape::{Field, List, Shape};
use crate::values::{Value, Values};

const ENTITLEMENT: &[Field] = &[
    Field::new(0, Shape::ID),
    Field::new(1, Shape::FEATURE),
    Field::optional(2, Shape::name(limits::MAX_VERSION_CEILING)),
    Field::new(3, Model::SHAPE),
    Field::optional(4, Shape::INSTANT),
    Field::optional(5, Shape::INSTANT),
    Field::optional(6, Shape::U64),
    Field::optional(7, Shape::U32),
    Field::optional(8, Shape::Bytes(1, limits::MAX_VENDOR_DATA as u16)),
    Field::optional(9, Shape::U64),
    Field::optional(10, Shape::INSTANT),
    Field::optional(11, Shape::INSTANT),
    Field::optional(12, EndEffect::SHAPE),
];
/// One right for each activation and feature.
pub(crate) const LIST: List = List {
    min: 0,
    max: limits::MAX_ENTITLEMENTS as u8,
    of: Shape::Map(&ENTITLEMENT),
    subject: 2,
};

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

closed! {
    /// What the end of a right does to its feature, its grace over. Absent: it goes off.
    EndEffect {
        /// One that was on stays on until the device next starts.
        NextBoot = 1 "next-boot",
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
    /// Firmware built at or after this instant does not turn it on.
    pub build_ceiling: Option<u64>,
    /// What its end does; none: the feature goes off.
    pub end_effect: Option<EndEffect>,
}

impl<'b> Codec<'b> for Entitlement<'b> {
    const SHAPE: &'static Shape = &Shape::Map(&ENTITLEMENT);

    fn put<'s>(&'s self, values: &mut Values<'s>) {
        values.put_bytes(&self.activation.0);
        values.put_text(self.feature);
        values.put_if(self.version_ceiling, Value::Text);
        values.put_uint(self.model.number());
        values.put_uint_if(self.start);
        values.put_uint_if(self.end);
        values.put_uint_if(self.count);
        values.put_uint_if(self.grace);
        values.put_if(self.vendor_data, Value::Bytes);
        values.put_uint_if(self.usage_base);
        values.put_uint_if(self.lease_end);
        values.put_uint_if(self.build_ceiling);
        values.put_uint_if(self.end_effect.map(EndEffect::number));
    }

    fn take(values: &mut Values<'b>) -> Self {
        Self {
            activation: ActivationId(values.array()),
            feature: values.text(),
            version_ceiling: values.if_there(Values::text),
            model: Model::take(values),
            start: values.if_there(Values::uint),
            end: values.if_there(Values::uint),
            count: values.if_there(Values::uint),
            grace: values.if_there(Values::u32),
            vendor_data: values.if_there(Values::bytes),
            usage_base: values.if_there(Values::uint),
            lease_end: values.if_there(Values::uint),
            build_ceiling: values.if_there(Values::uint),
            end_effect: values.if_there(EndEffect::take),
        }
    }
}
impl<'b> seq::Item<'b> for Entitlement<'b> {}
