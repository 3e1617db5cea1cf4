#![allow(clippy::unwrap_used)]

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::draft::{Contradiction, Draft};
use super::*;
use crate::ask::{Channel, Reason, Verdict};
use crate::domain::{ActivationState, DeviceState, Timestamp};
use crate::entitlement::Term;
use crate::event::{EventKind, Field};
use crate::notice::NoticeCode;
use crate::outcome::WantVerdict;
use crate::rule::Rule;
use crate::testkit::{Bench, DAY, Handset, denials, noticed, want};

/// A draft, as a file of it would be read: `change` works on the shipped `standard`.
fn drafted(change: impl FnOnce(&mut toml::Table)) -> Result<TierRules, Contradiction> {
    let text = toml::to_string(&Draft::from(&standard().rules)).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    change(&mut table);
    TierRules::try_from(table.try_into::<Draft>().unwrap())
}

fn set(table: &mut toml::Table, path: &str, value: impl Into<toml::Value>) {
    match path.split_once('.') {
        Some((first, rest)) => set(table[first].as_table_mut().unwrap(), rest, value),
        None => {
            table.insert(path.to_owned(), value.into());
        }
    }
}

#[test]
fn what_is_shipped_is_read_back_as_it_is_written() {
    for policy in shipped() {
        let draft = Draft::from(&policy.rules);
        assert_eq!(TierRules::try_from(draft).unwrap(), policy.rules);
    }
}

#[test]
fn an_empty_policy_gives_what_is_owned_and_moves_nothing() {
    let rules = TierRules::try_from(toml::from_str::<Draft>("").unwrap()).unwrap();
    assert_eq!(rules.activation, Mode::SelfService);
    assert_eq!((rules.rehost, rules.temporary), (None, None));
}

#[test]
fn what_contradicts_itself_is_refused_with_the_field_and_the_reason() {
    type Change = fn(&mut toml::Table);
    let cases: [(&str, Change); 14] = [
        ("returns are refused", |t| set(t, "returns", "refused")),
        ("rehost is not", |t| {
            set(t, "rehost_unconfirmed", t["rehost"].clone());
            set(
                t,
                "rehost",
                toml::Table::from_iter([("mode".to_owned(), "approval".into())]),
            );
        }),
        ("rehost.units is missing", |t| {
            t["rehost"].as_table_mut().unwrap().remove("units");
        }),
        ("temporary.beyond is missing", |t| {
            t["temporary"].as_table_mut().unwrap().remove("beyond");
        }),
        ("rehost.units says how much", |t| {
            set(t, "rehost.mode", "approval")
        }),
        ("temporary.days has no meaning", |t| {
            set(t, "temporary.mode", "refused")
        }),
        ("rehost.units is 0", |t| {
            set(t, "rehost.units", 0);
            t["rehost"].as_table_mut().unwrap().remove("per_units");
        }),
        ("rehost.per_units must be at least 1", |t| {
            set(t, "rehost.per_units", 0)
        }),
        ("temporary.days is 91", |t| set(t, "temporary.days", 91)),
        ("rehost.window: \"PT1H\" is no window", |t| {
            set(t, "rehost.window", "PT1H")
        }),
        ("temporary.window is shorter", |t| {
            set(t, "temporary.window", "P6D")
        }),
        ("temporary.causes is missing", |t| {
            set(t, "temporary.causes", Vec::<String>::new())
        }),
        ("lease_days needs renew_after_days", |t| {
            set(t, "lease_days", 30);
            set(t, "renew_after_days", 21);
        }),
        ("requests_per_day is 2", |t| set(t, "requests_per_day", 2)),
    ];
    for (reason, change) in cases {
        let refused = drafted(change).unwrap_err();
        assert!(refused.to_string().contains(reason), "{reason}: {refused}");
        let leaf = refused.field().rsplit('.').next().unwrap();
        assert!(refused.to_string().contains(leaf), "{refused}");
    }
}

