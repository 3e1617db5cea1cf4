//! The table of rights: filled when a set is installed, so that `is this feature on?` parses
//! nothing.

use fleetgrant_schemas::Usage;
use fleetgrant_schemas::ack::{Exception, Outcome, OutcomeReason};
use fleetgrant_schemas::entitlement::{Entitlement, Model};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::ActivationId;

use crate::profile::{MAX_FEATURES, Profile};
use crate::storage::StorageError;
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
    /// Its end has passed and its grace has not: on, with a warning to the user.
    Grace {
        /// When the grace ends.
        until: u64,
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
            Self::Grace { until, .. } => (7, until),
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
    /// Its start lies ahead.
    NotStarted,
    /// Its end and its grace have passed.
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
    grace: u32,
    /// Place in the profile's list, or [`NO_FEATURE`].
    feature: u8,
    counted: bool,
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
/// Bytes of one usage total in a record: activation id, total (little-endian).
pub(crate) const USAGE_LEN: usize = 24;

impl Right {
    pub(crate) const FREE: Self = Self {
        activation: ActivationId([0; 16]),
        start: 0,
        end: u64::MAX,
        lease_end: u64::MAX,
        limit: u64::MAX,
        used: 0,
        grace: 0,
        feature: NO_FEATURE,
        counted: false,
        kind: Kind::Free,
    };

    fn of(entitlement: &Entitlement<'_>, profile: &Profile<'_>) -> Self {
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
            grace: entitlement.grace.unwrap_or(0),
            feature: feature.unwrap_or(NO_FEATURE),
            counted: entitlement.count.is_some()
                || matches!(entitlement.model, Model::Metered | Model::Counted),
            kind: match (feature, entitlement.version_ceiling) {
                (None, _) => Kind::Refused(OutcomeReason::UnknownFeature),
                (_, Some(ceiling)) if !is_within(profile, ceiling) => {
                    Kind::Refused(OutcomeReason::VersionCeiling)
                }
                _ => Kind::InForce,
            },
        }
    }

    fn status(&self, now: u64) -> Status {
        let remaining = (self.limit != u64::MAX).then(|| self.limit.saturating_sub(self.used));
        let grace_end = self.end.saturating_add(self.grace.into());
        match self.kind {
            Kind::Refused(OutcomeReason::VersionCeiling) => Status::Off(Off::VersionCeiling),
            Kind::InForce if now < self.start => Status::Off(Off::NotStarted),
            Kind::InForce if now >= grace_end => Status::Off(Off::Ended),
            Kind::InForce if now >= self.lease_end => Status::Off(Off::LeaseEnded),
            Kind::InForce if remaining == Some(0) => Status::Off(Off::UsedUp),
            Kind::InForce if now >= self.end => Status::Grace {
                until: grace_end.min(self.lease_end),
                remaining,
            },
            Kind::InForce => {
                let until = self.end.min(self.lease_end);
                Status::On {
                    until: (until != u64::MAX).then_some(until),
                    remaining,
                }
            }
            _ => Status::Off(Off::NotGranted),
        }
    }

    fn has_usage(&self) -> bool {
        match self.kind {
            Kind::InForce => self.counted,
            Kind::Removed => true,
            _ => false,
        }
    }
}

/// The status of the feature at this place of the profile's list.
pub(crate) fn status(rights: &[Right], feature: u8, now: u64) -> Status {
    rights
        .iter()
        .filter(|right| right.feature == feature)
        .map(|right| right.status(now))
        .max_by_key(Status::rank)
        .unwrap_or(Status::Off(Off::NotGranted))
}

/// The features that are on, as bits.
pub(crate) fn features_on(rights: &[Right], now: u64) -> u64 {
    rights
        .iter()
        .filter(|right| usize::from(right.feature) < MAX_FEATURES && right.status(now).is_on())
        .fold(0, |on, right| on | 1 << right.feature)
}

