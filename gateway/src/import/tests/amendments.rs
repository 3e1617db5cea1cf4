//! Files that say something else than what is stored.

use super::*;

const ORDER: &str =
    "system,order,revision,ordered_at,sold_to,ship_to,end_user,line,sku,quantity,value,currency\n";

fn suite(revision: u32, quantity: u32) -> String {
    format!(
        "{ORDER}erp,SO-5001,{revision},2026-09-01,P-10,C-101,C-101,10,4711-SUITE,{quantity},10500.00,EUR\n"
    )
}

fn units(fixture: &Fixture, column: &str) -> i64 {
    fixture.number(&format!(
        "SELECT {column} AS n FROM entitlements WHERE reference = 'SO-5001/10/PUMP-PRO/subscription'"
    ))
}

#[test]
fn a_changed_order_is_refused_and_says_what_differs() {
    let fixture = Fixture::with_samples(Kind::Orders);
    let report = fixture.import(Kind::Orders, &suite(1, 5));
    assert_eq!(
        report.errors[0].to_string(),
        "line 2, quantity: quantity is 3 and the row says 5; to change it, import with --amend \
         [order-changed]"
    );
    let report = fixture.import(Kind::Orders, &suite(2, 3));
    assert_eq!(refusals(&report), [(2, "order-changed")]);
    assert_eq!(units(&fixture, "units"), 3);
}

#[test]
fn an_amended_line_moves_its_entitlements() {
    let fixture = Fixture::with_samples(Kind::Orders);
    let report = fixture.amend(Kind::Orders, &suite(2, 5));
    assert_eq!((report.amended, report.committed), (1, true));
    assert_eq!(units(&fixture, "units"), 5);
    // The same again is nothing new.
    assert_eq!(fixture.import(Kind::Orders, &suite(2, 5)).unchanged, 1);
    // And what was before it is told apart from a change.
    let outdated = fixture.amend(Kind::Orders, &suite(1, 3));
    assert_eq!(refusals(&outdated), [(2, "order-outdated")]);
}

#[test]
fn a_credit_below_what_is_in_use_is_pending_until_units_are_freed() {
    let fixture = Fixture::with_samples(Kind::Orders);
    fixture.execute("UPDATE entitlements SET live_units = 2 WHERE reference LIKE 'SO-5001/10/%'");
    assert!(fixture.amend(Kind::Orders, &suite(2, 0)).committed);
    assert_eq!(
        (units(&fixture, "units"), units(&fixture, "pending_credit")),
        (2, 2)
    );
    assert_eq!(units(&fixture, "state"), 2);
    assert_eq!(
        fixture.number(
            "SELECT order_lines.state AS n FROM order_lines \
             JOIN orders ON orders.id = order_lines.order_id \
             WHERE orders.reference = 'SO-5001' AND order_lines.line = '10'"
        ),
        4
    );
    // A later order of more takes the credit back.
    assert!(fixture.amend(Kind::Orders, &suite(3, 4)).committed);
    assert_eq!(
        (units(&fixture, "units"), units(&fixture, "pending_credit")),
        (4, 0)
    );
}

#[test]
fn what_is_tolerated_beyond_an_order_shrinks_with_it() {
    let fixture = Fixture::with_samples(Kind::Orders);
    // As a policy gave it that is in force no more.
    fixture.execute("UPDATE entitlements SET overdraft = 3 WHERE reference LIKE 'SO-5001/10/%'");
    assert!(fixture.amend(Kind::Orders, &suite(2, 5)).committed);
    assert_eq!(units(&fixture, "overdraft"), 3);
    fixture.execute("UPDATE entitlements SET live_units = 7 WHERE reference LIKE 'SO-5001/10/%'");
    assert!(fixture.amend(Kind::Orders, &suite(3, 1)).committed);
    assert_eq!(units(&fixture, "overdraft"), 0);
    // What is in use stays.
    assert_eq!(
        (units(&fixture, "units"), units(&fixture, "pending_credit")),
        (7, 6)
    );
}

#[test]
fn a_cancelled_line_closes_what_nobody_uses() {
    let fixture = Fixture::with_samples(Kind::Orders);
    assert!(fixture.amend(Kind::Orders, &suite(2, 0)).committed);
    assert_eq!((units(&fixture, "units"), units(&fixture, "state")), (0, 6));
    assert!(fixture.amend(Kind::Orders, &suite(3, 1)).committed);
    assert_eq!((units(&fixture, "units"), units(&fixture, "state")), (1, 2));
}

#[test]
fn what_cannot_change_says_what_to_do() {
    let fixture = Fixture::with_samples(Kind::Orders);
    let other_sku = suite(2, 3).replace("4711-SUITE", "4711-PRO");
    let report = fixture.amend(Kind::Orders, &other_sku);
    assert_eq!(refusals(&report), [(2, "cannot-change")]);
    assert!(
        report.errors[0]
            .to_string()
            .contains("set the quantity of this line to 0")
    );
    // Units in use stay with their owner.
    fixture.execute("UPDATE entitlements SET live_units = 1 WHERE reference LIKE 'SO-5001/10/%'");
    let other_user = suite(2, 3).replace("P-10,C-101,C-101", "P-10,C-101,C-200");
    assert_eq!(
        refusals(&fixture.amend(Kind::Orders, &other_user)),
        [(2, "cannot-change")]
    );
    fixture.execute("UPDATE entitlements SET live_units = 0");
    assert!(fixture.amend(Kind::Orders, &other_user).committed);
    let owned = "SELECT count(*) AS n FROM entitlements JOIN party_external_ids e ON e.party_id = owner_id \
                 WHERE reference LIKE 'SO-5001/%' AND external_id = 'C-200'";
    assert_eq!(fixture.number(owned), 4);
}

