//! A set never grows beyond what the device takes.

use fleetgrant_schemas::envelope::{Draft, Signer};
use fleetgrant_schemas::grant::Grant;
use fleetgrant_schemas::id::KeyId;
use fleetgrant_schemas::notice::NoticeCode;
use fleetgrant_schemas::topic::MessageType;
use fleetgrant_schemas::{Message, limits};

use crate::ask::Reason;
use crate::domain::{EntitlementState, LicenseModel};
use crate::license::ModelRules;
use crate::operator::{OperatorError, Publish, assign, refresh};
use crate::outcome::{Answer, Outcome};
use crate::rule::Rule;
use crate::testkit::{Bench, denials, features, noticed, want};

/// Bytes of the signed message.
fn size(outcome: &Outcome) -> usize {
    let payload = &outcome.issued.as_ref().unwrap().payload;
    let mut buffer = [0; 2 * limits::MAX_DOWN];
    let signer = Signer::Key(KeyId([0; 8]));
    Draft::of_payload(&mut buffer, MessageType::Grant, &signer, payload)
        .unwrap()
        .finish(&[0; 64])
        .len()
}

#[test]
fn the_64th_entry_fits_and_the_65th_does_not() {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..16).map(|n| format!("f{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.sell_as("f0", 9, |e| e.features = features(&names));
    bench.sell("one", 9);
    let mut device = bench.admitted("d");
    for total in 1..=4 {
        let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("f0", total)]);
        assert_eq!(denials(&outcome), [None]);
    }
    assert_eq!(device.rights.len(), 64);
    let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("one", 1)]);
    assert_eq!(denials(&outcome), [Some(Rule::SetFull)]);
    assert_eq!(device.rights.len(), 64);
}

#[test]
fn a_want_that_would_make_it_too_large_is_denied_and_the_others_are_served() {
    let mut bench = Bench::new();
    for n in 0..8 {
        bench.sell(&format!("feature-number-{n}"), 1);
    }
    let mut device = bench.admitted("d");
    device.max_down = 512;
    let wants: Vec<_> = (0..8)
        .map(|n| want(&format!("feature-number-{n}"), 1))
        .collect();
    let outcome = bench.ask(&mut device, Reason::Upgrade, &wants);
    let granted = device.rights.len();
    assert!(granted > 0 && granted < 8);
    let full = denials(&outcome);
    assert!(full[..granted].iter().all(Option::is_none));
    assert!(full[granted..].iter().all(|d| *d == Some(Rule::SetFull)));
    assert!(size(&outcome) <= 512);
    let taken: u32 = (1..=8)
        .map(|n| bench.live(crate::domain::EntitlementId([n; 16])))
        .sum();
    assert_eq!(taken as usize, granted);
}

/// What a generation takes on the wire can grow by so many bytes.
const GROWTH: usize = 8;
/// The end of a right's maintenance, and its key, which may come to each.
const CEILING: usize = 10;

/// Filling a set byte by byte, the limit is met exactly.
#[test]
fn what_fits_now_fits_under_every_later_generation() {
    let mut bench = Bench::new();
    bench.sell("scan", 100);
    let mut device = bench.admitted("d");
    for total in 1..12 {
        bench.ask(&mut device, Reason::Upgrade, &[want("scan", total)]);
    }
    let request = device.request(Reason::Upgrade, &[want("scan", 12)]);
    let needed = {
        let mut trial = bench.clone();
        size(&trial.receive(&device, &request))
    };
    let largest = needed + GROWTH + 12 * CEILING;
    // Below the smallest that may be announced, the smallest counts.
    assert!(largest > limits::MIN_DOWN);
    for (max, fits) in [(largest, true), (largest - 1, false)] {
        let mut bench = bench.clone();
        let mut request = request.clone();
        request.ask.max_down = u16::try_from(max).unwrap();
        let outcome = bench.receive(&device, &request);
        assert_eq!(denials(&outcome), [(!fits).then_some(Rule::SetFull)]);
    }
}

/// The total it begins at, and its key, grow from nothing.
const USAGE_BASE: usize = 10;

