//! Lists, in every order that they offer.

use fleetgrant_core::domain::{
    ActivationState, CampaignId, DeviceState, EntitlementId, EntitlementState, OrderState, PartyId,
    ProductLineId, WebhookId,
};
use fleetgrant_core::event::EventKind;

use super::*;
use crate::report::delay::Cohort;
use crate::report::history::{self, HistoryFilter};
use crate::report::{expiring, operations, stuck};
use crate::store::column::Octets;
use crate::store::listing::{Column, Part, Place, Sort, SortBy, Value};

#[test]
fn a_page_of_a_list_reads_no_more_than_the_page() {
    use listing::{ActivationFilter, DeviceFilter, EntitlementFilter, OrderFilter};
    let ledger = lived();
    let party = || Some(vec![PartyId([1; 16])]);
    let check = |read: &dyn Fn(&mut Db) -> Result<(), StoreError>| {
        let found = faults(&ledger, &[], Sorting::No, read);
        assert!(found.is_empty(), "{found:#?}");
    };
    let activations = |filter: ActivationFilter| {
        check(&move |db| listing::activations(db, &filter, 101).map(drop));
    };
    activations(ActivationFilter {
        device: Some(DeviceId::new("d-1").unwrap()),
        state: Some(ActivationState::Orphaned),
        ..ActivationFilter::default()
    });
    for state in [ActivationState::Suspended, ActivationState::Reserved] {
        activations(ActivationFilter {
            state: Some(state),
            ..ActivationFilter::default()
        });
    }
    activations(ActivationFilter {
        entitlement: Some(EntitlementId([1; 16])),
        ..ActivationFilter::default()
    });
    let devices =
        |filter: DeviceFilter| check(&move |db| listing::devices(db, &filter, 101).map(drop));
    devices(DeviceFilter {
        state: Some(DeviceState::Quarantined),
        ..DeviceFilter::default()
    });
    devices(DeviceFilter {
        owners: party(),
        ..DeviceFilter::default()
    });
    devices(DeviceFilter {
        product_line: Some("devices".to_owned()),
        ..DeviceFilter::default()
    });
    let entitlements = |filter: EntitlementFilter| {
        check(&move |db| listing::entitlements(db, &filter, 101).map(drop));
    };
    entitlements(EntitlementFilter {
        state: Some(EntitlementState::Suspended),
        ..EntitlementFilter::default()
    });
    entitlements(EntitlementFilter {
        reference: Some("x".to_owned()),
        ..EntitlementFilter::default()
    });
    entitlements(EntitlementFilter {
        product: Some("P".to_owned()),
        ..EntitlementFilter::default()
    });
    let orders =
        |filter: OrderFilter| check(&move |db| listing::orders(db, &filter, 101).map(drop));
    orders(OrderFilter {
        state: Some(OrderState::Cancelled),
        ..OrderFilter::default()
    });
    orders(OrderFilter {
        reference: Some("x".to_owned()),
        ..OrderFilter::default()
    });
    check(&|db| {
        let filter = HistoryFilter {
            kinds: vec![EventKind::Orphaned],
            ..HistoryFilter::default()
        };
        history::page(db, &filter, &history::after(1), 101).map(drop)
    });
}

/// Of one stream there are few events, and of one kind very many.
#[test]
fn events_of_a_kind_of_one_device_are_found_by_the_device() {
    let ledger = lived();
    let filter = HistoryFilter {
        stream: Some("device:d-1".to_owned()),
        kinds: vec![EventKind::Reserved],
        ..HistoryFilter::default()
    };
    let steps = steps(&ledger, |db| {
        history::page(db, &filter, &history::after(1), 101).map(drop)
    });
    let by_stream = |(_, detail): &(String, String)| detail.contains("(stream=?");
    assert!(
        steps.is_empty() || steps.iter().any(by_stream),
        "{steps:#?}"
    );
}

/// Few devices of a line may be in a state of which other lines have very many, and the other way.
#[test]
fn devices_of_a_line_in_a_state_are_found_by_both() {
    use listing::DeviceFilter;
    let ledger = lived();
    let in_state = DeviceFilter {
        state: Some(DeviceState::Quarantined),
        ..DeviceFilter::default()
    };
    for filter in [
        DeviceFilter {
            product_line: Some("devices".to_owned()),
            ..in_state.clone()
        },
        DeviceFilter {
            within: Some(ProductLineId([1; 16])),
            ..in_state
        },
    ] {
        let read = |db: &mut Db| listing::devices(db, &filter, 101).map(drop);
        let found = faults(&ledger, &[], Sorting::No, read);
        assert!(found.is_empty(), "{found:#?}");
        let steps = steps(&ledger, read);
        let by_both = |(_, detail): &(String, String)| {
            detail.contains("devices_by_line_and_state (product_line_id=? AND state=?)")
        };
        assert!(steps.is_empty() || steps.iter().any(by_both), "{steps:#?}");
    }
}

