//! The order in which a request names what it wants means nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::ask::{Reason, Want};
use crate::domain::{EntitlementId, ProductId};
use crate::entitlement::Term;
use crate::rule::Rule;
use crate::testkit::{Bench, DAY, denials, want};
use crate::tier::{Beyond, Causes, Permit, Quota, QuotaScope, Temporary};

const FEATURES: [&str; 5] = ["copy", "fax", "print", "scan", "staple"];

/// An entitlement: its feature, its units, and the features whose products it is an addition to.
type Sold = (usize, u32, Vec<usize>);

/// Some are additions to others, to each other and to themselves too.
fn sold() -> impl Strategy<Value = Vec<Sold>> {
    let one = (
        0..FEATURES.len(),
        0..3_u32,
        proptest::collection::vec(0..FEATURES.len(), 0..3),
    );
    proptest::collection::vec(one, 1..8)
}

/// Features, and how many units of each.
type Wanted = Vec<(usize, u32)>;

/// Wants, and the same in another order.
fn wants() -> impl Strategy<Value = (Wanted, Wanted)> {
    let all: Vec<usize> = (0..FEATURES.len()).collect();
    proptest::sample::subsequence(all, 1..=FEATURES.len())
        .prop_flat_map(|features| {
            let count = features.len();
            (Just(features), proptest::collection::vec(1..3_u32, count))
        })
        .prop_map(|(features, totals)| features.into_iter().zip(totals).collect::<Vec<_>>())
        .prop_flat_map(|wants| (Just(wants.clone()), Just(wants).prop_shuffle()))
}

/// The maker's catalogue of a product for each feature, sold as it is said.
fn bench(sold: &[Sold]) -> (Bench, Vec<EntitlementId>) {
    let product = |feature: usize| ProductId([100 + u8::try_from(feature).unwrap(); 16]);
    let mut bench = Bench::new();
    bench.allow(|rules| {
        rules.temporary = Some(Temporary {
            permit: Permit::SelfService(Quota {
                units: 4,
                per_units: None,
                window: "P30D".parse().unwrap(),
                scope: QuotaScope::Customer,
                beyond: Beyond::Refused,
            }),
            days: 7.try_into().unwrap(),
            causes: Causes::Both,
        });
    });
    let ids = sold
        .iter()
        .map(|(feature, units, requires)| {
            bench.sell_as(FEATURES[*feature], *units, |e| {
                e.product = product(*feature);
                e.requires = requires.iter().map(|of| [product(*of)].into()).collect();
            })
        })
        .collect();
    (bench, ids)
}

/// What becomes of each want, and which entitlements it took units of.
type Result = (BTreeMap<String, Option<Rule>>, Vec<u32>, Vec<String>);

fn asked(sold: &[Sold], reason: Reason, wants: &[(usize, u32)]) -> Result {
    let (mut bench, ids) = bench(sold);
    let mut device = bench.admitted("d");
    let wants: Vec<Want> = wants
        .iter()
        .map(|(feature, total)| want(FEATURES[*feature], *total))
        .collect();
    let outcome = bench.ask(&mut device, reason, &wants);
    let verdicts = wants
        .iter()
        .map(|want| format!("{want:?}"))
        .zip(denials(&outcome))
        .collect();
    let live = ids.iter().map(|id| bench.live(*id)).collect();
    let mut features: Vec<String> = device.features().iter().map(|f| (*f).to_owned()).collect();
    features.sort_unstable();
    (verdicts, live, features)
}

proptest! {
    #[test]
    fn the_order_of_wants_changes_nothing(
        sold in sold(),
        (wants, shuffled) in wants(),
        temporary in any::<bool>(),
    ) {
        let reason = if temporary { Reason::Temporary } else { Reason::Upgrade };
        prop_assert_eq!(
            asked(&sold, reason, &wants),
            asked(&sold, reason, &shuffled)
        );
    }

    /// A line of additions, however long and however it is named, is given whole.
    #[test]
    fn a_line_of_additions_is_given_in_whatever_order_it_is_named(
        order in Just((0..FEATURES.len()).collect::<Vec<_>>()).prop_shuffle(),
        named in Just((0..FEATURES.len()).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        // Each but the first is an addition to the one before it.
        let sold: Vec<Sold> = order
            .iter()
            .enumerate()
            .map(|(place, feature)| {
                let before = place.checked_sub(1).map(|place| order[place]);
                (*feature, 1, before.into_iter().collect())
            })
            .collect();
        let wants: Vec<_> = named.iter().map(|feature| (*feature, 1)).collect();
        for reason in [Reason::Upgrade, Reason::Temporary] {
            let sold: Vec<Sold> = sold
                .iter()
                .map(|(feature, _, requires)| {
                    // What has units left needs no stop-gap.
                    let units = u32::from(reason == Reason::Upgrade);
                    (*feature, units, requires.clone())
                })
                .collect();
            let (verdicts, _, features) = asked(&sold, reason, &wants);
            if reason == Reason::Upgrade {
                prop_assert!(verdicts.values().all(Option::is_none), "{verdicts:?}");
                prop_assert_eq!(features.len(), FEATURES.len());
            } else {
                // The quota is four units, whichever they are.
                let denied = verdicts.values().flatten().count();
                prop_assert_eq!((denied, features.len()), (1, 4), "{:?}", verdicts);
            }
        }
    }
}

#[test]
fn an_alternative_is_taken_only_where_what_is_missing_does_not_come() {
    for base_is_sold in [true, false] {
        for names in [["print", "scan"], ["scan", "print"]] {
            let mut bench = Bench::new();
            let end = bench.now.plus_seconds(100 * DAY);
            let base = bench.sell("scan", u32::from(base_is_sold));
            let product = bench.world.entitlement(base).unwrap().product;
            // It ends first, so it goes first.
            let addition = bench.sell_as("print", 1, |e| {
                e.requires = [[product].into()].into();
                e.term = Term::Until(end);
            });
            let alone = bench.sell("print", 1);
            let mut device = bench.admitted("d");
            let wants = names.map(|name| want(name, 1));
            bench.ask(&mut device, Reason::Upgrade, &wants);
            let taken = (bench.live(addition), bench.live(alone));
            let expected = if base_is_sold { (1, 0) } else { (0, 1) };
            assert_eq!(taken, expected, "{names:?}");
        }
    }
}

#[test]
fn two_additions_to_each_other_are_not_given() {
    let mut bench = Bench::new();
    let one = bench.sell_as("print", 1, |e| {
        e.product = ProductId([101; 16]);
        e.requires = [[ProductId([102; 16])].into()].into();
    });
    let other = bench.sell_as("scan", 1, |e| {
        e.product = ProductId([102; 16]);
        e.requires = [[ProductId([101; 16])].into()].into();
    });
    let mut device = bench.admitted("d");
    let wants = [want("scan", 1), want("print", 1)];
    let outcome = bench.ask(&mut device, Reason::Upgrade, &wants);
    let missing = Some(Rule::PrerequisiteMissing);
    assert_eq!(denials(&outcome), [missing, missing]);
    assert_eq!((bench.live(one), bench.live(other)), (0, 0));
}
