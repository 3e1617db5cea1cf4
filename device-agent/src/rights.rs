//! The table of rights: filled when a set is installed, so that `is this feature on?` parses
//! nothing.

mod apply;
mod report;

pub(crate) use apply::apply;
pub(crate) use report::{
    USAGE_LEN, decode_usage, encode_usage, exceptions, in_slots, leaving, slots_of, usage,
};

use fleetgrant_schemas::Usage;
use fleetgrant_schemas::ack::OutcomeReason;
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::id::ActivationId;

use crate::profile::{MAX_FEATURES, Profile};
use crate::storage::StorageError;
use crate::time::{self, Instant};
use crate::version;

/// Whether a feature may be used, and how long. Instants are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is on.
    On {
        /// When that ends without contact; none: never.
        until: Option<u64>,
        /// Uses left; none: it is not counted down.
        remaining: Option<u64>,
    },
    /// Its end has passed and its grace has not, or it goes off at the next start: on, with a
    /// warning to the user.
    Grace {
        /// When the grace ends; none: at the next start of the device.
        until: Option<u64>,
        /// Uses left; none: it is not counted down.
        remaining: Option<u64>,
    },
    /// It is off.
    Off(Off),
}

impl Status {
    /// Whether it may be used.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        matches!(self, Self::On { .. } | Self::Grace { .. })
    }

    /// Which of two rights to one feature speaks for it.
    fn rank(&self) -> (u8, u64) {
        match *self {
            Self::On { until, remaining } => (
                if remaining.is_none() { 9 } else { 8 },
                until.unwrap_or(u64::MAX),
            ),
            Self::Grace { until, .. } => (7, until.unwrap_or(u64::MAX)),
            Self::Off(off) => (off as u8, 0),
        }
    }
}

/// Why a feature is off; of several reasons the last in this list is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// No right to it is held.
    NotGranted,
    /// The firmware is newer than the right's version ceiling.
    VersionCeiling,
    /// The firmware was built at or after the right's build ceiling.
    BuildCeiling,
    /// Its start lies ahead.
    NotStarted,
    /// Its end and its grace have passed, for one that stays on until the next start before this
    /// one.
    Ended,
    /// The device was out of contact for longer than its lease.
    LeaseEnded,
    /// Its count is used up.
    UsedUp,
}

/// Why a use was not counted; the feature must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseError {
    /// It is off.
    Off(Off),
    /// The new total could not be stored.
    Storage(StorageError),
}

impl core::fmt::Display for UseError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Off(_) => f.write_str("the feature is off"),
            Self::Storage(reason) => reason.fmt(f),
        }
    }
}

impl core::error::Error for UseError {}

/// The time that rights are compared with.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    /// The true time is not below it: seconds since 1970.
    pub(crate) floor: u64,
    /// What it was when the uptime was zero: milliseconds since 1970.
    pub(crate) at_zero: u64,
}

/// One slot of the table. A limit that is not set is `u64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    activation: ActivationId,
    start: u64,
    end: u64,
    lease_end: u64,
    /// The total at which its count is used up.
    limit: u64,
    used: u64,
    /// Since when it is in force, of the uptime; one that stays was so before.
    since: Instant,
    grace: u32,
    /// Place in the profile's list, or [`NO_FEATURE`].
    feature: u8,
    counted: bool,
    /// Its end takes effect at the next start.
    stays: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Free,
    /// Of the old set, while a new one is applied.
    Old,
    InForce,
    Refused(OutcomeReason),
    /// No longer held; its use is still to be reported.
    Removed,
}

const NO_FEATURE: u8 = u8::MAX;

impl Right {
    pub(crate) const FREE: Self = Self {
        activation: ActivationId([0; 16]),
        start: 0,
        end: u64::MAX,
        lease_end: u64::MAX,
        limit: u64::MAX,
        used: 0,
        since: Instant::NEVER,
        grace: 0,
        feature: NO_FEATURE,
        counted: false,
        stays: false,
        kind: Kind::Free,
    };

