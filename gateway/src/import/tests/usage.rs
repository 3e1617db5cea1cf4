//! Uses that other systems counted: each once, and held against what was bought.

use super::*;
use crate::report::group::GroupBy;
use crate::report::uses;

const HEADER: &str = "system,usage,entitlement,device,feature,count,since,until,total\n";

fn fixture() -> Fixture {
    Fixture::with_samples(Kind::Codes)
}

fn import(fixture: &Fixture, rows: &str) -> ImportReport {
    fixture.import(Kind::Usage, &format!("{HEADER}{rows}"))
}

/// What `report uses` tells of all: uses, and those beyond what was bought.
fn reported(fixture: &Fixture) -> (u64, u64) {
    let read = move |db: &mut Db| uses::read(db, None, NOW, GroupBy::All);
    let report = fixture.store.read_blocking("uses", read).unwrap();
    let all = report.groups.last().unwrap();
    (all.uses, all.beyond)
}

#[test]
fn what_was_counted_adds_up_and_the_same_again_adds_nothing() {
    let fixture = fixture();
    let rows = "crm,A,SCAN-3,,,100,2026-08-01,2026-09-01,\n\
                crm,B,SCAN-3,,,50,2026-09-01,2026-10-01,\n\
                crm,T-1,SCAN-3,pump-SN-0004,,,,,20\n\
                crm,T-2,SCAN-3,pump-SN-0004,,,,,25\n";
    let first = import(&fixture, rows);
    assert_eq!((first.created, first.errors.len()), (4, 0), "{first:?}");
    assert_eq!(reported(&fixture), (175, 0));
    let told = "SELECT count(*) AS n FROM events WHERE kind = 133";
    assert_eq!(fixture.number(told), 4);
    let again = import(&fixture, rows);
    assert_eq!(again.unchanged, 4, "{again:?}");
    assert_eq!(reported(&fixture), (175, 0));
    assert_eq!(fixture.number(told), 4);
    // Three units give 10,000 uses each.
    import(&fixture, "crm,C,SCAN-3,,,30000,2026-07-01,2026-08-01,\n");
    assert_eq!(reported(&fixture), (30_175, 175));
}

#[test]
fn what_contradicts_is_refused_with_the_reason_and_adds_nothing() {
    let fixture = fixture();
    import(
        &fixture,
        "crm,A,SCAN-3,,,100,2026-08-01,2026-09-01,\ncrm,T,SCAN-3,pump-SN-0004,,,,,20\n",
    );
    let cases = [
        ("crm,A,SCAN-3,,,101,2026-08-01,2026-09-01,", "usage-changed"),
        ("crm,A,SCAN-3,,,100,2026-08-01,2026-09-02,", "cannot-change"),
        (
            "crm,A,SCAN-3,pump-SN-0004,,100,2026-08-01,2026-09-01,",
            "cannot-change",
        ),
        ("crm,T,SCAN-3,pump-SN-0004,,,,,21", "usage-changed"),
        // A part of the period is counted already.
        ("crm,B,SCAN-3,,,1,2026-08-31,2026-09-02,", "unfit"),
        ("crm,B,SCAN-3,,,1,2026-07-01,2026-12-31,", "unfit"),
        // In the future, without a length, backwards.
        ("crm,B,SCAN-3,,,1,2026-09-01,2026-12-31,", "unfit"),
        ("crm,B,SCAN-3,,,1,2026-09-01,2026-09-01,", "unfit"),
        ("crm,B,SCAN-3,,,1,2026-09-10,2026-09-01,", "unfit"),
        // Less than before.
        ("crm,U,SCAN-3,pump-SN-0004,,,,,19", "unfit"),
        ("crm,B,SCAN-3,,,-1,2026-09-01,2026-09-02,", "invalid"),
        (
            "crm,B,SCAN-3,,,9223372036854775807,2026-09-01,2026-09-02,",
            "invalid",
        ),
        ("crm,B,SCAN-3,,,1,,,", "unfit"),
        ("crm,B,SCAN-3,,,1,2026-09-01,2026-09-02,5", "unfit"),
        ("crm,B,SCAN-3,,,,,,", "unfit"),
        ("crm,B,,,,1,2026-09-01,2026-09-02,", "unfit"),
        ("crm,B,SCAN-3,,scan,1,2026-09-01,2026-09-02,", "unfit"),
        ("crm,B,,,scan,1,2026-09-01,2026-09-02,", "unfit"),
        ("crm,B,NONE,,,1,2026-09-01,2026-09-02,", "unknown-reference"),
        ("crm,B,SCAN-3,no such,,1,2026-09-01,2026-09-02,", "invalid"),
        (
            "crm,B,SCAN-3,none,,1,2026-09-01,2026-09-02,",
            "unknown-reference",
        ),
        // Nobody counts what is bought for good.
        ("crm,B,DEMO-1,,,1,2026-09-01,2026-09-02,", "unfit"),
        ("crm,B,,pump-SN-0004,scan,1,2026-09-01,2026-09-02,", "unfit"),
    ];
    for (row, code) in cases {
        let report = import(&fixture, &format!("{row}\n"));
        assert_eq!(
            refusals(&report)
                .iter()
                .map(|(_, code)| *code)
                .collect::<Vec<_>>(),
            [code],
            "{row}: {:?}",
            report.errors
        );
        assert!(!report.committed);
    }
    assert_eq!(reported(&fixture), (120, 0));
}