#[test]
fn parts_that_come_to_a_whole_reach_it_and_the_smallest_amount_less_does_not() {
    let most = u32::MAX;
    let value = |values: &[(&str, u32)]| Suggestion {
        window: "P1Y".parse().unwrap(),
        values: values
            .iter()
            .map(|(name, whole)| ((*name).to_owned(), NonZeroU32::new(*whole).unwrap()))
            .collect(),
    };
    // A third, a third and a third; a seventh and six of them; of what is the most.
    let thirds = value(&[("EUR", 3), ("USD", 30), ("JPY", 300)]);
    let sevenths = value(&[("EUR", 7_000_000), ("USD", 7)]);
    let large = value(&[("EUR", most), ("USD", most)]);
    let half = i64::from(most) * 5_000;
    let cases: [(&Suggestion, Vec<(&str, i64)>); 3] = [
        (
            &thirds,
            vec![("EUR", 10_000), ("USD", 100_000), ("JPY", 1_000_000)],
        ),
        (&sevenths, vec![("EUR", 10_000_000_000), ("USD", 60_000)]),
        (&large, vec![("EUR", half), ("USD", half)]),
    ];
    for (suggestion, bought) in cases {
        let reached = |bought: &[(&str, i64)]| suggestion.reached(bought.iter().copied());
        assert!(reached(&bought) >= Suggestion::WHOLE, "{bought:?}");
        for place in 0..bought.len() {
            let mut less = bought.clone();
            less[place].1 -= 1;
            assert!(reached(&less) < Suggestion::WHOLE, "{less:?}");
        }
    }
    // A credit of more than was bought reaches nothing, and the extremes fit.
    assert!(large.reached([("EUR", i64::MIN), ("USD", i64::MAX)].into_iter()) <= 1);
}

proptest! {
    /// Whatever is accepted is written so that it is accepted again, as the same.
    #[test]
    fn whatever_is_accepted_survives_being_written(
        units in 0..5_u32,
        per in proptest::option::of(0..3_u32),
        mode in 0..3_usize,
        days in 0..100_u16,
        months in 0..130_i64,
        lease in proptest::option::of(0..100_u16),
        renew in proptest::option::of(0..100_u16),
    ) {
        let accepted = drafted(|table| {
            set(table, "temporary.mode", ["self-service", "approval", "refused"][mode]);
            set(table, "temporary.units", i64::from(units));
            set(table, "temporary.days", i64::from(days));
            set(table, "rehost.window", format!("P{months}M"));
            for (path, value) in [("lease_days", lease), ("renew_after_days", renew)] {
                if let Some(value) = value {
                    set(table, path, i64::from(value));
                }
            }
            if let Some(per) = per {
                set(table, "rehost.per_units", i64::from(per));
            }
        });
        if let Ok(rules) = accepted {
            prop_assert_eq!(TierRules::try_from(Draft::from(&rules)), Ok(rules));
        }
    }
}

#[test]
fn a_window_goes_by_the_calendar_of_the_owner() {
    let vienna = TimeZone::get("Europe/Vienna").unwrap();
    let at = |text: &str| {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    };
    let cases = [
        // From a leap day.
        ("P1Y", "2028-02-29T10:00:00Z", "2029-02-28T10:00:00Z"),
        // Over the end of summer time: the same hour of the day there.
        ("P1M", "2026-10-01T10:00:00Z", "2026-11-01T11:00:00Z"),
        ("P2W", "2026-10-20T10:00:00Z", "2026-11-03T11:00:00Z"),
    ];
    for (window, from, to) in cases {
        let window: Window = window.parse().unwrap();
        assert_eq!(window.end_of(at(from), &vienna), at(to));
    }
    for text in [
        "", "P", "P0D", "1Y", "-P1D", "P11Y", "PT24H", "P1DT1H", "P1.5D",
    ] {
        assert!(text.parse::<Window>().is_err(), "{text}");
    }
    assert_eq!("P18M".parse::<Window>().unwrap().to_string(), "P1Y6M");
}