    fn of(entitlement: &Entitlement<'_>, profile: &Profile<'_>, since: Instant) -> Self {
        let base = entitlement.usage_base.unwrap_or(0);
        let feature = profile.feature(entitlement.feature);
        Self {
            activation: entitlement.activation,
            start: entitlement.start.unwrap_or(0),
            end: entitlement.end.unwrap_or(u64::MAX),
            lease_end: entitlement.lease_end.unwrap_or(u64::MAX),
            limit: match entitlement.count {
                Some(count) => base.saturating_add(count),
                None => u64::MAX,
            },
            used: base,
            since,
            grace: entitlement.grace.unwrap_or(0),
            feature: feature.unwrap_or(NO_FEATURE),
            counted: entitlement.count.is_some()
                || matches!(entitlement.model, Model::Metered | Model::Counted),
            stays: entitlement.end_effect.is_some(),
            kind: if feature.is_none() {
                Kind::Refused(OutcomeReason::UnknownFeature)
            } else if !is_within(profile, entitlement.version_ceiling) {
                Kind::Refused(OutcomeReason::VersionCeiling)
            } else if !is_built_before(profile, entitlement.build_ceiling) {
                Kind::Refused(OutcomeReason::BuildCeiling)
            } else {
                Kind::InForce
            },
        }
    }

    fn status(&self, time: Time) -> Status {
        let now = time.floor;
        let remaining = (self.limit != u64::MAX).then(|| self.limit.saturating_sub(self.used));
        let grace_end = self.grace_end();
        match self.kind {
            Kind::Refused(OutcomeReason::VersionCeiling) => Status::Off(Off::VersionCeiling),
            Kind::Refused(OutcomeReason::BuildCeiling) => Status::Off(Off::BuildCeiling),
            Kind::Refused(OutcomeReason::Ended) => Status::Off(Off::Ended),
            Kind::InForce if now < self.start => Status::Off(Off::NotStarted),
            Kind::InForce if now >= grace_end && !self.runs_on(time.at_zero) => {
                Status::Off(Off::Ended)
            }
            Kind::InForce if now >= self.lease_end => Status::Off(Off::LeaseEnded),
            Kind::InForce if remaining == Some(0) => Status::Off(Off::UsedUp),
            Kind::InForce if now >= self.end => Status::Grace {
                until: limit(if self.stays {
                    self.lease_end
                } else {
                    grace_end.min(self.lease_end)
                }),
                remaining,
            },
            Kind::InForce => Status::On {
                until: limit(self.end.min(self.lease_end)),
                remaining,
            },
            _ => Status::Off(Off::NotGranted),
        }
    }

    const fn grace_end(&self) -> u64 {
        self.end.saturating_add(self.grace as u64)
    }

    /// Whether its end waits for the next start: it was in force, in this run of the device, before
    /// the time was past its end and grace. Whatever raises the floor later, a clock or a proof,
    /// raises what it was then; the uptime between is the device's own.
    #[inline(never)]
    fn runs_on(&self, at_zero: u64) -> bool {
        let since = at_zero.saturating_add(self.since.0);
        self.stays && since < time::millis(self.grace_end())
    }

    fn is_in_force(&self) -> bool {
        self.kind == Kind::InForce
    }

    fn is_refused(&self) -> bool {
        matches!(self.kind, Kind::Refused(_))
    }

    fn has_usage(&self) -> bool {
        match self.kind {
            Kind::InForce => self.counted,
            // The firmware may take it again, and must not begin anew.
            Kind::Refused(_) => self.counted && self.used > 0,
            Kind::Removed => true,
            _ => false,
        }
    }
}

/// The status of the feature at this place of the profile's list.
pub(crate) fn status(rights: &[Right], feature: u8, now: Time) -> Status {
    let mut best = Status::Off(Off::NotGranted);
    for right in rights.iter().filter(|right| right.feature == feature) {
        let status = right.status(now);
        if status.rank() >= best.rank() {
            best = status;
        }
    }
    best
}

