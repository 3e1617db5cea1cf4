#![allow(clippy::unwrap_used)]

use fleetgrant_schemas::Message;
use fleetgrant_schemas::ack::{Outcome, OutcomeReason};
use fleetgrant_schemas::entitlement::EndEffect;
use fleetgrant_schemas::grant::Grant;

use super::*;
use crate::activation::Standing;
use crate::ask::{Exception, Reason, SignedAck};
use crate::domain::{ActivationState, EntitlementId, EntitlementState, FeatureName, RemovalReason};
use crate::entitlement::Term;
use crate::rule::Rule;
use crate::testkit::{Bench, DAY, denials, want};

fn feature(uses: Option<u64>) -> Feature {
    Feature {
        name: FeatureName::new("scan").unwrap(),
        version_ceiling: None,
        essential: false,
        uses,
        vendor_data: Vec::new(),
    }
}

#[test]
fn what_is_shipped_contradicts_nothing_and_is_read_back_as_written() {
    for model in shipped() {
        let text = toml::to_string(&model).unwrap();
        let mut read: Model = toml::from_str(&text).unwrap();
        read.rules.model = model.rules.model;
        assert_eq!(read, model, "{text}");
        assert_eq!(model.clone().checked(), Ok(model));
    }
}

#[test]
fn rules_stored_before_there_were_more_of_them_say_the_same() {
    let old = "grace_seconds = 1209600\nreturns_credit = true\n";
    let read: Model = toml::from_str(old).unwrap();
    let mut subscription = ModelRules::of(LicenseModel::Subscription);
    subscription.model = LicenseModel::Perpetual;
    assert_eq!(read.rules, subscription);
    assert_eq!((read.version, read.sale.renewal), (1, Renewal::End));
}

#[test]
fn a_model_that_contradicts_itself_is_refused_with_the_reason() {
    use LicenseModel::{Counted, Evaluation, Metered, Perpetual, Subscription};
    type Change = fn(&mut Model);
    let cases: [(LicenseModel, Change, Contradiction); 20] = [
        (
            Perpetual,
            |m| m.sale.term = TermRule::Given,
            Contradiction::PerpetualWithTerm,
        ),
        (
            Subscription,
            |m| m.sale.term = TermRule::None,
            Contradiction::NeverEnds {
                kind: Subscription,
                term: TermRule::None,
            },
        ),
        (
            Subscription,
            |m| m.sale.term = TermRule::Either,
            Contradiction::NeverEnds {
                kind: Subscription,
                term: TermRule::Either,
            },
        ),
        (
            Evaluation,
            |m| m.sale.term = TermRule::Either,
            Contradiction::NeverEnds {
                kind: Evaluation,
                term: TermRule::Either,
            },
        ),
        (
            Perpetual,
            |m| m.rules.grace = 1,
            Contradiction::AfterNoEnd("grace_days"),
        ),
        (
            Perpetual,
            |m| m.rules.at_end = AtEnd::Warn,
            Contradiction::AfterNoEnd("at_end"),
        ),
        (
            Perpetual,
            |m| m.rules.at_end = AtEnd::NextBoot,
            Contradiction::AfterNoEnd("at_end"),
        ),
        (
            Subscription,
            |m| m.rules.grace = u32::MAX,
            Contradiction::TooLarge {
                field: "grace_days",
                most: 3_660,
            },
        ),
        (
            Subscription,
            |m| m.rules.returns_credit = false,
            Contradiction::MoveWithoutReturn,
        ),
        (
            Counted,
            |m| m.rules.returns_credit = true,
            Contradiction::CountReturned,
        ),
        (
            Counted,
            |m| m.rules.counted = false,
            Contradiction::NotCounted,
        ),
        (
            Counted,
            |m| m.rules.metered = false,
            Contradiction::CountedUnreported,
        ),
        (
            Subscription,
            |m| m.rules.metered = true,
            Contradiction::NotCountedOnDevices(Subscription),
        ),
        (
            Subscription,
            |m| m.rules.uses = Some(5),
            Contradiction::UsesUncounted("uses"),
        ),
        (
            Subscription,
            |m| m.rules.uses_overdraft_percent = 5,
            Contradiction::UsesUncounted("uses_overdraft_percent"),
        ),
        (
            Metered,
            |m| m.rules.uses_overdraft_percent = 5,
            Contradiction::OverdraftOfNoLimit,
        ),
        (
            Counted,
            |m| m.rules.uses_overdraft_percent = 1_001,
            Contradiction::TooLarge {
                field: "uses_overdraft_percent",
                most: 1_000,
            },
        ),
        (
            Evaluation,
            |m| m.rules.trial = Trial::No,
            Contradiction::NoTrial,
        ),
        (
            Subscription,
            |m| m.rules.trial = Trial::Once,
            Contradiction::TrialOfAnotherKind,
        ),
        (
            Evaluation,
            |m| m.sale.renewal = Renewal::End,
            Contradiction::TrialRenewed,
        ),
    ];
    for (kind, change, contradiction) in cases {
        let mut model = Model::of(kind);
        change(&mut model);
        assert_eq!(model.checked(), Err(contradiction));
    }
    let mut early = Model::of(Evaluation);
    early.sale.start_basis = StartBasis::Order;
    assert_eq!(early.checked(), Err(Contradiction::TrialBeforeItIsTried));
}

