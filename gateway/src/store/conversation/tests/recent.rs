//! What is kept of devices that were just heard is what is stored: debug builds compare the two
//! whenever it is used, so what is done here need only be varied.

use diesel::RunQueryDsl as _;
use proptest::prelude::*;

use super::*;
use crate::store::scratch;

const DEVICES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A device wants so many units in all.
    Ask(usize, u32),
    /// It asks, and the transaction is undone.
    InVain(usize, u32),
    /// It acknowledges the set that it holds.
    Acknowledge(usize),
    /// Another process, or another operation of this one, changes something.
    Meddle(Meddling, bool),
}

#[derive(Clone, Copy, Debug)]
enum Meddling {
    Units(u32),
    Suspend,
    Resume,
    Owner(usize),
    Shipped(usize),
    Line(usize, &'static str),
}

impl Meddling {
    fn sql(self) -> String {
        match self {
            // Not below what is in use, which a constraint refuses.
            Self::Units(units) => {
                format!("UPDATE entitlements SET units = {units} WHERE live_units <= {units}")
            }
            Self::Suspend => "UPDATE entitlements SET state = 3 WHERE reference = 'E-2'".to_owned(),
            Self::Resume => "UPDATE entitlements SET state = 2 WHERE reference = 'E-2'".to_owned(),
            Self::Owner(n) => format!(
                "UPDATE devices SET owner_id = (SELECT owner_id FROM entitlements \
                 WHERE reference = 'E-{}') WHERE id = 'd-1'",
                n + 1
            ),
            Self::Shipped(n) => format!(
                "UPDATE devices SET order_line_id = (SELECT id FROM order_lines) WHERE id = 'd-{}'",
                n + 1
            ),
            Self::Line(n, line) => format!(
                "UPDATE devices SET product_line_id = (SELECT id FROM product_lines \
                 WHERE name = '{line}') WHERE id = 'd-{}'",
                n + 1
            ),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let meddling = prop_oneof![
        (1..6_u32).prop_map(Meddling::Units),
        Just(Meddling::Suspend),
        Just(Meddling::Resume),
        (0..3_usize).prop_map(Meddling::Owner),
        (0..DEVICES).prop_map(Meddling::Shipped),
        (0..DEVICES, prop_oneof![Just("devices"), Just("others")])
            .prop_map(|(device, line)| Meddling::Line(device, line)),
    ];
    prop_oneof![
        6 => (0..DEVICES, 0..5_u32).prop_map(|(device, total)| Step::Ask(device, total)),
        1 => (0..DEVICES, 0..5_u32).prop_map(|(device, total)| Step::InVain(device, total)),
        5 => (0..DEVICES).prop_map(Step::Acknowledge),
        1 => (meddling, any::<bool>()).prop_map(|(what, outside)| Step::Meddle(what, outside)),
    ]
}

/// Three devices of two owners, with entitlements of few units, of which some are for one product
/// line only.
fn fixture() -> Fixture {
    let fixture = Fixture::new(DEVICES, 3);
    let provenance = Provenance {
        product_line: "others".to_owned(),
        prefix: "o".to_owned(),
        serial: "9".to_owned(),
    };
    let other = DeviceId::new("o-9").unwrap();
    let seen = move |db: &mut Db| first_seen(db, &other, &provenance, NOW);
    fixture.store.write_blocking("test", seen).unwrap();
    fixture.import(
        Kind::Products,
        "product,title,feature,product_line\nPD,Pump,pump,devices\nPO,Pump,pump,others\n",
    );
    fixture.import(Kind::Parties, "system,party,name\nerp,D,Other\n");
    fixture.import(
        Kind::Entitlements,
        "system,entitlement,owner,product,model,units\n\
         erp,E-1,C,P,perpetual,2\nerp,E-2,C,P,perpetual,2\nerp,E-3,D,P,perpetual,4\n\
         erp,E-4,C,PD,perpetual,1\nerp,E-5,C,PO,perpetual,2\n",
    );
    fixture
}

/// What maintains the right of a device that was just heard begins with another device.
#[test]
fn a_ceiling_that_another_device_begins_is_no_longer_what_was_kept() {
    let fixture = Fixture::new(2, 1);
    let mut db = fixture.scratch.connect();
    db.begin_eras();
    let mut handsets = [1, 2].map(|n| fixture.handset(n));
    let turn = |db: &mut Db, handset: &mut Handset, times: usize| {
        for _ in 0..times {
            db.begin_write().unwrap();
            asks(db, handset, 1);
            db.commit().unwrap();
        }
    };
    turn(&mut db, &mut handsets[0], 3);
    fixture.import(
        Kind::Entitlements,
        "system,entitlement,owner,product,model,units,start_basis,term\n\
         erp,CARE,C,P,maintenance,1,first-activation,P1Y\n",
    );
    let link = |db: &mut Db| {
        let mut id = |reference| {
            let found = crate::store::entitlement::by_reference(db, "erp", reference)?;
            Ok::<_, StoreError>(found.unwrap().id.0)
        };
        let (care, right) = (id("CARE")?, id("O/1/P/perpetual")?);
        maintenance::link(db, care, right, NOW)
    };
    fixture.store.write_blocking("test", link).unwrap();
    // What the first has is kept anew when the second takes the unit that is left, of CARE.
    turn(&mut db, &mut handsets[0], 2);
    turn(&mut db, &mut handsets[1], 2);
    turn(&mut db, &mut handsets[0], 1);
    let maintained = "SELECT count(*) AS n FROM entitlements WHERE reference = 'O/1/P/perpetual' \
                      AND maintained_until_at IS NOT NULL";
    assert_eq!(scratch::number(&fixture.store, maintained), 1);
}

fn asks(db: &mut Db, handset: &mut Handset, total: u32) {
    handset.seq += 1;
    let outcome = handset.request(db, total).unwrap();
    handset.take_in(&outcome);
}

fn play(steps: &[Step]) {
    let fixture = fixture();
    let mut db = fixture.scratch.connect();
    db.begin_eras();
    let mut handsets: Vec<_> = (1..=DEVICES).map(|n| fixture.handset(n)).collect();
    for step in steps {
        if let Step::Meddle(what, true) = step {
            scratch::write(&fixture.store, &what.sql()).unwrap();
            continue;
        }
        db.begin_write().unwrap();
        match *step {
            Step::Ask(device, total) => asks(&mut db, &mut handsets[device], total),
            Step::InVain(device, total) => {
                asks(&mut db, &mut handsets[device].clone(), total);
                db.rollback();
                continue;
            }
            Step::Acknowledge(device) => {
                let handset = &mut handsets[device];
                if handset.held.is_some() {
                    handset.seq += 1;
                    handset.acknowledge(&mut db, handset.seq as u32).unwrap();
                }
            }
            Step::Meddle(what, _) => {
                on!(&mut db, c => diesel::sql_query(what.sql()).execute(c)).unwrap();
                db.end_era();
            }
        }
        db.commit().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_kept_is_what_is_stored(steps in proptest::collection::vec(step(), 1..60)) {
        play(&steps);
    }
}

/// What one device is served from is not what its neighbour of another line is.
#[test]
fn devices_of_two_lines_share_no_pool() {
    let mut steps = vec![Step::Meddle(Meddling::Line(1, "others"), false)];
    // From its third request on a device is kept.
    steps.extend([1, 0].map(|device| [Step::Ask(device, 1); 3]).concat());
    steps.extend([1, 0, 1, 0].map(|device| Step::Ask(device, 2)));
    play(&steps);
}

#[test]
fn a_device_that_asked_is_kept_until_somebody_else_writes() {
    if scratch::is_postgres() {
        return;
    }
    let fixture = fixture();
    let mut db = fixture.scratch.connect();
    db.begin_eras();
    let mut handset = fixture.handset(1);
    let wants = handset.ask(1).wants;
    let look = Look {
        wants: &wants,
        ..Look::default()
    };
    let id = handset.id.clone();
    let is_kept = |db: &Db| {
        let kept = fixture
            .cache
            .recall(db, |recent| recent.snapshot(&id, &look));
        kept.is_some()
    };
    let mut ask = |db: &mut Db| {
        for _ in 0..3 {
            db.begin_write().unwrap();
            asks(db, &mut handset, 1);
            db.commit().unwrap();
        }
    };
    ask(&mut db);
    assert!(is_kept(&db));
    // A transaction of its own changes nothing about it.
    db.begin_write().unwrap();
    db.commit().unwrap();
    assert!(is_kept(&db));
    // Of another connection: that it has committed is seen with the next transaction.
    scratch::write(&fixture.store, &Meddling::Units(5).sql()).unwrap();
    db.begin_write().unwrap();
    assert!(!is_kept(&db));
    db.commit().unwrap();
    ask(&mut db);
    assert!(is_kept(&db));
    // Whatever was undone was perhaps what is kept.
    db.begin_write().unwrap();
    db.rollback();
    assert!(!is_kept(&db));
}

#[test]
fn an_operation_of_another_kind_ends_what_is_kept() {
    if scratch::is_postgres() {
        return;
    }
    let fixture = fixture();
    let era = |operation: &str| {
        let read = |db: &mut Db| Ok(db.era());
        match operation {
            "write" => fixture.store.write_blocking("test", read).unwrap(),
            _ => {
                let reading = fixture.store.converse("test", move |db| {
                    read(db).map(crate::store::Verdict::Commit)
                });
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                runtime.unwrap().block_on(reading).unwrap()
            }
        }
    };
    let before = era("converse");
    assert!(before.is_some());
    assert_eq!(era("converse"), before);
    assert_eq!(era("write"), None);
    assert_ne!(era("converse"), before);
}

#[test]
fn an_operation_of_another_kind_reads_what_it_has_just_written() {
    let fixture = fixture();
    let mut handset = fixture.handset(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    for _ in 0..3 {
        handset.seq += 1;
        let asking = handset.clone();
        let asked = fixture.store.converse("test", move |db| {
            asking.request(db, 1).map(crate::store::Verdict::Commit)
        });
        handset.take_in(&runtime.block_on(asked).unwrap());
    }
    let meddle = move |db: &mut Db| {
        let read = |db: &mut Db| load_holdings(db, &handset.cache, &handset.id);
        let before = read(db)?.unwrap().device.owner;
        on!(db, c => diesel::sql_query(Meddling::Owner(2).sql()).execute(c))?;
        Ok((before, read(db)?.unwrap().device.owner))
    };
    let (before, after) = fixture.store.write_blocking("test", meddle).unwrap();
    assert!(before.is_some() && after.is_some());
    assert_ne!(before, after);
}
