//! Licence models, and what is sold under them.

use super::*;

const HEADER: &str = "model,kind,term,returns_credit,rehost,metered,counted,uses,uses_overdraft_percent,trial,grace_days\n";

#[test]
fn a_model_that_contradicts_itself_is_refused_at_the_column_that_does() {
    let fixture = Fixture::new();
    let cases = [
        (
            "own,perpetual,P1Y,,,,,,,,",
            "term",
            "a perpetual right has no term",
        ),
        (
            "own,subscription,none,,,,,,,,",
            "term",
            "subscription needs an end",
        ),
        (
            "own,subscription,either,,,,,,,,",
            "term",
            "subscription needs an end",
        ),
        (
            "own,evaluation,either,,,,,,,,",
            "term",
            "evaluation needs an end",
        ),
        (
            "own,subscription,,false,,,,,,,",
            "rehost",
            "a unit moves when it was given back",
        ),
        ("own,counted,,true,,,,5,,,", "returns_credit", "the next"),
        ("own,counted,,,,false,,5,,,", "metered", "not reported"),
        (
            "own,counted,,,,,false,,,,",
            "counted",
            "counted must be true",
        ),
        (
            "own,subscription,,,,,,5,,,",
            "uses",
            "nobody counts the uses",
        ),
        (
            "own,subscription,,,,,,,10,,",
            "uses_overdraft_percent",
            "nobody counts",
        ),
        (
            "own,metered,,,,,,,10,,",
            "uses_overdraft_percent",
            "no number of uses",
        ),
        ("own,evaluation,,,,,,,,no,", "trial", "for trying"),
        ("own,perpetual,,,,,,,,,30", "grace_days", "never ends"),
        ("own,floating,,,,,,,,,", "kind", "is no licence model"),
        ("own,subscription,PT5H,,,,,,,,", "term", "no rule for terms"),
    ];
    for (row, column, reason) in cases {
        let report = fixture.import(Kind::Models, &format!("{HEADER}{row}\n"));
        let [error] = &report.errors[..] else {
            panic!("{row}: {:?}", report.errors);
        };
        assert_eq!(error.column, Some(column), "{row}: {error}");
        assert!(error.to_string().contains(reason), "{row}: {error}");
    }
    assert_eq!(
        fixture.number("SELECT count(*) AS n FROM license_models"),
        7
    );
}

#[test]
fn a_model_changes_for_what_is_sold_from_then_on() {
    let fixture = Fixture::with_samples(Kind::Products);
    let model = |days: u32| format!("model,kind,grace_days\nkind-year,subscription,{days}\n");
    let sold = |name: &str| {
        let row = format!("erp,{name},PUMP-PRO,kind-year,1,P1Y\n");
        format!("system,entitlement,product,model,units,term\n{row}")
    };
    assert!(fixture.import(Kind::Models, &model(10)).committed);
    assert!(fixture.import(Kind::Entitlements, &sold("early")).committed);
    let refused = fixture.import(Kind::Models, &model(20));
    assert_eq!(refusals(&refused), [(2, "model-changed")]);
    assert_eq!(fixture.amend(Kind::Models, &model(20)).amended, 1);
    assert_eq!(fixture.amend(Kind::Models, &model(20)).unchanged, 1);
    assert!(fixture.import(Kind::Entitlements, &sold("late")).committed);
    let grace = |name: &str| {
        fixture.number(&format!(
            "SELECT grace_seconds / 86400 AS n FROM entitlements WHERE reference = '{name}'"
        ))
    };
    assert_eq!((grace("early"), grace("late")), (10, 20));
    let version = |name: &str| {
        fixture.number(&format!(
            "SELECT CASE WHEN model_rules LIKE '{{\"version\":1,%' THEN 1 \
             WHEN model_rules LIKE '{{\"version\":2,%' THEN 2 END AS n FROM entitlements \
             WHERE reference = '{name}'"
        ))
    };
    assert_eq!((version("early"), version("late")), (1, 2));
    // The same file again says nothing of what was sold before.
    assert_eq!(
        fixture.import(Kind::Entitlements, &sold("early")).unchanged,
        1
    );
    let other_kind = fixture.amend(Kind::Models, "model,kind\nkind-year,perpetual\n");
    assert_eq!(refusals(&other_kind), [(2, "cannot-change")]);
}

#[test]
fn what_a_sale_leaves_open_is_as_its_model_has_it() {
    let fixture = Fixture::with_samples(Kind::Parties);
    let sku = "sku,title,product,model\nTRY,Try it,PUMP-PRO,trial-60\n";
    assert!(fixture.import(Kind::Skus, sku).committed);
    let order =
        "system,order,ordered_at,sold_to,line,sku,quantity\nerp,T-1,2026-09-01,C-200,1,TRY,5\n";
    assert!(fixture.import(Kind::Orders, order).committed);
    let sold = "FROM entitlements WHERE reference = 'T-1/1/PUMP-PRO/trial-60'";
    for (what, n) in [
        ("sum(CASE WHEN term = 'P60D' THEN 1 ELSE 0 END)", 1),
        // Each activation, a trial.
        ("start_basis", 5),
        ("source", 3),
        ("model_kind", 3),
    ] {
        assert_eq!(
            fixture.number(&format!("SELECT {what} AS n {sold}")),
            n,
            "{what}"
        );
    }
}