#[test]
fn terms_are_read_back_as_they_are_written() {
    for text in ["none", "given", "either", "P18M", "P90D", "P1M15D"] {
        let rule: TermRule = text.parse().unwrap();
        assert_eq!(rule.to_string(), text);
    }
    assert_eq!("P1Y".parse::<TermRule>().unwrap().usual().unwrap(), "P12M");
    for text in ["", "P", "PT5H", "-P1Y", "P101Y", "sometimes"] {
        assert!(text.parse::<TermRule>().is_err(), "{text}");
    }
}

#[test]
fn a_device_is_told_a_count_where_it_is_to_stop() {
    let told = |kind, rules: &dyn Fn(&mut ModelRules), uses| {
        let mut model = ModelRules::of(kind);
        rules(&mut model);
        model.count(&feature(uses), 3)
    };
    let hundred = |rules: &mut ModelRules| rules.uses = Some(100);
    assert_eq!(told(LicenseModel::Counted, &hundred, None), Some(300));
    assert_eq!(told(LicenseModel::Counted, &hundred, Some(7)), Some(21));
    let tolerant = |rules: &mut ModelRules| {
        rules.uses = Some(100);
        rules.uses_overdraft_percent = 15;
    };
    assert_eq!(told(LicenseModel::Counted, &tolerant, None), Some(345));
    assert_eq!(
        told(LicenseModel::Counted, &tolerant, Some(u64::MAX)),
        Some(u64::MAX)
    );
    // Who pays by use is not stopped.
    assert_eq!(told(LicenseModel::Metered, &hundred, Some(7)), None);
    // A product whose uses are counted, whatever the model.
    assert_eq!(told(LicenseModel::Perpetual, &|_| {}, Some(7)), Some(21));
    assert_eq!(told(LicenseModel::Perpetual, &|_| {}, None), None);
}

