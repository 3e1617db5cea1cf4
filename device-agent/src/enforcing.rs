//! Enforcing: the set in force.

use fleetgrant_schemas::Held;
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::KeyId;

use crate::profile::Profile;
use crate::removing::Removing;
use crate::rights::{self, Off, Right, Status, Time};
use crate::time::Instant;

/// The set in force; a blank device holds none.
pub(crate) struct Enforcing<const RIGHTS: usize> {
    pub(crate) held: Option<Held>,
    /// The key that signed it.
    pub(crate) signed_by: Option<KeyId>,
    pub(crate) rights: [Right; RIGHTS],
    /// When to ask for the next one.
    pub(crate) renew_at: Instant,
    /// The features that were on when the firmware was last told.
    told_on: u64,
}

impl<const RIGHTS: usize> Enforcing<RIGHTS> {
    pub(crate) const fn blank() -> Self {
        Self {
            held: None,
            signed_by: None,
            rights: [Right::FREE; RIGHTS],
            renew_at: Instant::NEVER,
            told_on: 0,
        }
    }

    /// Puts a stored set in force.
    pub(crate) fn enforce(
        &mut self,
        grant: &Grant<'_>,
        signed_by: Option<KeyId>,
        profile: &Profile<'_>,
        removing: &Removing<RIGHTS>,
        time: Time,
        now: Instant,
    ) {
        let removed = removing.totals();
        rights::apply(&mut self.rights, profile, grant, removed, time, now);
        self.held = Some(grant.held());
        self.signed_by = signed_by;
    }

    pub(crate) fn status(&self, profile: &Profile<'_>, feature: &str, now: Time) -> Status {
        match profile.feature(feature) {
            Some(feature) => rights::status(&self.rights, feature, now),
            None => Status::Off(Off::NotGranted),
        }
    }

    /// A feature that went on or off since the last call.
    pub(crate) fn change(&mut self, now: Time) -> Option<(u8, bool)> {
        let on = rights::features_on(&self.rights, now);
        let changed = on ^ self.told_on;
        if changed == 0 {
            return None;
        }
        let feature = changed.trailing_zeros() as u8;
        self.told_on ^= 1 << feature;
        Some((feature, on >> feature & 1 == 1))
    }
}
