//! What pins, manifest and revocations say of a key that speaks for a device.

use fleetgrant_core::ask::Verdict;
use fleetgrant_core::domain::{CredentialState, DeviceId, DeviceState, KeyThumbprint};

use crate::identity::Admission;
use crate::store::conversation::Pins;

/// A device is pinned to the first key that was admitted for it, unique both ways. A revoked or
/// superseded key never comes back.
pub(super) fn verdict(
    pins: &Pins,
    device: &DeviceId,
    key: KeyThumbprint,
    admission: Admission,
) -> Verdict {
    match &pins.key {
        Some((holder, _)) if holder != device => return Verdict::IdentityConflict,
        Some((_, CredentialState::Revoked | CredentialState::Superseded)) => {
            return Verdict::Revoked;
        }
        Some((_, CredentialState::Current)) => return Verdict::Pinned,
        None => {}
    }
    let other_key_expected = pins.expected_key.is_some_and(|expected| expected != key);
    if pins.device_is_pinned || other_key_expected {
        return Verdict::IdentityConflict;
    }
    let operator_admitted = pins.device_state == Some(DeviceState::Admitted);
    match admission {
        Admission::PinnedOnly => Verdict::NotOnManifest,
        Admission::Open => Verdict::Admissible,
        _ if operator_admitted => Verdict::Admissible,
        Admission::Manifest if pins.on_manifest => Verdict::Admissible,
        Admission::Manifest => Verdict::NotOnManifest,
        Admission::Quarantine => Verdict::NeedsOperator,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const KEY: KeyThumbprint = KeyThumbprint([1; 32]);
    const OTHER: KeyThumbprint = KeyThumbprint([2; 32]);

    fn of(pins: Pins, admission: Admission) -> Verdict {
        verdict(&pins, &DeviceId::new("scope-1").unwrap(), KEY, admission)
    }

    fn key_of(device: &str, state: CredentialState) -> Pins {
        Pins {
            key: Some((DeviceId::new(device).unwrap(), state)),
            device_is_pinned: true,
            ..Pins::default()
        }
    }

    #[test]
    fn a_pinned_key_speaks_for_its_device_and_no_other() {
        let pinned = key_of("scope-1", CredentialState::Current);
        assert_eq!(of(pinned, Admission::PinnedOnly), Verdict::Pinned);
        let elsewhere = key_of("scope-2", CredentialState::Current);
        assert_eq!(of(elsewhere, Admission::Open), Verdict::IdentityConflict);
    }

    #[test]
    fn a_revoked_or_superseded_key_never_comes_back() {
        for state in [CredentialState::Revoked, CredentialState::Superseded] {
            assert_eq!(
                of(key_of("scope-1", state), Admission::Open),
                Verdict::Revoked
            );
        }
    }

    #[test]
    fn a_second_key_for_a_device_is_a_conflict() {
        let pins = Pins {
            device_is_pinned: true,
            ..Pins::default()
        };
        assert_eq!(of(pins, Admission::Open), Verdict::IdentityConflict);
        let pins = Pins {
            expected_key: Some(OTHER),
            on_manifest: true,
            ..Pins::default()
        };
        assert_eq!(of(pins, Admission::Manifest), Verdict::IdentityConflict);
    }

    #[test]
    fn an_unknown_device_comes_in_by_the_rule_of_its_anchor() {
        let unknown = Pins::default;
        let listed = || Pins {
            on_manifest: true,
            expected_key: Some(KEY),
            ..Pins::default()
        };
        let let_in = || Pins {
            device_state: Some(DeviceState::Admitted),
            ..Pins::default()
        };
        for (admission, pins, expected) in [
            (Admission::Open, unknown(), Verdict::Admissible),
            (Admission::Manifest, unknown(), Verdict::NotOnManifest),
            (Admission::Manifest, listed(), Verdict::Admissible),
            (Admission::Quarantine, unknown(), Verdict::NeedsOperator),
            (Admission::Quarantine, listed(), Verdict::NeedsOperator),
            (Admission::Quarantine, let_in(), Verdict::Admissible),
            (Admission::PinnedOnly, let_in(), Verdict::NotOnManifest),
        ] {
            assert_eq!(of(pins, admission), expected, "{admission:?}");
        }
    }
}