#[test]
fn what_warns_at_its_end_goes_on_and_keeps_its_unit() {
    let mut bench = Bench::new();
    let ends = bench.now.plus_seconds(DAY);
    let warns = bench.sell_as("scan", 1, |e| {
        e.rules = ModelRules {
            at_end: AtEnd::Warn,
            ..ModelRules::of(LicenseModel::Subscription)
        };
        e.term = Term::Until(ends);
    });
    let stops = bench.sell_as("print", 1, |e| e.term = Term::Until(ends));
    let mut device = bench.admitted("d");
    bench.ask(
        &mut device,
        Reason::Upgrade,
        &[want("scan", 1), want("print", 1)],
    );
    let runs: Vec<_> = bench.activations(&device);
    let run_out = |sold| {
        let activation = runs.iter().find(|a| a.entitlement == sold).unwrap();
        activation.run.unwrap().run_out
    };
    assert_eq!(run_out(warns), None);
    assert!(run_out(stops).is_some());
    bench.wait(100 * DAY);
    bench.tick(&device);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!(device.features(), ["scan"]);
    assert_eq!((bench.live(warns), bench.live(stops)), (1, 0));
    // Nobody gets it anew.
    let mut other = bench.admitted("other");
    let outcome = bench.ask(&mut other, Reason::Upgrade, &[want("scan", 1)]);
    assert_eq!(denials(&outcome), [Some(Rule::Expired)]);
    // What is revoked goes.
    bench.world.entitlement_mut(warns).unwrap().revoked_from = Some(bench.now);
    bench.ask(&mut device, Reason::Boot, &[]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert!(device.features().is_empty());
    assert_eq!(bench.live(warns), 0);
}

/// A device that has something until it next starts, and that day has passed; the acknowledgement of
/// its set, to be sent again, and what was sold.
fn past_its_end() -> (Bench, crate::testkit::Handset, EntitlementId) {
    let mut bench = Bench::new();
    let ends = bench.now.plus_seconds(DAY);
    let sold = bench.sell_as("scan", 2, |e| {
        e.rules = ModelRules {
            at_end: AtEnd::NextBoot,
            ..ModelRules::of(LicenseModel::Subscription)
        };
        e.term = Term::Until(ends);
    });
    let device = bench.activated("d", "scan", 1);
    bench.wait(100 * DAY);
    bench.tick(&device);
    (bench, device, sold)
}

fn ended(bench: &Bench, device: &mut crate::testkit::Handset) -> SignedAck {
    let mut ack = device.acknowledgement();
    ack.ack.exceptions = vec![Exception {
        activation: bench.activations(device)[0].id,
        outcome: Outcome::Refused,
        reason: OutcomeReason::Ended,
    }];
    ack
}

#[test]
fn what_ends_at_the_next_boot_keeps_its_unit_until_the_device_says_that_it_has() {
    let (mut bench, mut device, sold) = past_its_end();
    // The machine may run on, so time frees nothing; and each set says that it may.
    assert_eq!(bench.activations(&device)[0].run.unwrap().run_out, None);
    let outcome = bench.ask(&mut device, Reason::Renew, &[]);
    let payload = outcome.issued.unwrap().payload;
    let grant = Grant::decode(&payload).unwrap();
    let right = grant.entitlements.iter().next().unwrap();
    assert_eq!(right.end_effect, Some(EndEffect::NextBoot));
    let grace = u64::from(right.grace.unwrap_or(0));
    assert!(right.end.unwrap() + grace < bench.now.seconds());
    assert_eq!((device.features(), bench.live(sold)), (vec!["scan"], 1));
    // Nobody gets it anew.
    let mut other = bench.admitted("other");
    let outcome = bench.ask(&mut other, Reason::Upgrade, &[want("scan", 1)]);
    assert_eq!(denials(&outcome), [Some(Rule::Expired)]);

    // It started, and says so.
    let ack = ended(&bench, &mut device);
    let outcome = bench.acknowledge(&device, &ack);
    assert_eq!(outcome.answer, crate::outcome::Answer::Grant);
    assert_eq!(bench.live(sold), 1, "until the set without it is proven");
    let standing = bench.activations(&device)[0].standing;
    assert_eq!(standing.removal_reason(), Some(RemovalReason::Expire));
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.live(sold), 0);
}

#[test]
fn a_word_that_it_ended_does_nothing_to_what_was_renewed_meanwhile() {
    let (mut bench, mut device, sold) = past_its_end();
    let later = bench.now.plus_seconds(DAY);
    bench.world.entitlement_mut(sold).unwrap().term = Term::Until(later);
    let ack = ended(&bench, &mut device);
    bench.acknowledge(&device, &ack);
    assert_eq!(bench.states(&device), [ActivationState::Activated]);
    bench.ask(&mut device, Reason::Boot, &[]);
    assert_eq!((device.features(), bench.live(sold)), (vec!["scan"], 1));
}

