//! Campaigns on a ledger whose devices answer: what is counted is what devices signed for.

use std::sync::Arc;

use fleetgrant_core::campaign::{CampaignState, Command, DeviceStep, Failing, WaveState};
use fleetgrant_core::context::Authority;
use fleetgrant_core::domain::{Epoch, HoldReason, Realm};
use fleetgrant_core::lifecycle::EntitlementAct;
use fleetgrant_core::policy::Policy;
use fleetgrant_core::rule::Rule;

use super::*;
use crate::activation::Rules;
use crate::campaign::{CampaignError, Campaigns, InvalidTerms, PlanTerms, Selection, Terms};
use crate::clock::Clock;
use crate::lifecycle::Deed;
use crate::operator::{Effects, Operator};
use crate::report::first::Lineages;
use crate::store::campaign::{self as store, DevicesFilter, Row};
use crate::store::conversation::Cache;
use crate::store::entitlement;
use crate::store::listing::Part;

/// Five admitted devices of one customer, who owns three units of one product.
fn fleet() -> Ledger {
    fleet_with(3)
}

/// As [`fleet`], with so many units.
fn fleet_with(units: u32) -> Ledger {
    let mut ledger = Ledger::new();
    ledger.import(Kind::Products, "product,title,feature\nP,Pump,pump\n");
    ledger.import(
        Kind::Skus,
        "sku,title,product,model,term,start_basis\nPUMP,Pump,P,perpetual,,fixed\n",
    );
    ledger.import(Kind::Parties, "system,party,name\nerp,C-1,Acme\n");
    ledger.import(
        Kind::Orders,
        &format!(
            "system,order,ordered_at,sold_to,line,sku,quantity,purpose\n\
             erp,O-1,2026-10-20,C-1,1,PUMP,{units},production\n"
        ),
    );
    let serials = (1..=5).map(|serial| format!("{serial},erp,C-1,pump-1\n"));
    let manifest: String = serials.collect();
    ledger.import(
        Kind::Manifest,
        &format!("serial,system,owner,hwmodel\n{manifest}"),
    );
    for device in 1..=5 {
        ledger.ask(device, &[]);
        ledger.wait(1);
        ledger.ask(device, &[]);
    }
    ledger
}

pub(super) fn rules() -> Arc<Rules> {
    Arc::new(Rules {
        authority: Authority {
            realm: Realm::new("test").unwrap(),
            epoch: Epoch(1),
        },
        policy: Policy::default(),
        cache: Cache::default(),
    })
}

fn operator(ledger: &Ledger) -> Operator {
    Operator {
        store: ledger.store.clone(),
        rules: rules(),
        clock: Clock::manual(ledger.now).0,
        actor: "tester".to_owned(),
    }
}