#[test]
fn an_allowance_grows_with_the_units() {
    let Some(Permit::SelfService(quota)) = standard().rules.temporary.map(|t| t.permit) else {
        panic!("standard has temporary licences");
    };
    let allowances = [0, 9, 10, 25].map(|units| quota.allowance(Quantity::Units(units)));
    assert_eq!(allowances, [1, 1, 2, 3]);
    assert_eq!(quota.allowance(Quantity::Unlimited), u32::MAX);
}

fn upgrade(bench: &mut Bench, device: &mut Handset) -> crate::outcome::Outcome {
    bench.ask(device, Reason::Upgrade, &[want("scan", 1)])
}

#[test]
fn a_pool_that_needs_approval_is_not_drawn_for_the_asking() {
    for (mode, rule) in [
        (Mode::Approval, Rule::ApprovalNeeded),
        (Mode::Refused, Rule::AssignedOnly),
    ] {
        let mut bench = Bench::new();
        bench.allow(|rules| rules.activation = mode);
        let sold = bench.sell("scan", 2);
        let bound = bench.sell("print", 1);
        let device = bench.expected("d");
        bench.world.bind(&device.id, bound);
        let mut device = bench.admitted("d");
        assert_eq!(device.features(), ["print"], "what is bound was assigned");
        let outcome = upgrade(&mut bench, &mut device);
        assert_eq!(denials(&outcome), [Some(rule)]);
        assert_eq!(bench.live(sold), 0);
    }
}

#[test]
fn a_want_that_nothing_serves_is_denied_by_that_and_does_not_wait_for_an_approval() {
    let mut bench = Bench::new();
    bench.allow(|rules| rules.activation = Mode::Approval);
    let mut device = bench.admitted("d");
    let outcome = upgrade(&mut bench, &mut device);
    assert_eq!(denials(&outcome), [Some(Rule::NotOwned)]);
}

#[test]
fn a_return_that_needs_approval_waits_for_it() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    bench.allow(|rules| rules.returns = Mode::Approval);
    let outcome = bench.ask(&mut device, Reason::Return, &[want("scan", 0)]);
    assert_eq!(denials(&outcome), [Some(Rule::ApprovalNeeded)]);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
}

#[test]
fn every_decision_names_the_policy_it_was_made_under() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    bench.allow(|_| {});
    let denied = bench.ask(&mut device, Reason::Upgrade, &[want("scan", 2)]);
    assert_eq!(denied.policy.to_string(), "special/1");
    for (kind, policy) in [
        (EventKind::SetIssued, "special/1"),
        (EventKind::Denied, "special/1"),
    ] {
        let events = bench.world.events().filter(|(_, event)| event.kind == kind);
        let last = events.last().unwrap().1.body.field("policy").cloned();
        assert_eq!(last, Some(Field::Text(policy.to_owned())), "{kind}");
    }
    let first = bench
        .world
        .events()
        .find(|(_, e)| e.kind == EventKind::SetIssued);
    let first = first.unwrap().1.body.field("policy").cloned();
    assert_eq!(first, Some(Field::Text("standard/1".to_owned())));
}

#[test]
fn a_denial_that_time_lifts_says_when() {
    let mut bench = Bench::new();
    bench.policy.code_failures_per_device = 0;
    let mut device = bench.admitted("d");
    bench
        .world
        .device_mut(&device.id)
        .unwrap()
        .watch
        .code_failures
        .since = Some(bench.now);
    let code = crate::ask::Want::Code {
        id: crate::domain::CodeId([1; 5]),
        proof: crate::domain::CodeProof([0; 32]),
    };
    let outcome = bench.ask(&mut device, Reason::Upgrade, &[code]);
    let expected = WantVerdict::Denied {
        rule: Rule::CodesBlocked,
        retry_after: Some(DAY as u32 + 1),
        lifts_at: Some(bench.now.plus_seconds(DAY)),
    };
    assert_eq!(outcome.decided[0].verdict, expected);
}

