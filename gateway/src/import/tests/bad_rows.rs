//! Files with something wrong.

use super::*;

#[test]
fn one_bad_row_undoes_the_file_and_all_bad_rows_are_told() {
    let fixture = Fixture::new();
    let file = "system,party,name,kind,time_zone\n\
                erp,A,Alpha,customer,UTC\n\
                erp,B,,customer,UTC\n\
                erp,C,Gamma,client,Europe/Viena\n\
                erp,D,Delta\n\
                erp,E,Epsilon,customer,UTC\n";
    let report = fixture.import(Kind::Parties, file);
    assert!(!report.committed);
    assert_eq!((report.rows, report.created, report.refused), (5, 2, 3));
    assert_eq!(
        refusals(&report),
        [
            (3, "missing"),
            (4, "invalid"),
            (4, "invalid"),
            (5, "ragged")
        ]
    );
    let told: Vec<_> = report.errors.iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "line 3, name: is empty [missing]");
    assert!(
        told[1].contains("\"client\" is no party kind; known: customer, partner"),
        "{told:?}"
    );
    assert!(
        told[2].starts_with("line 4, time_zone: \"Europe/Viena\""),
        "{told:?}"
    );
    assert_eq!(fixture.number("SELECT count(*) AS n FROM parties"), 0);
    assert_eq!(fixture.number("SELECT count(*) AS n FROM import_runs"), 0);
}

#[test]
fn bad_rows_can_be_left_out() {
    let fixture = Fixture::new();
    let options = ImportOptions {
        skip_bad: true,
        ..fixture.options.clone()
    };
    let file = "system,party,name\nerp,A,Alpha\nerp,B,\nerp,C,Gamma\n";
    let source = Cursor::new(file.as_bytes().to_vec());
    let report = run(Kind::Parties, source, options, &fixture.store).unwrap();
    assert!(report.committed);
    assert_eq!(
        (report.created, refusals(&report)),
        (2, vec![(3, "missing")])
    );
    assert_eq!(fixture.number("SELECT count(*) AS n FROM parties"), 2);
}

#[test]
fn a_dry_run_tells_and_does_nothing() {
    let fixture = Fixture::with_samples(Kind::Parties);
    let options = ImportOptions {
        dry_run: true,
        ..fixture.options.clone()
    };
    let source = Cursor::new(sample(Kind::Orders).into_bytes());
    let report = run(Kind::Orders, source, options, &fixture.store).unwrap();
    assert!(!report.committed && report.errors.is_empty());
    assert_eq!(report.created, 4);
    assert_eq!(fixture.number("SELECT count(*) AS n FROM orders"), 0);
    assert_eq!(fixture.number("SELECT count(*) AS n FROM entitlements"), 0);
}

#[test]
fn what_a_refused_row_did_is_undone_before_the_next() {
    // The order is written before its line is found to sell nothing.
    let fixture = Fixture::with_samples(Kind::Parties);
    fixture.execute(&format!(
        "INSERT INTO skus (id, part_number, title, state, created_at, changed_at) \
         VALUES ({}, 'EMPTY', 'Nothing', 2, 0, 0)",
        crate::store::scratch::bytes("00000000000070008000000000000099")
    ));
    let options = ImportOptions {
        skip_bad: true,
        ..fixture.options.clone()
    };
    let file = "system,order,ordered_at,sold_to,line,sku,quantity\n\
                erp,SO-1,2026-09-01,C-200,10,EMPTY,1\n\
                erp,SO-2,2026-09-01,C-200,10,4711-PRO,1\n";
    let source = Cursor::new(file.as_bytes().to_vec());
    let report = run(Kind::Orders, source, options, &fixture.store).unwrap();
    assert_eq!(refusals(&report), [(2, "unfit")]);
    assert_eq!(fixture.number("SELECT count(*) AS n FROM orders"), 1);
}

#[test]
fn references_that_lead_nowhere_say_what_to_import_first() {
    let fixture = Fixture::with_samples(Kind::Parties);
    let header = "system,order,ordered_at,sold_to,line,sku,quantity\n";
    let unknown = |row: &str| {
        let report = fixture.import(Kind::Orders, &format!("{header}{row}\n"));
        report.errors[0].to_string()
    };
    assert_eq!(
        unknown("erp,SO-1,2026-09-01,C-9,10,4711-PRO,1"),
        "line 2, sold_to: \"C-9\" is not known; import the parties first [unknown-reference]"
    );
    assert_eq!(
        unknown("erp,SO-1,2026-09-01,C-200,10,4712,1"),
        "line 2, sku: \"4712\" is not known; import the skus first [unknown-reference]"
    );
}

#[test]
fn a_header_is_checked_before_any_row() {
    let fixture = Fixture::new();
    let refused = |file: &str| {
        fixture
            .try_import(Kind::Parties, file)
            .unwrap_err()
            .to_string()
    };
    assert!(refused("").contains("the file is empty"));
    assert!(refused("system,party\n").contains("name is missing"));
    assert!(refused("system,party,name,nmae\n").contains("\"nmae\" is no column"));
    assert!(refused("system,party,name,name\n").contains("name stands there twice"));
    // A byte order mark, as spreadsheets write it, is none of the name.
    let report = fixture.import(Kind::Parties, "\u{feff}system,party,name\nerp,A,Alpha\n");
    assert_eq!(report.created, 1);
}

