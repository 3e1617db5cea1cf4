//! Order lines of maintenance, and what they maintain.

use super::*;

const ORDER: &str = "system,order,ordered_at,sold_to,line,sku,quantity,maintains,starts_at\n";

/// With a SKU of maintenance, one without, and one of both, and an order of `RIGHT`.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    for (kind, text) in [
        (
            Kind::Products,
            "product,title,feature\nPUMP,Pump,turbo\nVALVE,Valve,valve\nCARE,Care,care\n",
        ),
        (
            Kind::Skus,
            "sku,title,product,model,term,start_basis\nRIGHT,Right,PUMP,perpetual,,\n\
             CARE,Care,CARE,maintenance,P1Y,order\nBOTH,Both,VALVE,perpetual,,\n\
             BOTH,Both,CARE,maintenance,P2Y,order\nLATER,Care,CARE,maintenance,P1Y,shipment\n\
             EACH,Care,CARE,maintenance,P1Y,each-activation\n",
        ),
        (
            Kind::Parties,
            "system,party,name\nerp,C-1,One\nerp,C-2,Two\n",
        ),
    ] {
        let report = fixture.import(kind, text);
        assert!(report.committed, "{:?}", report.errors);
    }
    let first = row("O-1", "C-1", "1", "RIGHT", "");
    assert!(fixture.import(Kind::Orders, &first).committed);
    fixture
}

fn row(order: &str, party: &str, line: &str, sku: &str, maintains: &str) -> String {
    format!("{ORDER}erp,{order},2026-09-01,{party},{line},{sku},1,{maintains},\n")
}

/// 2027-09-01, a year after the order, in microseconds since 1970.
const A_YEAR_ON: i64 = 1_819_756_800_000_000;

fn until(fixture: &Fixture, reference: &str) -> i64 {
    fixture.number(&format!(
        "SELECT COALESCE(maintained_until_at, 0) AS n FROM entitlements WHERE reference = '{reference}'"
    ))
}

#[test]
fn a_line_of_maintenance_maintains_what_it_names() {
    let fixture = fixture();
    let right = "O-1/1/PUMP/perpetual";
    assert_eq!(until(&fixture, right), 0);
    // By the line, and by the entitlement, which is the same.
    let care = row("O-2", "C-1", "1", "CARE", &format!("O-1/1; {right} ;O-1/1"));
    let report = fixture.import(Kind::Orders, &care);
    assert!(report.committed, "{:?}", report.errors);
    assert_eq!(until(&fixture, right), A_YEAR_ON);
    assert_eq!(fixture.import(Kind::Orders, &care).unchanged, 1);
    // A file that has not the column says nothing of it.
    let silent =
        "system,order,ordered_at,sold_to,line,sku,quantity\nerp,O-2,2026-09-01,C-1,1,CARE,1\n";
    assert_eq!(fixture.import(Kind::Orders, silent).unchanged, 1);
    assert_eq!(until(&fixture, right), A_YEAR_ON);
}

#[test]
fn a_line_maintains_what_it_is_sold_with() {
    let fixture = fixture();
    let both = row("O-2", "C-1", "1", "BOTH", "O-2/1");
    let report = fixture.import(Kind::Orders, &both);
    assert!(report.committed, "{:?}", report.errors);
    assert!(until(&fixture, "O-2/1/VALVE/perpetual") > A_YEAR_ON);
    assert_eq!(until(&fixture, "O-2/1/CARE/maintenance"), 0);
}

#[test]
fn what_begins_later_is_a_ceiling_from_then_on() {
    let fixture = fixture();
    let right = "O-1/1/PUMP/perpetual";
    let report = fixture.import(Kind::Orders, &row("O-2", "C-1", "1", "LATER", "O-1/1"));
    assert!(report.committed, "{:?}", report.errors);
    assert_eq!(until(&fixture, right), 0, "nothing has shipped");
    let shipment = "system,shipment,order,line,quantity,shipped_at\n\
                    erp,S-1,O-2,1,1,2026-09-01\n";
    let report = fixture.import(Kind::Shipments, shipment);
    assert!(report.committed, "{:?}", report.errors);
    assert_eq!(until(&fixture, right), A_YEAR_ON);
}

#[test]
fn another_word_is_a_change_of_the_order() {
    let fixture = fixture();
    let second = row("O-1", "C-1", "2", "RIGHT", "");
    let care = |maintains: &str| row("O-2", "C-1", "1", "CARE", maintains);
    assert!(fixture.import(Kind::Orders, &second).committed);
    assert!(fixture.import(Kind::Orders, &care("O-1/1")).committed);
    let changed = fixture.import(Kind::Orders, &care("O-1/2"));
    assert_eq!(
        changed.errors[0].to_string(),
        "line 2, maintains: maintains is O-1/1 and the row says O-1/2; to change it, import with \
         --amend [order-changed]"
    );
    let report = fixture.amend(Kind::Orders, &care("O-1/2"));
    assert_eq!((report.amended, report.committed), (1, true));
    let now = ["O-1/1/PUMP/perpetual", "O-1/2/PUMP/perpetual"].map(|right| until(&fixture, right));
    assert_eq!(now, [0, A_YEAR_ON]);
    let report = fixture.amend(Kind::Orders, &care(""));
    assert_eq!((report.amended, report.committed), (1, true));
    assert_eq!(until(&fixture, "O-1/2/PUMP/perpetual"), 0);
}

#[test]
fn what_cannot_be_maintained_is_told_with_its_line() {
    let fixture = fixture();
    let many: Vec<_> = (0..65).map(|n| format!("O-1/{n}")).collect();
    for (row, told) in [
        (
            row("O-2", "C-1", "1", "CARE", "O-9/1"),
            "\"O-9/1\" is neither an entitlement nor ORDER/LINE of erp",
        ),
        (
            row("O-2", "C-2", "1", "CARE", "O-1/1"),
            "both must belong to the same party",
        ),
        (
            row("O-2", "C-1", "1", "RIGHT", "O-1/1"),
            "only what is sold under a licence model of the kind maintenance",
        ),
        (
            row("O-2", "C-1", "1", "EACH", "O-1/1"),
            "its term runs for each activation apart",
        ),
        (
            row("O-2", "C-1", "1", "CARE", "O-2/1"),
            "maintenance covers other rights, and not maintenance",
        ),
        (
            row("O-2", "C-1", "1", "CARE", &many.join(";")),
            "names 65 references, and no more than 64 are taken",
        ),
    ] {
        let report = fixture.import(Kind::Orders, &row);
        assert!(!report.committed);
        let error = report.errors[0].to_string();
        assert!(error.starts_with("line 2, maintains: "), "{error}");
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(fixture.number("SELECT count(*) AS n FROM orders"), 1);
    assert_eq!(until(&fixture, "O-1/1/PUMP/perpetual"), 0);
}
