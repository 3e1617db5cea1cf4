//! Products that are additions to others.

use super::*;

const HEADER: &str = "product,title,feature,replaces,requires\n";

#[test]
fn a_circle_of_additions_and_replacements_is_refused() {
    let fixture = Fixture::new();
    let rows = "A,A,a,,\nB,B,b,,A\nC,C,c,,B\nA2,A2,a2,A,\n";
    assert!(
        fixture
            .import(Kind::Products, &format!("{HEADER}{rows}"))
            .committed
    );
    let refused = |row: &str| {
        let report = fixture.amend(Kind::Products, &format!("{HEADER}{row}\n"));
        let [error] = &report.errors[..] else {
            panic!("{row}: {report:?}");
        };
        error.to_string()
    };
    assert!(refused("A,A,a,,A").contains("goes in a circle"));
    assert!(refused("A,A,a,,C").contains("goes in a circle: C is an addition to A already"));
    assert!(refused("A,A,a,,A2").contains("takes the place of the other"));
    assert!(refused("A2,A2,a2,,A").contains("takes the place of the other"));
    assert!(refused("B,B,b,A,").contains("is an addition to the other"));
    assert!(refused("C,C,c,,X").contains("\"X\" is not known"));
    assert!(refused("C,C,c,,A;;B").contains("separated by semicolons"));
    assert_eq!(
        fixture.number("SELECT count(*) AS n FROM product_requirements"),
        2
    );
}

#[test]
fn what_a_product_adds_to_changes_by_leave_only() {
    let fixture = Fixture::new();
    let rows = "A,A,a,,\nB,B,b,,\nC,C,c,,B;A\n";
    assert!(
        fixture
            .import(Kind::Products, &format!("{HEADER}{rows}"))
            .committed
    );
    let row = |requires: &str| format!("{HEADER}C,C,c,,{requires}\n");
    // Empty says nothing, and the order does not matter.
    for same in ["", "A;B", "B; A"] {
        assert_eq!(
            fixture.import(Kind::Products, &row(same)).unchanged,
            1,
            "{same}"
        );
    }
    let refused = fixture.import(Kind::Products, &row("A"));
    assert_eq!(refusals(&refused), [(2, "product-changed")]);
    assert!(
        refused.errors[0]
            .to_string()
            .contains("requires is A;B and the row says A")
    );
    assert_eq!(fixture.amend(Kind::Products, &row("none")).amended, 1);
    assert_eq!(
        fixture.number("SELECT count(*) AS n FROM product_requirements"),
        0
    );
}