fn terms(name: &str, waves: &[&str]) -> Terms {
    Terms {
        name: name.to_owned(),
        give: Some("O-1/1/P/perpetual".to_owned()),
        total: None,
        take: None,
        take_product: None,
        upgrade_to: None,
        devices: Selection {
            customers: vec!["Acme".to_owned()],
            models: vec!["pump-1".to_owned()],
            ..Selection::default()
        },
        plan: PlanTerms {
            waves: waves.iter().map(|wave| (*wave).to_owned()).collect(),
            failure: "50%".to_owned(),
            ..PlanTerms::default()
        },
    }
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

fn round(ledger: &Ledger) {
    let campaigns = Campaigns {
        store: ledger.store.clone(),
        rules: rules(),
        clock: Clock::manual(ledger.now).0,
    };
    wait_for(campaigns.round(ledger.now)).unwrap();
}

fn row(ledger: &Ledger, name: &str) -> Row {
    let name = name.to_owned();
    let found = ledger
        .store
        .read_blocking("t", move |db| store::called(db, &name));
    found.unwrap().unwrap()
}

fn stands(ledger: &Ledger, name: &str) -> Vec<(WaveState, u64, u64, u64, u64)> {
    let row = row(ledger, name);
    let campaign = ledger
        .store
        .read_blocking("t", move |db| store::load(db, &row));
    let waves = campaign.unwrap().waves.into_iter().map(|wave| {
        let tally = wave.tally;
        (
            wave.state,
            wave.size,
            tally.drawn,
            tally.succeeded,
            tally.failed,
        )
    });
    waves.collect()
}

fn in_step(ledger: &Ledger, name: &str, step: DeviceStep) -> Vec<u8> {
    let row = row(ledger, name);
    let filter = DevicesFilter {
        step: Some(step),
        part: Part::default(),
    };
    let rows = ledger
        .store
        .read_blocking("t", move |db| store::devices(db, row.id, &filter, 100))
        .unwrap();
    let serial = |id: String| id.trim_start_matches("d-").parse().unwrap();
    rows.into_iter().map(|row| serial(row.device_id)).collect()
}

/// Devices that were given something ask, and sign for what they get.
fn all_answer(ledger: &mut Ledger, name: &str) {
    for device in in_step(ledger, name, DeviceStep::Sent) {
        ledger.activate(device, &[]);
    }
}

#[test]
fn waves_go_on_with_signatures_and_stop_at_the_rule_that_denies() {
    let mut ledger = fleet();
    let operator = operator(&ledger);
    let asked = terms("pumps", &["2"]);
    let selection = asked.devices.clone();
    wait_for(operator.preview_campaign(asked.clone())).unwrap();
    assert_eq!(
        ledger.read(move |db| store::count_fitting(db, &selection)),
        5
    );
    wait_for(operator.create_campaign(asked)).unwrap();
    round(&ledger);
    assert_eq!(row(&ledger, "pumps").state.0, CampaignState::Ready);
    wait_for(operator.tell_campaign("pumps", Command::Start)).unwrap();
    round(&ledger);
    use WaveState::{Failed, Passed, Planned, Running};
    assert_eq!(
        stands(&ledger, "pumps"),
        [(Running, 2, 2, 0, 0), (Planned, 3, 0, 0, 0)]
    );
    round(&ledger);
    assert_eq!(stands(&ledger, "pumps")[1].0, Planned, "nobody has signed");
    all_answer(&mut ledger, "pumps");
    ledger.wait(60);
    round(&ledger);
    round(&ledger);
    // Three more want the one unit that is left.
    all_answer(&mut ledger, "pumps");
    round(&ledger);
    assert_eq!(
        stands(&ledger, "pumps"),
        [(Passed, 2, 2, 2, 0), (Failed, 3, 3, 1, 2)]
    );
    let paused = row(&ledger, "pumps");
    assert_eq!(paused.state.0, CampaignState::Paused);
    let id = paused.id;
    let failures = ledger
        .store
        .read_blocking("t", move |db| store::failures(db, id));
    assert_eq!(
        failures.unwrap(),
        [(Failing::Denied, Some(Rule::NoUnitsLeft), 2)]
    );
    wait_for(operator.tell_campaign("pumps", Command::Resume)).unwrap();
    round(&ledger);
    assert_eq!(row(&ledger, "pumps").state.0, CampaignState::Finished);

    // As many as the history says.
    let activated = ledger.exported().matches(r#""kind":"activated""#).count();
    assert_eq!(activated, 3);
    let again = wait_for(operator.create_campaign(terms("pumps", &[]))).unwrap_err();
    assert!(matches!(again, CampaignError::NameTaken(_)));
}

#[test]
fn a_device_that_is_silent_counts_as_failed_until_it_signs() {
    let mut ledger = fleet();
    let operator = operator(&ledger);
    let mut slow = terms("slow", &["1"]);
    slow.plan.patience_seconds = 3_600;
    wait_for(operator.create_campaign(slow)).unwrap();
    round(&ledger);
    wait_for(operator.tell_campaign("slow", Command::Start)).unwrap();
    round(&ledger);
    let sent = in_step(&ledger, "slow", DeviceStep::Sent);
    ledger.wait(3_601);
    round(&ledger);
    assert_eq!(in_step(&ledger, "slow", DeviceStep::Silent), sent);
    assert_eq!(stands(&ledger, "slow")[0], (WaveState::Failed, 1, 1, 0, 1));
    ledger.activate(sent[0], &[]);
    round(&ledger);
    assert_eq!(in_step(&ledger, "slow", DeviceStep::Succeeded), sent);
    wait_for(operator.tell_campaign("slow", Command::Resume)).unwrap();
    round(&ledger);
    assert_eq!(stands(&ledger, "slow")[0], (WaveState::Passed, 1, 1, 1, 0));
    wait_for(operator.tell_campaign("slow", Command::Abort)).unwrap();
    round(&ledger);
    assert_eq!(row(&ledger, "slow").state.0, CampaignState::Aborted);
}

/// A straggler of the first wave and all of the second are silent for too long at once.
#[test]
fn two_waves_that_fail_in_one_tick_pause_it_once() {
    let mut ledger = fleet_with(5);
    let operator = operator(&ledger);
    let mut both = terms("both", &["2"]);
    both.plan.success = "50%".to_owned();
    both.plan.patience_seconds = 3_600;
    wait_for(operator.create_campaign(both)).unwrap();
    round(&ledger);
    wait_for(operator.tell_campaign("both", Command::Start)).unwrap();
    round(&ledger);
    let first = in_step(&ledger, "both", DeviceStep::Sent);
    ledger.activate(first[0], &[]);
    for _ in 0..3 {
        ledger.wait(60);
        round(&ledger);
    }
    let waves = stands(&ledger, "both");
    assert_eq!((waves[0].2, waves[0].3), (2, 1), "one has signed");
    assert_eq!((waves[1].2, waves[1].3), (3, 0), "the second has begun");
    ledger.wait(3_601);
    round(&ledger);
    let waves = stands(&ledger, "both");
    let failed = |wave: &(WaveState, u64, u64, u64, u64)| (wave.0, wave.4);
    assert_eq!(
        [failed(&waves[0]), failed(&waves[1])],
        [(WaveState::Failed, 1), (WaveState::Failed, 3)]
    );
    assert_eq!(row(&ledger, "both").state.0, CampaignState::Paused);
    round(&ledger);
    let paused = ledger
        .exported()
        .matches(r#""kind":"campaign-paused""#)
        .count();
    assert_eq!(paused, 1);
    // What failed is excused, and all of them sign late.
    wait_for(operator.tell_campaign("both", Command::Resume)).unwrap();
    for device in in_step(&ledger, "both", DeviceStep::Silent) {
        ledger.activate(device, &[]);
    }
    for _ in 0..2 {
        round(&ledger);
    }
    assert_eq!(row(&ledger, "both").state.0, CampaignState::Finished);
    assert_eq!(in_step(&ledger, "both", DeviceStep::Succeeded).len(), 5);
}

/// Five devices that have a unit each, of a product that another replaces.
fn fleet_to_upgrade() -> Ledger {
    fleet_to_upgrade_of(6)
}

/// As [`fleet_to_upgrade`], with so many units.
fn fleet_to_upgrade_of(units: u32) -> Ledger {
    let mut ledger = fleet_with(units);
    ledger.import(
        Kind::Products,
        "product,title,feature,replaces\nP2,Pump 2,pump,P\nQ,Scan,scan,\n",
    );
    for device in 1..=5 {
        ledger.activate(device, &[("pump", 1)]);
    }
    ledger.wait(60);
    ledger
}

fn upgrade_terms(name: &str, waves: &[&str]) -> Terms {
    Terms {
        give: None,
        take_product: Some("P".to_owned()),
        upgrade_to: Some("P2".to_owned()),
        ..terms(name, waves)
    }
}

/// What was sold of an entitlement, and is in use.
fn stock(ledger: &Ledger, reference: &str) -> (u32, u32) {
    let id = ledger.entitlement(reference);
    let found = ledger.read(move |db| entitlement::find(db, id)).unwrap();
    let stock = found.stock().unwrap();
    (stock.sold(), stock.live)
}

#[test]
fn an_upgrade_moves_the_units_of_each_wave_and_leaves_the_others_theirs() {
    const OLD: &str = "O-1/1/P/perpetual";
    const NEW: &str = "O-1/1/P/perpetual/two";
    let mut ledger = fleet_to_upgrade();
    let operator = operator(&ledger);
    wait_for(operator.create_campaign(upgrade_terms("two", &["2"]))).unwrap();
    round(&ledger);
    wait_for(operator.tell_campaign("two", Command::Start)).unwrap();
    round(&ledger);
    // Until they sign, the old ones are taken as well.
    assert_eq!((stock(&ledger, OLD), stock(&ledger, NEW)), ((4, 5), (2, 2)));
    wait_for(operator.tell_campaign("two", Command::Pause)).unwrap();
    all_answer(&mut ledger, "two");
    ledger.wait(60);
    round(&ledger);
    assert_eq!((stock(&ledger, OLD), stock(&ledger, NEW)), ((4, 3), (2, 2)));
    wait_for(operator.tell_campaign("two", Command::Resume)).unwrap();
    for _ in 0..4 {
        round(&ledger);
        all_answer(&mut ledger, "two");
        ledger.wait(60);
    }
    round(&ledger);
    assert_eq!(row(&ledger, "two").state.0, CampaignState::Finished);
    assert_eq!((stock(&ledger, OLD), stock(&ledger, NEW)), ((1, 0), (5, 5)));
    // Each unit that went over is in both histories, and every device has one lineage.
    let exported = ledger.exported();
    let told = exported
        .matches(r#""kind":"entitlement-superseded""#)
        .count();
    assert_eq!(told, 2 * 5);
    let begin = Timestamp::from_micros(0);
    let first = ledger.read(move |db| Lineages::read(db, true, None)?.units_since(db, Some(begin)));
    assert_eq!(first, 5);
}

/// Eight units of which five are in use.
#[test]
fn free_units_go_along_when_the_upgrade_has_finished_and_not_before() {
    const OLD: &str = "O-1/1/P/perpetual";
    const NEW: &str = "O-1/1/P/perpetual/two";
    let mut ledger = fleet_to_upgrade_of(8);
    let operator = operator(&ledger);
    let mut terms = upgrade_terms("two", &["2"]);
    terms.plan.move_free_units = true;
    let gives = Terms {
        take_product: None,
        upgrade_to: None,
        give: Some(OLD.to_owned()),
        ..terms.clone()
    };
    let reason = wait_for(operator.create_campaign(gives)).unwrap_err();
    assert!(
        matches!(reason, CampaignError::Terms(InvalidTerms::MovesNothing)),
        "{reason}"
    );
    wait_for(operator.create_campaign(terms)).unwrap();
    round(&ledger);
    wait_for(operator.tell_campaign("two", Command::Start)).unwrap();
    round(&ledger);
    let sold = |ledger: &Ledger| [OLD, NEW].map(|reference| stock(ledger, reference).0);
    assert_eq!(sold(&ledger), [6, 2]);
    for _ in 0..4 {
        all_answer(&mut ledger, "two");
        ledger.wait(60);
        round(&ledger);
    }
    assert_eq!(row(&ledger, "two").state.0, CampaignState::Finished);
    assert_eq!((stock(&ledger, OLD), stock(&ledger, NEW)), ((0, 0), (8, 5)));
    let exported = ledger.exported();
    let told = exported.matches(r#""kind":"entitlement-superseded""#);
    assert_eq!(told.count(), 2 * 5 + 2);
    assert!(exported.contains(r#""free-units":3"#), "{exported}");
    // Once.
    round(&ledger);
    assert_eq!(stock(&ledger, NEW), (8, 5));
}

/// What a device keeps of the old one stays with it, and so does its unit.
#[test]
fn units_of_devices_that_were_not_upgraded_stay_when_free_ones_go() {
    const OLD: &str = "O-1/1/P/perpetual";
    let mut ledger = fleet_to_upgrade_of(8);
    let operator = operator(&ledger);
    let mut terms = upgrade_terms("two", &[]);
    terms.plan.move_free_units = true;
    terms.devices = Selection {
        ids: vec!["d-1".to_owned(), "d-2".to_owned()],
        ..Selection::default()
    };
    wait_for(operator.create_campaign(terms)).unwrap();
    round(&ledger);
    wait_for(operator.tell_campaign("two", Command::Start)).unwrap();
    for _ in 0..3 {
        round(&ledger);
        all_answer(&mut ledger, "two");
        ledger.wait(60);
    }
    round(&ledger);
    assert_eq!(row(&ledger, "two").state.0, CampaignState::Finished);
    let new = stock(&ledger, "O-1/1/P/perpetual/two");
    assert_eq!((stock(&ledger, OLD), new), ((3, 3), (5, 2)));
}

/// They would be nobody's there.
#[test]
fn free_units_do_not_go_where_nothing_more_is_given() {
    const OLD: &str = "O-1/1/P/perpetual";
    let mut ledger = fleet_to_upgrade_of(8);
    let operator = operator(&ledger);
    let mut terms = upgrade_terms("two", &[]);
    terms.plan.move_free_units = true;
    terms.devices = Selection {
        ids: vec!["d-1".to_owned(), "d-2".to_owned()],
        ..Selection::default()
    };
    wait_for(operator.create_campaign(terms)).unwrap();
    round(&ledger);
    wait_for(operator.tell_campaign("two", Command::Start)).unwrap();
    round(&ledger);
    assert_eq!(stock(&ledger, "O-1/1/P/perpetual/two"), (2, 2));
    all_answer(&mut ledger, "two");
    let id = ledger.entitlement("O-1/1/P/perpetual/two");
    let end = Deed::Act(EntitlementAct::Revoke { at: ledger.now });
    wait_for(operator.act_on(id, end, Effects::Kept)).unwrap();
    for _ in 0..4 {
        ledger.wait(60);
        round(&ledger);
    }
    assert_eq!(row(&ledger, "two").state.0, CampaignState::Finished);
    let new = stock(&ledger, "O-1/1/P/perpetual/two");
    assert_eq!((stock(&ledger, OLD).0, new.0), (6, 2));
    assert!(ledger.exported().contains(r#""kept":1"#));
}

#[test]
fn an_upgrade_takes_nothing_where_nothing_new_is_given() {
    let ledger = fleet_to_upgrade();
    let operator = operator(&ledger);
    let id = ledger.entitlement("O-1/1/P/perpetual");
    let hold = Deed::Act(EntitlementAct::Hold(HoldReason::Operator));
    wait_for(operator.act_on(id, hold, Effects::Kept)).unwrap();
    wait_for(operator.create_campaign(upgrade_terms("two", &[]))).unwrap();
    round(&ledger);
    wait_for(operator.tell_campaign("two", Command::Start)).unwrap();
    round(&ledger);
    let campaign = row(&ledger, "two").id;
    let failures = ledger.read(move |db| store::failures(db, campaign));
    assert_eq!(failures, [(Failing::Denied, Some(Rule::Hold), 5)]);
    assert_eq!(stock(&ledger, "O-1/1/P/perpetual"), (6, 5));
}

#[test]
fn only_what_replaces_a_product_is_an_upgrade_of_it() {
    let ledger = fleet_to_upgrade();
    let operator = operator(&ledger);
    let refused = |terms| wait_for(operator.create_campaign(terms)).unwrap_err();
    let other = Terms {
        upgrade_to: Some("Q".to_owned()),
        ..upgrade_terms("q", &[])
    };
    assert!(matches!(refused(other), CampaignError::Unfit { .. }));
    let nothing = Terms {
        take_product: None,
        ..upgrade_terms("n", &[])
    };
    let gives = Terms {
        give: Some("O-1/1/P/perpetual".to_owned()),
        ..upgrade_terms("g", &[])
    };
    for terms in [nothing, gives] {
        let reason = refused(terms);
        assert!(
            matches!(reason, CampaignError::Terms(InvalidTerms::UpgradesNothing)),
            "{reason}"
        );
    }
}

/// Another entitlement in the place of what the devices have.
#[test]
fn an_exchange_brings_the_new_right_in_the_set_that_leaves_the_old_one_out() {
    let mut ledger = fleet_to_upgrade();
    ledger.import(
        Kind::Entitlements,
        "system,entitlement,owner,product,model,units\nerp,Q-1,C-1,Q,perpetual,4\n",
    );
    let operator = operator(&ledger);
    let mut exchange = Terms {
        give: Some("Q-1".to_owned()),
        take: Some("O-1/1/P/perpetual".to_owned()),
        ..terms("swap", &[])
    };
    exchange.plan.success = "80%".to_owned();
    wait_for(operator.create_campaign(exchange)).unwrap();
    round(&ledger);
    wait_for(operator.tell_campaign("swap", Command::Start)).unwrap();
    round(&ledger);
    all_answer(&mut ledger, "swap");
    round(&ledger);
    // One had to keep what it has.
    assert_eq!(stock(&ledger, "Q-1"), (4, 4));
    assert_eq!(stock(&ledger, "O-1/1/P/perpetual"), (6, 1));
    assert_eq!(stands(&ledger, "swap"), [(WaveState::Passed, 5, 5, 4, 1)]);
}