/// Else a device that is full could not be told anything once it has used what it has.
#[test]
fn what_fits_now_fits_however_often_it_is_used() {
    let mut bench = Bench::new();
    let prepaid = ModelRules {
        uses: Some(u64::MAX),
        ..ModelRules::of(LicenseModel::Counted)
    };
    bench.sell_as("scan", 100, |e| e.rules = prepaid);
    let mut device = bench.admitted("d");
    for total in 1..9 {
        bench.ask(&mut device, Reason::Upgrade, &[want("scan", total)]);
    }
    let request = device.request(Reason::Upgrade, &[want("scan", 9)]);
    let needed = {
        let mut trial = bench.clone();
        size(&trial.receive(&device, &request))
    };
    let largest = needed + GROWTH + 9 * (USAGE_BASE + CEILING);
    assert!(largest > limits::MIN_DOWN);
    for (max, fits) in [(largest, true), (largest - 1, false)] {
        let (mut bench, mut device) = (bench.clone(), device.clone());
        device.max_down = u16::try_from(max).unwrap();
        let outcome = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 9)]);
        assert_eq!(denials(&outcome), [(!fits).then_some(Rule::SetFull)]);
        let used = |activation: crate::activation::Activation| crate::ask::Usage {
            activation: activation.id,
            total: 1 << 53,
        };
        device.usage = bench.activations(&device).into_iter().map(used).collect();
        let outcome = bench.ask(&mut device, Reason::Renew, &[]);
        assert_eq!(outcome.answer, Answer::Grant);
        assert!(size(&outcome) <= max);
    }
}

/// Else a device that is full could not be told that its rights are maintained, or for how long.
#[test]
fn what_fits_now_fits_when_it_is_maintained() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 100);
    let mut device = bench.admitted("d");
    device.max_down = 1_024;
    let mut total = 0;
    while denials(&bench.ask(&mut device, Reason::Upgrade, &[want("scan", total + 1)])) == [None] {
        total += 1;
    }
    let last = crate::domain::Timestamp::from_seconds(limits::MAX_INSTANT);
    bench.world.entitlement_mut(sold).unwrap().maintained_until = Some(last);
    let outcome = bench
        .operate(&device, |snapshot, ctx, dice| {
            refresh(snapshot, ctx, dice, true).map(Option::unwrap)
        })
        .unwrap();
    assert!(size(&outcome) <= 1_024, "{}", size(&outcome));
    bench.push(&mut device).unwrap();
    assert_eq!(device.rights.len(), total as usize);
    let issued = outcome.issued.unwrap();
    let grant = Grant::decode(&issued.payload).unwrap();
    let told = |right: fleetgrant_schemas::entitlement::Entitlement<'_>| right.build_ceiling;
    assert!(
        grant
            .entitlements
            .iter()
            .all(|right| told(right) == Some(limits::MAX_INSTANT))
    );
}

/// As it is itself never maintained, no room is kept for that.
#[test]
fn maintenance_takes_no_room_for_maintenance() {
    let mut bench = Bench::new();
    bench.sell_as("care", 100, |e| {
        e.rules = ModelRules::of(LicenseModel::Maintenance);
    });
    let mut device = bench.admitted("d");
    for total in 1..12 {
        bench.ask(&mut device, Reason::Upgrade, &[want("care", total)]);
    }
    let request = device.request(Reason::Upgrade, &[want("care", 12)]);
    let needed = {
        let mut trial = bench.clone();
        size(&trial.receive(&device, &request))
    };
    let mut request = request;
    request.ask.max_down = u16::try_from(needed + GROWTH).unwrap();
    assert_eq!(denials(&bench.receive(&device, &request)), [None]);
}

/// The device was updated to a firmware that takes less.
#[test]
fn a_device_that_takes_less_than_it_has_is_told_and_keeps_it() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 20);
    let mut device = bench.admitted("d");
    for total in 1..=20 {
        bench.ask(&mut device, Reason::Upgrade, &[want("scan", total)]);
    }
    device.max_down = 512;
    let outcome = bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::TooLarge));
    assert_eq!(bench.live(sold), 20);
    // It can make room.
    let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 2)]);
    assert_eq!(outcome.answer, Answer::Grant);
    assert_eq!(bench.live(sold), 2);
}

