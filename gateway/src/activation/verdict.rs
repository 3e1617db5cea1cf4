//! What pins, manifest and revocations say of a key that speaks for a device.

use fleetgrant_core::ask::Verdict;
use fleetgrant_core::domain::{CredentialState, DeviceId, DeviceState, KeyLoss, KeyThumbprint};

use crate::identity::Admission;
use crate::store::conversation::Pins;

/// What a message shows of the key that signed it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    pub(super) device: &'a DeviceId,
    pub(super) key: KeyThumbprint,
    /// The trust anchor that its chain leads to.
    pub(super) anchor: &'a str,
    pub(super) admission: Admission,
}

/// A device is pinned to the first key that was admitted for it, unique both ways, and to that of a
/// new board only when somebody has recorded the repair. A revoked or superseded key never comes
/// back.
pub(super) fn verdict(pins: &Pins, shown: Shown<'_>) -> Verdict {
    match pins.key.as_ref().map(|known| (&known.device, known.state)) {
        Some((holder, _)) if holder != shown.device => return Verdict::IdentityConflict,
        Some((_, CredentialState::Revoked)) => return Verdict::Revoked,
        Some((_, CredentialState::Superseded)) => return Verdict::Superseded,
        Some((_, CredentialState::Current)) => return Verdict::Pinned,
        None => {}
    }
    let is_expected = pins.expected_key.map(|expected| expected == shown.key);
    if pins.device_is_pinned || is_expected == Some(false) || pins.loss == Some(KeyLoss::Revoked) {
        return Verdict::IdentityConflict;
    }
    let is_repaired = pins.loss == Some(KeyLoss::Replaced);
    // Whoever names a key has seen its certificate; whoever names none relies on the device's anchor.
    let is_of_its_anchor = pins.anchor_before.as_deref() == Some(shown.anchor);
    if is_repaired && is_expected.is_none() && !is_of_its_anchor {
        return Verdict::IdentityConflict;
    }
    let operator_admitted = is_repaired || pins.device_state == Some(DeviceState::Admitted);
    match shown.admission {
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
    use crate::store::conversation::RecordedKey;

    const KEY: KeyThumbprint = KeyThumbprint([1; 32]);
    const OTHER: KeyThumbprint = KeyThumbprint([2; 32]);

    fn of(pins: Pins, admission: Admission) -> Verdict {
        of_anchor("factory", pins, admission)
    }

    fn of_anchor(anchor: &str, pins: Pins, admission: Admission) -> Verdict {
        let device = DeviceId::new("scope-1").unwrap();
        let shown = Shown {
            device: &device,
            key: KEY,
            anchor,
            admission,
        };
        verdict(&pins, shown)
    }

    fn key_of(device: &str, state: CredentialState) -> Pins {
        Pins {
            key: Some(RecordedKey {
                device: DeviceId::new(device).unwrap(),
                state,
            }),
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
        for (state, verdict) in [
            (CredentialState::Revoked, Verdict::Revoked),
            (CredentialState::Superseded, Verdict::Superseded),
        ] {
            for loss in [None, Some(KeyLoss::Replaced), Some(KeyLoss::Revoked)] {
                let pins = Pins {
                    loss,
                    device_is_pinned: loss.is_none(),
                    // Whatever somebody wrote there.
                    expected_key: Some(KEY),
                    ..key_of("scope-1", state)
                };
                assert_eq!(of(pins, Admission::Open), verdict);
            }
            let elsewhere = key_of("scope-2", state);
            assert_eq!(of(elsewhere, Admission::Open), Verdict::IdentityConflict);
        }
    }

    fn waits(loss: KeyLoss, expected_key: Option<KeyThumbprint>) -> Pins {
        Pins {
            loss: Some(loss),
            expected_key,
            anchor_before: Some("factory".to_owned()),
            device_state: Some(DeviceState::Readmitted),
            ..Pins::default()
        }
    }

    #[test]
    fn a_new_board_is_let_in_once_its_repair_is_recorded_whatever_the_anchor_asks_of_strangers() {
        for admission in [Admission::Open, Admission::Manifest, Admission::Quarantine] {
            for expected in [None, Some(KEY)] {
                let repaired = waits(KeyLoss::Replaced, expected);
                assert_eq!(of(repaired, admission), Verdict::Admissible);
            }
            let other = waits(KeyLoss::Replaced, Some(OTHER));
            assert_eq!(of(other, admission), Verdict::IdentityConflict);
        }
        let repaired = waits(KeyLoss::Replaced, None);
        assert_eq!(of(repaired, Admission::PinnedOnly), Verdict::NotOnManifest);
    }

    #[test]
    fn a_key_that_nobody_named_comes_under_the_devices_own_anchor() {
        let unnamed = waits(KeyLoss::Replaced, None);
        let verdict = of_anchor("another", unnamed, Admission::Open);
        assert_eq!(verdict, Verdict::IdentityConflict);
        let named = waits(KeyLoss::Replaced, Some(KEY));
        let verdict = of_anchor("another", named, Admission::Open);
        assert_eq!(verdict, Verdict::Admissible);
    }

    #[test]
    fn nobody_takes_the_place_of_a_revoked_key_before_a_repair() {
        for expected in [None, Some(KEY)] {
            let revoked = waits(KeyLoss::Revoked, expected);
            assert_eq!(of(revoked, Admission::Open), Verdict::IdentityConflict);
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