fn amend(fixture: &Fixture, rows: &str) -> ImportReport {
    fixture.amend(Kind::Usage, &format!("{HEADER}{rows}"))
}

#[test]
fn a_correction_is_an_amendment_and_leaves_the_rest_as_it_was_told() {
    let fixture = fixture();
    let rows = "crm,A,SCAN-3,,,100,2026-08-01,2026-09-01,\n\
                crm,B,SCAN-3,,,50,2026-09-01,2026-10-01,\n\
                crm,T-1,SCAN-3,pump-SN-0004,,,,,20\n\
                crm,T-2,SCAN-3,pump-SN-0004,,,,,25\n";
    import(&fixture, rows);
    let corrected = rows.replace(",100,", ",30,").replace(",25\n", ",22\n");
    let report = amend(&fixture, &corrected);
    assert_eq!((report.amended, report.unchanged), (2, 2), "{report:?}");
    assert_eq!(reported(&fixture), (30 + 50 + 22, 0));
    // What is stored is what the corrected file tells.
    assert_eq!(import(&fixture, &corrected).unchanged, 4);
    // The system's next total is beyond the corrected one.
    let report = import(&fixture, "crm,T-3,SCAN-3,pump-SN-0004,,,,,24\n");
    assert_eq!(report.created, 1, "{report:?}");
    assert_eq!(reported(&fixture), (30 + 50 + 24, 0));
    let told = "SELECT count(*) AS n FROM events WHERE kind = 135";
    assert_eq!(fixture.number(told), 2);
    // Down to nothing, and up again.
    assert_eq!(
        amend(&fixture, &corrected.replace(",30,", ",0,")).amended,
        1
    );
    assert_eq!(reported(&fixture), (50 + 24, 0));
    assert!(amend(&fixture, "crm,A,SCAN-3,,,7,2026-08-01,2026-09-01,\n").committed);
    assert_eq!(reported(&fixture), (7 + 50 + 24, 0));
}

#[test]
fn a_correction_that_contradicts_what_was_told_since_is_refused() {
    let fixture = fixture();
    import(
        &fixture,
        "crm,A,SCAN-3,,,100,2026-08-01,2026-09-01,\ncrm,T-1,SCAN-3,,,,,,120\n\
         crm,T-2,SCAN-3,,,,,,130\ncrm,B,SCAN-3,,,5,2026-09-01,2026-10-01,\n",
    );
    for (row, told) in [
        (
            "crm,A,SCAN-3,,,90,2026-08-01,2026-09-01,",
            "told a total since",
        ),
        ("crm,T-1,SCAN-3,,,,,,110", "\"T-2\" told a total since"),
        (
            "crm,T-2,SCAN-3,,,,,,125",
            "\"B\" was counted on top of it since",
        ),
        ("crm,T-2,SCAN-3,,,,,,119", "119 is less than the 120"),
        ("crm,A,SCAN-3,,,90,2026-08-01,2026-09-02,", "until is"),
        ("crm,B,SCAN-3,,,-1,2026-09-01,2026-10-01,", "-1"),
    ] {
        let report = amend(&fixture, &format!("{row}\n"));
        assert!(!report.committed, "{row}");
        let error = report.errors[0].to_string();
        assert!(error.contains(told), "{row}: {error}");
    }
    assert_eq!(reported(&fixture), (135, 0));
}

/// As a ledger has it whose sum was put right by hand: what devices have signed for is more.
#[test]
fn a_correction_never_goes_below_what_devices_have_signed_for() {
    let fixture = fixture();
    let row = |count: u32| format!("crm,A,SCAN-3,,,{count},2026-08-01,2026-09-01,\n");
    import(&fixture, &row(100));
    fixture.execute(
        "INSERT INTO activations (id, device_id, entitlement_id, lineage_id, kind, units, state, removal_reason, origin, \
         usage_total, created_at, changed_at, ended_at) SELECT entitlements.id, 'pump-SN-0004', entitlements.id, \
         entitlements.id, 1, 1, 8, 1, 1, 60, 0, 0, 0 FROM entitlements WHERE reference = 'SCAN-3'",
    );
    let report = amend(&fixture, &row(59));
    assert_eq!(refusals(&report), [(2, "unfit")], "{report:?}");
    assert_eq!(reported(&fixture), (100, 0));
    assert!(amend(&fixture, &row(60)).committed);
    assert_eq!(reported(&fixture), (60, 0));
}