#[test]
fn every_kind_refuses_a_change_and_takes_an_amendment() {
    let fixture = Fixture::with_samples(Kind::Codes);
    for (kind, from, to, code) in [
        (
            Kind::Products,
            "Infusion profiles",
            "Profiles",
            "product-changed",
        ),
        (Kind::Products, ",4.x,", ",5.x,", "product-changed"),
        (Kind::Skus, "P1Y", "P2Y", "sku-changed"),
        (
            Kind::Parties,
            "Lakeside Clinic",
            "Lakeside Hospital",
            "party-changed",
        ),
        (Kind::Orders, "9995", "9990", "order-changed"),
        (Kind::Shipments, "SN-0003", "SN-0003;", "unchanged"),
        (
            Kind::Shipments,
            "2026-09-12,,SN-0003",
            "2026-09-13,,SN-0003",
            "shipment-changed",
        ),
        (Kind::Manifest, "Ward 3", "Ward 4", "device-changed"),
        (
            Kind::Entitlements,
            "subscription,25",
            "subscription,30",
            "entitlement-changed",
        ),
    ] {
        let file = sample(kind).replace(from, to);
        assert_ne!(file, sample(kind), "{kind:?} has {from:?}");
        let report = fixture.import(kind, &file);
        if code == "unchanged" {
            assert_eq!(report.unchanged, report.rows);
            continue;
        }
        assert!(
            report
                .errors
                .iter()
                .all(|error| error.reason.code() == code),
            "{report:?}"
        );
        assert_eq!((report.refused, report.committed), (1, false), "{kind:?}");
        let report = fixture.amend(kind, &file);
        assert_eq!(
            (report.amended, report.committed),
            (1, true),
            "{kind:?}: {report:?}"
        );
        assert_eq!(fixture.import(kind, &file).unchanged, report.rows);
        assert_eq!(fixture.amend(kind, &sample(kind)).amended, 1);
    }
    let pack = sample(Kind::Codes).replace(",10,", ",11,");
    assert_eq!(
        refusals(&fixture.amend(Kind::Codes, &pack)),
        [(2, "cannot-change")]
    );
}

#[test]
fn a_shipment_starts_the_terms_that_wait_for_it() {
    let fixture = Fixture::with_samples(Kind::Parties);
    let skus = "sku,title,product,model,term,start_basis\nBY-SHIP,Rent,PUMP-PRO,subscription,P1Y,shipment\n";
    assert!(fixture.import(Kind::Skus, skus).committed);
    let order = "system,order,ordered_at,sold_to,line,sku,quantity\nerp,SO-1,2026-09-01,C-100,1,BY-SHIP,2\n";
    assert!(fixture.import(Kind::Orders, order).committed);
    let waiting = "SELECT count(*) AS n FROM entitlements WHERE starts_at IS NULL";
    assert_eq!(fixture.number(waiting), 1);
    let shipment = "system,shipment,order,line,quantity,shipped_at\n\
                    erp,DN-1,SO-1,1,1,2026-09-05T00:00:00Z\n\
                    erp,DN-2,SO-1,1,1,2026-09-09T00:00:00Z\n";
    assert!(fixture.import(Kind::Shipments, shipment).committed);
    let start = "SELECT starts_at / 1000000 AS n FROM entitlements";
    assert_eq!(fixture.number(start), 1_788_566_400);
}

#[test]
fn a_device_of_another_party_is_not_shipped_away() {
    let fixture = Fixture::with_samples(Kind::Manifest);
    let shipment = "system,shipment,order,line,quantity,shipped_at,serials\n\
                    erp,DN-8,SO-5001,10,1,2026-09-12,SN-0004\n";
    let report = fixture.import(Kind::Shipments, shipment);
    assert_eq!(refusals(&report), [(2, "unfit")]);
    assert!(
        report.errors[0]
            .to_string()
            .contains("pump-SN-0004 belongs to another party")
    );
}

#[test]
fn a_column_that_the_file_of_parties_does_not_have_changes_nothing() {
    let fixture = Fixture::new();
    let whole = "system,party,name,kind,tier,time_zone,state\n\
                 erp,A,Alpha,partner,strategic,Europe/Vienna,hold\n";
    assert!(fixture.import(Kind::Parties, whole).committed);
    let report = fixture.amend(Kind::Parties, "system,party,name\nerp,A,Alpha & Co\n");
    assert_eq!(report.amended, 1);
    let stays = fixture.number(
        "SELECT count(*) AS n FROM parties WHERE name = 'Alpha & Co' AND tier = 'strategic' \
         AND time_zone = 'Europe/Vienna' AND kind = 2 AND state = 2",
    );
    assert_eq!(stays, 1);
    // What it has, and leaves empty, goes.
    let report = fixture.amend(Kind::Parties, "system,party,name,tier\nerp,A,Alpha & Co,\n");
    assert_eq!(report.amended, 1);
    let gone = fixture.number("SELECT count(*) AS n FROM parties WHERE tier IS NULL");
    assert_eq!(gone, 1);
}