/// The next instant at which time alone changes a status.
pub(crate) fn next_change(rights: &[Right], now: u64) -> Option<u64> {
    rights
        .iter()
        .filter(|right| right.kind == Kind::InForce)
        .flat_map(|right| {
            let grace_end = right.end.saturating_add(right.grace.into());
            [right.start, right.end, grace_end, right.lease_end]
        })
        .filter(|instant| *instant > now && *instant != u64::MAX)
        .min()
}

/// Counts one use of a feature that is on, and tells the activation that bears it; none if it
/// is not counted. Prepaid uses that end first go first.
pub(crate) fn use_one(
    rights: &mut [Right],
    feature: u8,
    now: u64,
) -> Result<Option<ActivationId>, Off> {
    if let Status::Off(reason) = status(rights, feature, now) {
        return Err(reason);
    }
    let usable = |right: &&Right| right.feature == feature && right.status(now).is_on();
    if rights.iter().filter(usable).any(|right| !right.counted) {
        return Ok(None);
    }
    let bearer = rights.iter().filter(usable).min_by_key(|right| right.end);
    let bearer = bearer.map(|right| right.activation);
    if let Some(activation) = bearer {
        add_usage(rights, activation, 1);
    }
    Ok(bearer)
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

fn add_usage(rights: &mut [Right], activation: ActivationId, uses: u64) {
    for right in of_activation(rights, activation) {
        right.used = right.used.saturating_add(uses);
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

/// The usage totals to report, each activation once; how many.
pub(crate) fn usage(rights: &[Right], totals: &mut [Usage]) -> usize {
    collect(totals, |list| {
        for (place, right) in rights.iter().enumerate() {
            let is_first = !rights
                .iter()
                .take(place)
                .any(|earlier| earlier.has_usage() && earlier.activation == right.activation);
            if right.has_usage() && is_first {
                list.push(Usage {
                    activation: right.activation,
                    total: right.used,
                });
            }
        }
    })
}

/// The exceptions to acknowledge: activations none of whose features is in force.
pub(crate) fn exceptions(rights: &[Right], exceptions: &mut [Exception]) -> usize {
    collect(exceptions, |list| {
        for (place, right) in rights.iter().enumerate() {
            let Kind::Refused(reason) = right.kind else {
                continue;
            };
            let is_used = rights
                .iter()
                .any(|other| other.activation == right.activation && other.kind == Kind::InForce);
            let is_first = !rights.iter().take(place).any(|earlier| {
                matches!(earlier.kind, Kind::Refused(_)) && earlier.activation == right.activation
            });
            if is_first && !is_used {
                list.push(Exception {
                    activation: right.activation,
                    outcome: Outcome::Refused,
                    reason,
                });
            }
        }
    })
}

/// The final usage totals of what is not in `grant`; how many. Those of the set before stay
/// until they were reported.
pub(crate) fn leaving(
    rights: &[Right],
    grant: &Grant<'_>,
    were_reported: bool,
    totals: &mut [Usage],
) -> usize {
    let stays = |activation| {
        let mut entitlements = grant.entitlements.iter();
        entitlements.any(|entitlement| entitlement.activation == activation)
    };
    collect(totals, |list| {
        for (place, right) in rights.iter().enumerate() {
            let leaves = match right.kind {
                Kind::InForce => right.counted && right.used > 0,
                Kind::Removed => !were_reported,
                _ => false,
            };
            let is_first = !rights
                .iter()
                .take(place)
                .any(|earlier| earlier.has_usage() && earlier.activation == right.activation);
            if leaves && is_first && !stays(right.activation) {
                list.push(Usage {
                    activation: right.activation,
                    total: right.used,
                });
            }
        }
    })
}

/// Puts a set in force. The table must have a slot for each entitlement.
pub(crate) fn apply(
    rights: &mut [Right],
    profile: &Profile<'_>,
    grant: &Grant<'_>,
    removed: &[Usage],
) {
    for right in rights.iter_mut() {
        right.kind = match right.kind {
            Kind::InForce | Kind::Refused(_) => Kind::Old,
            _ => Kind::Free,
        };
    }
    // What stays keeps its slot and its usage.
    for entitlement in grant.entitlements.iter() {
        let new = Right::of(&entitlement, profile);
        let old = |right: &&mut Right| {
            right.kind == Kind::Old
                && (right.activation, right.feature) == (new.activation, new.feature)
        };
        if let Some(right) = rights.iter_mut().find(old) {
            let used = right.used.max(new.used);
            *right = Right { used, ..new };
        }
    }
    for right in rights.iter_mut().filter(|right| right.kind == Kind::Old) {
        *right = Right::FREE;
    }
    for entitlement in grant.entitlements.iter() {
        let mut new = Right::of(&entitlement, profile);
        let mut is_there = false;
        for right in of_activation(rights, new.activation) {
            is_there |= right.feature == new.feature;
            new.used = new.used.max(right.used);
        }
        if !is_there {
            put(rights, new);
        }
    }
    for usage in removed {
        put(
            rights,
            Right {
                activation: usage.activation,
                used: usage.total,
                kind: Kind::Removed,
                ..Right::FREE
            },
        );
    }
}

/// Bits of the slots that hold one of these activations; `None` if one is not held.
pub(crate) fn slots_of(rights: &[Right], activations: &[ActivationId]) -> Option<u64> {
    activations.iter().try_fold(0, |slots, activation| {
        let slot = rights.iter().position(|right| {
            right.activation == *activation
                && matches!(right.kind, Kind::InForce | Kind::Refused(_))
        })?;
        Some(slots | 1 << slot)
    })
}

/// The activations in these slots; how many.
pub(crate) fn in_slots(rights: &[Right], slots: u64, activations: &mut [ActivationId]) -> usize {
    collect(activations, |list| {
        for (place, right) in rights.iter().enumerate().take(64) {
            let is_held = matches!(right.kind, Kind::InForce | Kind::Refused(_));
            if slots >> place & 1 == 1 && is_held {
                list.push(right.activation);
            }
        }
    })
}

/// Usage totals as they stand in records; the bytes written.
pub(crate) fn encode_usage(totals: &[Usage], out: &mut [[u8; USAGE_LEN]]) -> usize {
    for (usage, slot) in totals.iter().zip(out) {
        let (activation, total) = slot.split_at_mut(16);
        activation.copy_from_slice(&usage.activation.0);
        total.copy_from_slice(&usage.total.to_le_bytes());
    }
    totals.len() * USAGE_LEN
}

/// The inverse of [`encode_usage`] for one total.
pub(crate) fn decode_usage(bytes: &[u8; USAGE_LEN]) -> Usage {
    let (mut activation, mut total) = ([0; 16], [0; 8]);
    activation.copy_from_slice(&bytes[..16]);
    total.copy_from_slice(&bytes[16..]);
    Usage {
        activation: ActivationId(activation),
        total: u64::from_le_bytes(total),
    }
}

fn put(rights: &mut [Right], new: Right) {
    let free = rights.iter_mut().find(|right| right.kind == Kind::Free);
    if let Some(slot) = free {
        *slot = new;
    }
}

fn is_within(profile: &Profile<'_>, ceiling: &str) -> bool {
    let version = profile.platform.sw_version;
    version.is_some_and(|version| version::is_within(version, ceiling))
}

struct List<'a, T> {
    items: &'a mut [T],
    len: usize,
}

impl<T> List<'_, T> {
    fn push(&mut self, item: T) {
        if let Some(slot) = self.items.get_mut(self.len) {
            *slot = item;
            self.len += 1;
        }
    }
}

fn collect<T>(items: &mut [T], fill: impl FnOnce(&mut List<'_, T>)) -> usize {
    let mut list = List { items, len: 0 };
    fill(&mut list);
    list.len
}