#[test]
fn a_quote_left_open_does_not_swallow_the_file() {
    let fixture = Fixture::new();
    let mut file = String::from("system,party,name\nerp,A,\"Alpha\n");
    file.push_str(&"erp,B,Beta\n".repeat(100_000));
    let refused = fixture
        .try_import(Kind::Parties, &file)
        .unwrap_err()
        .to_string();
    assert!(refused.starts_with("line 2: cannot be read"), "{refused}");
    assert!(refused.contains("a quote may be left open"), "{refused}");
}

#[test]
fn cells_are_bounded_and_utf8() {
    let fixture = Fixture::new();
    let long = format!("system,party,name\nerp,A,{}\n", "x".repeat(201));
    assert_eq!(
        refusals(&fixture.import(Kind::Parties, &long)),
        [(2, "too-long")]
    );
    let latin = b"system,party,name\nerp,A,Z\xfcrich\n".to_vec();
    let report = run(
        Kind::Parties,
        Cursor::new(latin),
        fixture.options.clone(),
        &fixture.store,
    )
    .unwrap();
    assert!(
        report.errors[0]
            .to_string()
            .contains("save the file as UTF-8")
    );
    let control = "system,party,name\nerp,A,\"Al\npha\"\n";
    assert_eq!(
        refusals(&fixture.import(Kind::Parties, control)),
        [(2, "invalid")]
    );
}

#[test]
fn models_and_terms_must_fit() {
    let fixture = Fixture::with_samples(Kind::Products);
    let header = "sku,title,product,model,term\n";
    let refused = |row: &str| {
        let report = fixture.import(Kind::Skus, &format!("{header}{row}\n"));
        report.errors[0].to_string()
    };
    assert!(refused("S,T,PUMP-PRO,subscription,").contains("needs a term"));
    assert!(refused("S,T,PUMP-PRO,perpetual,P1Y").contains("has no term"));
    assert!(refused("S,T,PUMP-PRO,subscription,PT5H").contains("not a term of at most 100 years"));
    assert!(refused("S,T,PUMP-PRO,subscription,-P1Y").contains("not a term of at most 100 years"));
    assert!(refused("S,T,PUMP-PRO,floating,P1Y").contains("a licence model: counted, evaluation"));
}

#[test]
fn many_bad_rows_are_counted_and_the_first_are_told() {
    let fixture = Fixture::new();
    let mut file = String::from("system,party,name\n");
    file.push_str(&"erp,A,\n".repeat(MAX_REPORTED + 500));
    let report = fixture.import(Kind::Parties, &file);
    assert_eq!(report.refused, MAX_REPORTED as u64 + 500);
    assert_eq!(report.errors.len(), MAX_REPORTED);
}

#[test]
fn dates_out_of_order_are_refused() {
    let fixture = Fixture::with_samples(Kind::Orders);
    let orders = "system,order,ordered_at,sold_to,line,sku,quantity\n";
    let ancient = format!("{orders}erp,SO-9,0001-01-01,C-200,10,4711-PRO,1\n");
    assert_eq!(
        refusals(&fixture.import(Kind::Orders, &ancient)),
        [(2, "invalid")]
    );
    // Of the samples, ordered on 2026-09-01.
    let shipped = |at: &str| {
        let row = format!("erp,SH-9,SO-5001,10,1,{at}\n");
        fixture.import(
            Kind::Shipments,
            &format!("system,shipment,order,line,quantity,shipped_at\n{row}"),
        )
    };
    assert_eq!(
        refusals(&shipped("2026-08-30")),
        [(2, "dates-out-of-order")]
    );
    assert_eq!(refusals(&shipped("2026-08-31")), []);

    let entitlement = "system,entitlement,product,model,units,starts_at,ends_at\n\
                       erp,E-9,PUMP-PRO,subscription,1,2026-05-01,2026-05-01\n";
    let report = fixture.import(Kind::Entitlements, entitlement);
    assert_eq!(refusals(&report), [(2, "dates-out-of-order")]);
    assert_eq!(
        report.errors[0].to_string(),
        "line 2, ends_at: 2026-05-01T00:00:00Z is before 2026-05-01T00:00:00Z, when it starts \
         [dates-out-of-order]"
    );

    let codes = "pack,system,entitlement,count,expires_at\n\
                 P-9,erp,SO-5001/10/PUMP-PRO/subscription,1,2020-01-01\n";
    let report = fixture.import(Kind::Codes, codes);
    assert_eq!(refusals(&report), [(2, "dates-out-of-order")]);
}

#[test]
fn parents_do_not_go_round_in_a_circle() {
    let fixture = Fixture::new();
    let parties = |rows: &str| format!("system,party,name,parent\n{rows}");
    let line = parties("erp,A,Alpha,\nerp,B,Beta,A\nerp,C,Gamma,B\n");
    assert!(fixture.import(Kind::Parties, &line).committed);
    let circle = fixture.amend(Kind::Parties, &parties("erp,A,Alpha,C\n"));
    assert_eq!(refusals(&circle), [(2, "unfit")]);
    assert!(
        circle.errors[0].to_string().contains("circle"),
        "{circle:?}"
    );
}