/// Assigned ahead of the device's contact, or resumed after others took the room.
#[test]
fn what_waits_for_room_keeps_its_units_and_bars_nothing() {
    let mut bench = Bench::new();
    let suspended = bench.sell("suspended", 1);
    bench.sell("scan", 20);
    let later = bench.sell("later", 1);
    let mut device = bench.admitted("d");
    device.max_down = 512;
    bench.ask(&mut device, Reason::Upgrade, &[want("suspended", 1)]);
    let state = |bench: &mut Bench, state| {
        bench.world.entitlement_mut(suspended).unwrap().state = state;
    };
    state(&mut bench, EntitlementState::Suspended);
    let mut total = 0;
    while denials(&bench.ask(&mut device, Reason::Upgrade, &[want("scan", total + 1)])) == [None] {
        total += 1;
    }
    assert!(!device.features().contains(&"suspended"));
    let assigned = bench.operate(&device, |snapshot, ctx, dice| {
        assign(snapshot, later, 1, Publish::AtContact, ctx, dice)
    });
    assert_eq!(assigned.unwrap_err(), OperatorError::Denied(Rule::SetFull));

    state(&mut bench, EntitlementState::Active);
    let outcome = bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(outcome.answer, Answer::Grant);
    assert!(!device.features().contains(&"suspended"));
    assert_eq!(bench.live(suspended), 1);
    bench.ask(&mut device, Reason::Return, &[want("scan", total - 2)]);
    bench.ask(&mut device, Reason::Renew, &[]);
    assert!(device.features().contains(&"suspended"));
}

#[test]
fn what_is_sent_says_what_was_decided() {
    let mut bench = Bench::new();
    bench.sell_as("scan", 9, |e| {
        let mut all = features(&["scan", "print"]).to_vec();
        all[0].version_ceiling = Some("2.9".to_owned());
        all[0].vendor_data = vec![1, 2, 3];
        all[1].uses = Some(100);
        e.features = all.into();
        e.rules.grace = 60;
        e.term =
            crate::entitlement::Term::Until(crate::domain::Timestamp::from_seconds(1_900_000_000));
    });
    let mut device = bench.admitted("d");
    let request = device.request(Reason::Upgrade, &[want("scan", 2), want("fly", 1)]);
    let issued = bench.receive(&device, &request).issued.unwrap();

    let grant = Grant::decode(&issued.payload).unwrap();
    assert_eq!(grant.realm, "realm");
    assert_eq!(grant.device.as_str(), "d");
    assert_eq!(grant.confirmation, device.key);
    assert_eq!(grant.nonce, Some(request.ask.nonce));
    assert_eq!(grant.issued_at, bench.now.seconds());
    assert_eq!(grant.install_until, bench.now.seconds() + 30 * 86_400);
    assert_eq!(grant.held().cti, issued.set.cti);
    let rights: Vec<_> = grant.entitlements.iter().collect();
    assert_eq!(rights.len(), 2);
    let (scan, print) = (&rights[0], &rights[1]);
    assert_eq!(scan.activation, print.activation);
    assert_eq!((scan.feature, print.feature), ("scan", "print"));
    assert_eq!(
        (scan.version_ceiling, print.version_ceiling),
        (Some("2.9"), None)
    );
    assert_eq!((scan.count, print.count), (None, Some(200)));
    assert_eq!((scan.usage_base, print.usage_base), (None, None));
    assert_eq!(scan.vendor_data, Some(&[1, 2, 3][..]));
    assert_eq!((scan.end, scan.grace), (Some(1_900_000_000), Some(60)));
    assert_eq!(scan.start, None, "it has begun");
    let denials: Vec<_> = grant.denials.iter().collect();
    assert_eq!(denials.len(), 1);
    assert_eq!(denials[0].rule, "not-owned");
    assert!(!grant.flags.factory);
}