#[test]
fn what_was_suspended_past_its_end_is_not_given_again_and_a_revocation_does_not_wait() {
    let (mut bench, mut device, sold) = past_its_end();
    bench.world.entitlement_mut(sold).unwrap().state = EntitlementState::Suspended;
    bench.ask(&mut device, Reason::Renew, &[]);
    assert!(device.features().is_empty());
    bench.world.entitlement_mut(sold).unwrap().state = EntitlementState::Active;
    let refreshed = bench.operate(&device, |snapshot, ctx, dice| {
        crate::operator::refresh(snapshot, ctx, dice, false).map(Option::unwrap)
    });
    assert!(refreshed.is_ok());
    let ack = bench.push(&mut device).unwrap();
    bench.acknowledge(&device, &ack);
    assert!(device.features().is_empty());
    assert_eq!(bench.live(sold), 0);

    let (mut bench, mut device, sold) = past_its_end();
    bench.world.entitlement_mut(sold).unwrap().revoked_from = Some(bench.now);
    bench.ask(&mut device, Reason::Renew, &[]);
    assert!(device.features().is_empty());
}

#[test]
fn an_essential_feature_outlives_the_end_of_what_gives_it() {
    let mut bench = Bench::new();
    let ends = bench.now.plus_seconds(DAY);
    bench.sell_as("scan", 1, |e| {
        e.term = Term::Until(ends);
        let other = Feature {
            name: FeatureName::new("alarm").unwrap(),
            essential: true,
            ..feature(None)
        };
        e.features = [feature(None), other].into();
    });
    let mut device = bench.admitted("d");
    bench.ask(&mut device, Reason::Upgrade, &[want("scan", 1)]);
    bench.wait(10 * DAY);
    let outcome = bench.ask(&mut device, Reason::Boot, &[]);
    let issued = outcome.issued.unwrap();
    let grant = Grant::decode(&issued.payload).unwrap();
    let [activation] = &bench.activations(&device)[..] else {
        panic!("there is one activation");
    };
    assert_eq!(activation.standing, Standing::Activated);
    let grace = |name: &str| {
        let mut rights = grant.entitlements.iter();
        let right = rights.find(|right| right.feature == name).unwrap();
        (right.end, right.grace)
    };
    assert_eq!(grace("scan"), (Some(ends.seconds()), None));
    assert_eq!(grace("alarm"), (Some(ends.seconds()), Some(u32::MAX)));
}

#[test]
fn what_is_paid_by_use_is_given_to_nobody_else_once_its_uses_are_spent() {
    let mut bench = Bench::new();
    let sold = bench.sell_as("scan", 2, |e| {
        e.rules = ModelRules {
            uses: Some(10),
            uses_overdraft_percent: 20,
            ..ModelRules::of(LicenseModel::Metered)
        };
    });
    let mut device = bench.activated("d", "scan", 1);
    let id = bench.activations(&device)[0].id;
    let mut used = |bench: &mut Bench, total| {
        let activation = id;
        device.usage = vec![crate::ask::Usage { activation, total }];
        bench.ask(&mut device, Reason::Boot, &[]);
        bench.world.entitlement(sold).unwrap().used
    };
    // 20 uses, and 4 that are tolerated.
    assert_eq!(used(&mut bench, 23), 23);
    assert_eq!(used(&mut bench, 5), 23);
    let mut other = bench.admitted("other");
    let ask = |bench: &mut Bench, other: &mut crate::testkit::Handset| {
        denials(&bench.ask(other, Reason::Upgrade, &[want("scan", 1)]))
    };
    assert_eq!(used(&mut bench, 24), 24);
    assert_eq!(ask(&mut bench, &mut other), [Some(Rule::UsesSpent)]);
    // What was ordered since gives more.
    bench.world.entitlement_mut(sold).unwrap().quantity = Quantity::Units(3);
    assert_eq!(ask(&mut bench, &mut other), [None]);
    assert_eq!(other.features(), ["scan"]);
    let kind = crate::event::EventKind::UsageReported;
    assert_eq!(bench.count(kind), 2);
}