#[test]
fn what_cannot_be_sold_under_a_model_is_refused_when_it_is_to_be() {
    let fixture = Fixture::with_samples(Kind::Products);
    let text = |rows: &str| {
        let file = format!("system,entitlement,product,model,units,source\n{rows}");
        let report = fixture.import(Kind::Entitlements, &file);
        report.errors.first().map(ToString::to_string)
    };
    let no_number = text("erp,1,PUMP-PRO,counted,1,\n").unwrap();
    assert!(no_number.contains("how many there are"), "{no_number}");
    // A feature of this one says 10,000.
    assert_eq!(text("erp,2,PUMP-SCAN,counted,1,\n"), None);
    let bought = text("erp,3,PUMP-PRO,trial-60,1,\n").unwrap();
    assert!(bought.contains("has the source trial"), "{bought}");
    assert_eq!(text("erp,3,PUMP-PRO,trial-60,1,trial\n"), None);
    let gone = "model,kind,state,term\ntrial-60,evaluation,obsolete,P60D\n";
    fixture.amend(Kind::Models, gone);
    let gone = text("erp,4,PUMP-PRO,trial-60,1,trial\n").unwrap();
    assert!(gone.contains("is obsolete: it is not sold"), "{gone}");
    let without_date = "model,kind,start_basis\nshipped,subscription,shipment\n";
    assert!(fixture.import(Kind::Models, without_date).committed);
    let file = "system,entitlement,product,model,units,term\nerp,5,PUMP-PRO,shipped,1,P1Y\n";
    let report = fixture.import(Kind::Entitlements, file);
    assert_eq!(report.errors[0].column, Some("starts_at"));
}

/// A SKU is checked when it is imported, and its model may change after that.
#[test]
fn an_order_is_refused_whose_sku_gives_what_is_not_sold_so_any_more() {
    const ORDER: &str = "system,order,ordered_at,sold_to,line,sku,quantity\n";
    let sku = "sku,title,product,model,term\nA,a,PUMP-PRO,year,\nB,b,PUMP-PRO,rent,P1Y\n\
               C,c,PUMP-SCAN,pack,\nD,d,PUMP-PRO,pack,\n";
    let models = |year: &str, rent: &str, pack: &str| {
        format!(
            "model,kind,state,term,uses\nyear,subscription,active,{year},\n\
             rent,subscription,{rent},given,\npack,counted,active,either,{pack}\n"
        )
    };
    let fixture = Fixture::with_samples(Kind::Parties);
    let before = models("P1Y", "active", "5");
    assert!(fixture.import(Kind::Models, &before).committed);
    let report = fixture.import(Kind::Skus, sku);
    assert!(report.committed, "{:?}", report.errors);
    let order = |name: &str, sku: &str| {
        let row = format!("{ORDER}erp,{name},2026-09-01,C-200,1,{sku},5\n");
        fixture.import(Kind::Orders, &row)
    };
    for sku in ["A", "B", "C", "D"] {
        assert!(order(&format!("before-{sku}"), sku).committed, "{sku}");
    }
    let after = models("given", "obsolete", "");
    assert_eq!(fixture.amend(Kind::Models, &after).amended, 3);
    for (sku, reason) in [
        ("A", "what is year needs a term, or an end"),
        ("B", "rent is obsolete: it is not sold"),
        ("D", "neither the model nor a feature of PUMP-PRO"),
    ] {
        let report = order(&format!("after-{sku}"), sku);
        let [error] = &report.errors[..] else {
            panic!("{sku}: {:?}", report.errors);
        };
        assert_eq!(error.column, Some("sku"), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(!report.committed);
    }
    // A feature of this one says how many uses there are; and what was sold is sold more of.
    assert!(order("after-C", "C").committed);
    let more = format!("{ORDER}erp,before-B,2026-09-01,C-200,1,B,6\n");
    assert_eq!(fixture.amend(Kind::Orders, &more).amended, 1);
    let endless = "FROM entitlements WHERE model_kind = 2 AND term IS NULL AND ends_at IS NULL";
    let endless = fixture.number(&format!("SELECT count(*) AS n {endless}"));
    assert_eq!(endless, 0, "a subscription without an end");
}

#[test]
fn rules_that_were_stored_before_terms_were_among_them_give_no_right_without_an_end() {
    let fixture = Fixture::with_samples(Kind::Parties);
    let model = "model,kind,term\nold,subscription,P1Y\n";
    assert!(fixture.import(Kind::Models, model).committed);
    let sku = "sku,title,product,model\nOLD,Old,PUMP-PRO,old\n";
    assert!(fixture.import(Kind::Skus, sku).committed);
    fixture.execute(
        "UPDATE license_models SET rules = '{\"grace_seconds\":0,\"returns_credit\":true}' \
         WHERE code = 'old'",
    );
    let row = "system,order,ordered_at,sold_to,line,sku,quantity\nerp,N,2026-09-01,C-200,1,OLD,5\n";
    let report = fixture.import(Kind::Orders, row);
    assert!(
        report.errors[0].to_string().contains("needs a term"),
        "{:?}",
        report.errors
    );
}