/// The features that are on, as bits.
pub(crate) fn features_on(rights: &[Right], now: Time) -> u64 {
    rights
        .iter()
        .filter(|right| usize::from(right.feature) < MAX_FEATURES && right.status(now).is_on())
        .fold(0, |on, right| on | 1 << right.feature)
}

/// The next instant at which time alone changes a status.
pub(crate) fn next_change(rights: &[Right], now: u64) -> Option<u64> {
    let mut next = u64::MAX;
    for right in rights.iter().filter(|right| right.kind == Kind::InForce) {
        for instant in [right.start, right.end, right.grace_end(), right.lease_end] {
            if instant > now {
                next = next.min(instant);
            }
        }
    }
    (next != u64::MAX).then_some(next)
}

/// Whether the end of a right that stays on until the next start has come between two instants.
pub(crate) fn is_crossed(rights: &[Right], from: u64, to: u64) -> bool {
    rights.iter().any(|right| {
        right.stays && right.is_in_force() && (from + 1..=to).contains(&right.grace_end())
    })
}

/// Ends for good what was past its end, as was proven, when it was put in force: the next
/// acknowledgement says so. What is only claimed may be taken back.
pub(crate) fn end_past(rights: &mut [Right], proven_at_zero: u64) {
    for right in rights.iter_mut() {
        if right.stays && right.is_in_force() && !right.runs_on(proven_at_zero) {
            right.kind = Kind::Refused(OutcomeReason::Ended);
        }
    }
}

/// Counts one use of a feature that is on, and tells the activation that bears it; none if it
/// is not counted. Prepaid uses that end first go first.
pub(crate) fn use_one(
    rights: &mut [Right],
    feature: u8,
    now: Time,
) -> Result<Option<ActivationId>, Off> {
    if let Status::Off(reason) = status(rights, feature, now) {
        return Err(reason);
    }
    let mut bearer: Option<&Right> = None;
    for right in rights.iter().filter(|right| right.feature == feature) {
        if !right.status(now).is_on() {
            continue;
        }
        if !right.counted {
            return Ok(None);
        }
        if bearer.is_none_or(|first| right.end < first.end) {
            bearer = Some(right);
        }
    }
    let Some(Right { activation, .. }) = bearer.copied() else {
        return Ok(None);
    };
    for right in of_activation(rights, activation) {
        right.used = right.used.saturating_add(1);
    }
    Ok(Some(activation))
}

/// Takes back what [`use_one`] counted.
pub(crate) fn undo_use(rights: &mut [Right], activation: ActivationId) {
    for right in of_activation(rights, activation) {
        right.used = right.used.saturating_sub(1);
    }
}

/// A usage total that was stored; totals never fall.
pub(crate) fn restore_usage(rights: &mut [Right], usage: &Usage) {
    for right in of_activation(rights, usage.activation) {
        right.used = right.used.max(usage.total);
    }
}

/// What was used is not known any more: nothing that is limited is left, until an answer says what
/// is.
pub(crate) fn use_up(rights: &mut [Right]) {
    for right in rights.iter_mut().filter(|right| right.limit != u64::MAX) {
        right.limit = right.used;
    }
}

/// All features of one activation share its total.
fn of_activation(
    rights: &mut [Right],
    activation: ActivationId,
) -> impl Iterator<Item = &mut Right> {
    rights
        .iter_mut()
        .filter(move |right| right.activation == activation && right.kind != Kind::Free)
}

fn is_within(profile: &Profile<'_>, ceiling: Option<&str>) -> bool {
    let version = profile.platform.sw_version;
    ceiling.is_none_or(|ceiling| version.is_some_and(|it| version::is_within(it, ceiling)))
}

fn is_built_before(profile: &Profile<'_>, ceiling: Option<u64>) -> bool {
    ceiling.is_none_or(|ceiling| profile.sw_built.is_some_and(|built| built < ceiling))
}

fn limit(instant: u64) -> Option<u64> {
    (instant != u64::MAX).then_some(instant)
}