/// Reads a list in each order that it offers: its first page, and the one after a place.
fn in_each_order<F: SortBy>(
    ledger: &Ledger,
    sorting: Sorting,
    read: impl Fn(&mut Db, Part<F>) -> Result<(), StoreError>,
) {
    for by in F::ALL.iter().copied() {
        for descending in [false, true] {
            let sort = Sort { by, descending };
            let values = by.columns().iter().map(|column| match column {
                Column::Number(_) => Value::Number(1),
                Column::Text(_) => Value::Text("x".to_owned()),
                Column::Octets(_) => Value::Octets(vec![1; 16]),
            });
            let first = Part::new(sort, None).unwrap();
            let next = Part::after(sort, Place(values.collect()));
            // The first page begins at an end of the index; the next is looked up in it.
            for (part, allowed) in [(first, &GROWING[..]), (next, &[])] {
                let found = faults(ledger, allowed, sorting, |db| read(db, part));
                assert!(found.is_empty(), "{sort}: {found:#?}");
            }
        }
    }
}

#[test]
fn a_page_in_any_order_reads_no_more_than_the_page() {
    use crate::store::{
        activation_code, api_key, batch, campaign, license_model, policy, station, webhook,
    };
    use listing::{
        ActivationFilter, CaseFilter, ContractFilter, DeviceFilter, EntitlementFilter, OrderFilter,
        PartyFilter, PolicyOverrideFilter, ProductFilter, RunFilter, ShipmentFilter, SkuFilter,
    };
    let ledger = lived();
    macro_rules! lists {
        ($($filter:ident => $list:path,)*) => {$(
            in_each_order(&ledger, Sorting::No, |db, part| {
                let filter = $filter { part, ..$filter::default() };
                $list(db, &filter, 101).map(drop)
            });
        )*};
    }
    lists!(
        ActivationFilter => listing::activations,
        CaseFilter => listing::cases,
        DeviceFilter => listing::devices,
        EntitlementFilter => listing::entitlements,
        OrderFilter => listing::orders,
        PartyFilter => listing::parties,
        ProductFilter => listing::products,
        ContractFilter => listing::contracts,
        RunFilter => listing::runs,
        ShipmentFilter => listing::shipments,
    );
    // A page of each of two tables is put together.
    in_each_order(&ledger, Sorting::MayBe, |db, part| {
        let filter = PolicyOverrideFilter {
            part,
            ..PolicyOverrideFilter::default()
        };
        listing::policy_overrides(db, &filter, 101).map(drop)
    });
    // What copies of a page's SKUs give is of the page.
    in_each_order(&ledger, Sorting::MayBe, |db, part| {
        let filter = SkuFilter {
            part,
            ..SkuFilter::default()
        };
        listing::skus(db, &filter, 101).map(drop)
    });
    let no = Sorting::No;
    in_each_order(&ledger, no, |db, part| {
        let filter = api_key::ApiKeyFilter {
            part,
            ..api_key::ApiKeyFilter::default()
        };
        api_key::list(db, &filter, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        let filter = batch::BatchFilter {
            part,
            ..batch::BatchFilter::default()
        };
        batch::list(db, &filter, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        campaign::list(db, None, None, &part, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        license_model::all(db, None, &part, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        let filter = station::StationFilter {
            part,
            ..station::StationFilter::default()
        };
        station::list(db, &filter, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        let filter = webhook::WebhookFilter {
            part,
            ..webhook::WebhookFilter::default()
        };
        webhook::list(db, &filter, 101).map(drop)
    });
    // What a page of packs counts is of its packs.
    in_each_order(&ledger, Sorting::MayBe, |db, part| {
        activation_code::packs(db, None, None, &part, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        let gives = EntitlementId([1; 16]);
        activation_code::single::list(db, ("P", gives), None, &part, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        history::page(db, &HistoryFilter::default(), &part, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        let filter = policy::PolicyFilter {
            part,
            ..policy::PolicyFilter::default()
        };
        policy::list(db, &filter, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        let filter = campaign::DevicesFilter { part, step: None };
        campaign::devices(db, Octets(CampaignId([1; 16])), &filter, 101).map(drop)
    });
    in_each_order(&ledger, no, |db, part| {
        let filter = webhook::DeliveryFilter {
            webhook: Octets(WebhookId([1; 16])),
            state: None,
            part,
        };
        webhook::deliveries(db, &filter, 101).map(drop)
    });
    // Those of one party or one device are few.
    in_each_order(&ledger, Sorting::MayBe, |db, part| {
        let filter = DeviceFilter {
            owners: Some(vec![PartyId([1; 16])]),
            part,
            ..DeviceFilter::default()
        };
        listing::devices(db, &filter, 101).map(drop)
    });
}

/// What many rows have in common is found in the order of its own index, and in no other.
#[test]
fn a_page_of_what_many_have_in_common_is_not_sorted() {
    use listing::{ActivationFilter, DeviceFilter, DeviceSort, EntitlementFilter, OrderFilter};
    let ledger = lived();
    let in_usual_orders = |part: Part<DeviceSort>| {
        let state = DeviceFilter {
            state: Some(DeviceState::Admitted),
            part: part.clone(),
            ..DeviceFilter::default()
        };
        let line = DeviceFilter {
            product_line: Some("devices".to_owned()),
            part,
            ..DeviceFilter::default()
        };
        [state, line]
    };
    for descending in [false, true] {
        let sort = |by| Sort { by, descending };
        for filter in in_usual_orders(Part::new(sort(DeviceSort::Id), None).unwrap()) {
            filter.check().unwrap();
            let found = faults(&ledger, &[], Sorting::No, |db| {
                listing::devices(db, &filter, 101).map(drop)
            });
            assert!(found.is_empty(), "{found:#?}");
        }
        for filter in in_usual_orders(Part::new(sort(DeviceSort::Serial), None).unwrap()) {
            let refused = filter.check().unwrap_err().to_string();
            assert!(
                refused.ends_with("take id or -id, or leave one of both out"),
                "{refused}"
            );
            let of_one = DeviceFilter {
                owners: Some(vec![PartyId([1; 16])]),
                ..filter
            };
            of_one.check().unwrap();
        }
    }
    let refused = [
        ActivationFilter {
            state: Some(ActivationState::Activated),
            part: Part::new("device".parse().unwrap(), None).unwrap(),
            ..ActivationFilter::default()
        }
        .check(),
        EntitlementFilter {
            product: Some("P".to_owned()),
            part: Part::new("-reference".parse().unwrap(), None).unwrap(),
            ..EntitlementFilter::default()
        }
        .check(),
        OrderFilter {
            system: Some("erp".to_owned()),
            part: Part::new("changed_at".parse().unwrap(), None).unwrap(),
            ..OrderFilter::default()
        }
        .check(),
    ];
    assert!(refused.iter().all(Result::is_err), "{refused:?}");
}

#[test]
fn what_is_of_one_thing_or_few_is_found_by_an_index() {
    use listing::{ActivationFilter, CaseFilter, EntitlementFilter, OrderFilter};
    let ledger = lived();
    let party = || Some(vec![PartyId([1; 16])]);
    let check = |allowed: &[&str], read: &dyn Fn(&mut Db) -> Result<(), StoreError>| {
        let found = faults(&ledger, allowed, Sorting::MayBe, read);
        assert!(found.is_empty(), "{found:#?}");
    };
    check(&[], &|db| {
        let filter = ActivationFilter {
            owners: party(),
            ..ActivationFilter::default()
        };
        listing::activations(db, &filter, 101).map(drop)
    });
    check(&[], &|db| {
        let filter = EntitlementFilter {
            owners: party(),
            ..EntitlementFilter::default()
        };
        listing::entitlements(db, &filter, 101).map(drop)
    });
    check(&[], &|db| {
        let filter = OrderFilter {
            parties: party(),
            ..OrderFilter::default()
        };
        listing::orders(db, &filter, 101).map(drop)
    });
    check(&[], &|db| {
        let filter = CaseFilter {
            device: Some(DeviceId::new("d-1").unwrap()),
            ..CaseFilter::default()
        };
        listing::cases(db, &filter, 101).map(drop)
    });
    check(&[], &|db| listing::parties_called(db, "x").map(drop));
    check(&[], &|db| {
        expiring::read(db, None, ledger.now, ledger.now.plus_seconds(400 * DAY)).map(drop)
    });
    check(&[], &|db| {
        let whole = ledger.now..ledger.now.plus_seconds(400 * DAY);
        expiring::page(db, None, &whole, &Part::default(), 101).map(drop)
    });
    // What may be few among all is not looked for.
    for state in [ActivationState::Published, ActivationState::Removed] {
        let mut filter = listing::ActivationFilter {
            state: Some(state),
            ..listing::ActivationFilter::default()
        };
        filter.check().unwrap_err();
        filter.device = Some(DeviceId::new("d-1").unwrap());
        filter.check().unwrap();
        check(&[], &|db| listing::activations(db, &filter, 101).map(drop));
    }
    check(&[], &|db| {
        stuck::stuck(db, None, ledger.now, &stuck::Limits::default(), 100).map(drop)
    });
    // Its groups are of all that was sold.
    check(&["entitlements"], &|db| {
        operations::read(db, None, ledger.now, Cohort::default(), GroupBy::Product).map(drop)
    });
}

/// A list of a small product line is found by what the line has, and put in order.
#[test]
fn a_list_of_a_small_line_reads_what_is_of_the_line() {
    use listing::{
        ActivationFilter, CaseFilter, ContractFilter, EntitlementFilter, OrderFilter, PartyFilter,
        RunFilter, ShipmentFilter,
    };
    let ledger = lists_of_lines::a_large_and_a_small_line();
    let within = ledger.read(|db| crate::store::product_line::by_name(db, "valves"));
    let within = within.map(|line| line.id.0);
    macro_rules! lists {
        ($($filter:ident => $list:path,)*) => {$(
            in_each_order(&ledger, Sorting::MayBe, |db, part| {
                let filter = $filter { part, within, ..$filter::default() };
                $list(db, &filter, 101).map(drop)
            });
            let filter = $filter { within, ..$filter::default() };
            let found = faults(&ledger, &[], Sorting::MayBe, |db| {
                $list(db, &filter, 101).map(drop)
            });
            assert!(found.is_empty(), "{found:#?}");
        )*};
    }
    lists!(
        ActivationFilter => listing::activations,
        CaseFilter => listing::cases,
        EntitlementFilter => listing::entitlements,
        OrderFilter => listing::orders,
        PartyFilter => listing::parties,
        ContractFilter => listing::contracts,
        RunFilter => listing::runs,
        ShipmentFilter => listing::shipments,
    );
}

/// Shipments, contracts and runs, by what of them many have in common and by what few have.
#[test]
fn shipments_contracts_and_runs_are_found_by_their_filters() {
    use fleetgrant_core::domain::{ContractState, OrderId, RunState, ShipmentState};
    use listing::{ContractFilter, RunFilter, ShipmentFilter};
    let ledger = lived();
    let party = || Some(vec![PartyId([1; 16])]);
    macro_rules! each {
        ($sorting:expr, $list:path, [$($filter:expr,)*]) => {$(
            let filter = $filter;
            filter.check().unwrap();
            let found = faults(&ledger, &[], $sorting, |db| $list(db, &filter, 101).map(drop));
            assert!(found.is_empty(), "{found:#?}");
        )*};
    }
    each!(
        Sorting::No,
        listing::shipments,
        [
            ShipmentFilter {
                state: Some(ShipmentState::Returned),
                ..ShipmentFilter::default()
            },
            ShipmentFilter {
                since: Some(ledger.now),
                until: Some(ledger.now.plus_seconds(DAY)),
                ..ShipmentFilter::default()
            },
        ]
    );
    each!(
        Sorting::MayBe,
        listing::shipments,
        [
            ShipmentFilter {
                reference: Some("x".to_owned()),
                ..ShipmentFilter::default()
            },
            ShipmentFilter {
                order: Some(OrderId([1; 16])),
                ..ShipmentFilter::default()
            },
            ShipmentFilter {
                parties: party(),
                ..ShipmentFilter::default()
            },
        ]
    );
    each!(
        Sorting::No,
        listing::contracts,
        [
            ContractFilter {
                state: Some(ContractState::Ended),
                ..ContractFilter::default()
            },
            ContractFilter {
                reference: Some("x".to_owned()),
                ..ContractFilter::default()
            },
        ]
    );
    each!(
        Sorting::MayBe,
        listing::contracts,
        [ContractFilter {
            parties: party(),
            ..ContractFilter::default()
        },]
    );
    each!(
        Sorting::No,
        listing::runs,
        [
            RunFilter {
                state: Some(RunState::Fail),
                ..RunFilter::default()
            },
            RunFilter {
                station: Some("x".to_owned()),
                ..RunFilter::default()
            },
            RunFilter {
                device: Some(DeviceId::new("d-1").unwrap()),
                ..RunFilter::default()
            },
        ]
    );
    each!(
        Sorting::MayBe,
        listing::runs,
        [RunFilter {
            batch: Some("x".to_owned()),
            ..RunFilter::default()
        },]
    );
    let by_id = ShipmentFilter {
        since: Some(ledger.now),
        part: Part::new("id".parse().unwrap(), None).unwrap(),
        ..ShipmentFilter::default()
    };
    by_id.check().unwrap_err();
    let by_device = RunFilter {
        station: Some("x".to_owned()),
        part: Part::new("device".parse().unwrap(), None).unwrap(),
        ..RunFilter::default()
    };
    by_device.check().unwrap_err();
}