#[test]
fn a_tier_without_files_is_served_online_only() {
    let mut bench = Bench::new();
    let sold = bench.sell("scan", 1);
    bench.allow(|rules| rules.offline = false);
    let mut device = bench.admitted("d");
    device.channel = Channel::File;
    let outcome = upgrade(&mut bench, &mut device);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Denied));
    assert_eq!(denials(&outcome), [Some(Rule::OfflineNotOffered)]);
    assert_eq!(bench.live(sold), 0);
    device.channel = Channel::Online;
    upgrade(&mut bench, &mut device);
    assert_eq!(device.features(), ["scan"]);
    // What a device has signed is proof however it comes.
    device.channel = Channel::File;
    let ack = device.acknowledgement();
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
}

#[test]
fn a_tier_whose_devices_are_admitted_by_hand_waits_for_an_operator() {
    let mut bench = Bench::new();
    bench.allow(|rules| rules.admission = Admission::Approval);
    let mut device = bench.expected("d");
    assert_eq!(device.verdict, Verdict::Admissible);
    bench.ask(&mut device, Reason::Boot, &[]);
    let outcome = bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(noticed(&outcome), Some(NoticeCode::Quarantined));
    assert_eq!(bench.device(&device).state, DeviceState::Quarantined);
}

#[test]
fn requests_beyond_the_days_are_told_when_to_come_back() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    let mut device = bench.activated("d", "scan", 1);
    bench.allow(|rules| rules.requests_per_day = NonZeroU16::new(3));
    for served in [true, true, true, false] {
        let outcome = bench.ask(&mut device, Reason::Renew, &[]);
        let over = noticed(&outcome) == Some(NoticeCode::RetryLater);
        assert_eq!(over, !served);
        bench.wait(60);
    }
    assert_eq!(device.features(), ["scan"], "nothing is taken away");
    bench.wait(DAY);
    let outcome = bench.ask(&mut device, Reason::Renew, &[]);
    assert_eq!(noticed(&outcome), None);
}

#[test]
fn the_longer_grace_counts_and_the_unit_is_held_as_long() {
    for (tier, model, grace) in [(10, 5, 10), (5, 10, 10)] {
        let mut bench = Bench::new();
        bench.allow(|rules| rules.grace = tier * DAY as u32);
        let end = bench.now.plus_seconds(10 * DAY);
        bench.sell_as("scan", 1, |e| {
            e.term = Term::Until(end);
            e.rules.grace = model * DAY as u32;
        });
        let device = bench.activated("d", "scan", 1);
        let run = bench.activations(&device)[0].run.unwrap();
        assert_eq!(u64::from(run.grace), grace * DAY);
        let held = end.plus_seconds(grace * DAY + bench.policy.slack);
        assert_eq!(run.run_out, Some(held));
    }
}

#[test]
fn a_lease_and_a_renewal_of_the_tier_are_in_the_grant() {
    let mut bench = Bench::new();
    bench.sell("scan", 1);
    bench.allow(|rules| {
        rules.lease = NonZeroU32::new(90 * DAY as u32);
        rules.renew_after = Some(60 * DAY as u32);
    });
    let device = bench.activated("d", "scan", 1);
    let payload = bench.world.latest_set(&device.id).unwrap().payload.clone();
    use fleetgrant_schemas::Message as _;
    let grant = fleetgrant_schemas::grant::Grant::decode(&payload).unwrap();
    assert_eq!(u64::from(grant.renew_after), 60 * DAY);
    let leases: Vec<_> = grant
        .entitlements
        .iter()
        .map(|right| right.lease_end)
        .collect();
    assert_eq!(leases, [Some(bench.now.plus_seconds(90 * DAY).seconds())]);
}
