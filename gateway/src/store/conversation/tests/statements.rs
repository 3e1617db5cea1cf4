//! Every statement on the path of a message is prepared once for each connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use diesel::Connection as _;
use diesel::connection::InstrumentationEvent;

use super::*;

/// The statements that ran, and those that are kept prepared.
#[derive(Default)]
struct Seen {
    ran: BTreeMap<String, usize>,
    kept: BTreeSet<String>,
}

fn watched(fixture: &Fixture) -> (Db, Arc<Mutex<Seen>>) {
    let mut db = fixture.scratch.connect();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let noted = Arc::clone(&seen);
    let note = move |event: InstrumentationEvent<'_>| {
        let mut seen = noted.lock().unwrap();
        match event {
            InstrumentationEvent::StartQuery { query, .. } => {
                let text = query.to_string();
                let sql = text.split(" -- binds").next().unwrap().trim().to_owned();
                *seen.ran.entry(sql).or_default() += 1;
            }
            InstrumentationEvent::CacheQuery { sql, .. } => {
                seen.kept.insert(sql.trim().to_owned());
            }
            _ => {}
        }
    };
    on!(&mut db, c => c.set_instrumentation(note));
    (db, seen)
}

/// However many entitlements with a number of uses could serve it, and however much was used.
#[test]
fn the_uses_of_all_candidates_are_read_at_once() {
    const SOLD: usize = 11;
    let fixture = Fixture::new(1, 1);
    fixture.import(
        Kind::Models,
        "model,kind,uses,uses_overdraft_percent\nby-use,metered,10,0\n",
    );
    let mut rows = String::from("system,entitlement,owner,product,model,units\n");
    for number in 0..SOLD {
        rows.push_str(&format!("erp,U-{number:02},C,P,by-use,1\n"));
    }
    fixture.import(Kind::Entitlements, &rows);
    // All but the last two are used up.
    let spent = SOLD - 2;
    crate::store::scratch::write(
        &fixture.store,
        &format!(
            "INSERT INTO entitlement_usage (entitlement_id, used, changed_at) \
             SELECT id, 10, 0 FROM entitlements WHERE reference < 'U-{spent:02}' \
             AND reference >= 'U-'"
        ),
    )
    .unwrap();
    let (mut db, seen) = watched(&fixture);
    let mut handset = fixture.handset(1);
    db.begin_write().unwrap();
    for total in 0..4 {
        handset.seq += 1;
        let outcome = handset.request(&mut db, total).unwrap();
        handset.take_in(&outcome);
        if handset.held.is_some() {
            handset.acknowledge(&mut db, 1).unwrap();
        }
    }
    db.commit().unwrap();
    let seen = seen.lock().unwrap();
    let of_uses: Vec<_> = seen
        .ran
        .iter()
        .filter(|(sql, _)| sql.contains("FROM") && sql.contains("entitlement_usage"))
        .collect();
    let [(sql, times)] = of_uses[..] else {
        panic!("{of_uses:#?}")
    };
    assert!(seen.kept.contains(sql), "prepared anew each time: {sql}");
    // Two for each request: eight at once.
    assert!(*times <= 8, "{times}");
    let live = crate::store::scratch::number(
        &fixture.store,
        &format!("SELECT sum(live_units) AS n FROM entitlements WHERE reference >= 'U-{spent:02}'"),
    );
    let of_spent = crate::store::scratch::number(
        &fixture.store,
        &format!(
            "SELECT sum(live_units) AS n FROM entitlements \
             WHERE reference < 'U-{spent:02}' AND reference >= 'U-'"
        ),
    );
    assert_eq!((live, of_spent), (2, 0));
}

#[test]
fn every_statement_of_a_message_is_prepared_once() {
    const ROUNDS: u32 = 8;
    let fixture = Fixture::new(1, 100);
    let (mut db, seen) = watched(&fixture);
    let mut handset = fixture.handset(1);
    db.begin_write().unwrap();
    for total in 0..ROUNDS {
        handset.seq += 1;
        let outcome = handset.request(&mut db, total).unwrap();
        handset.take_in(&outcome);
        if handset.held.is_some() {
            handset.acknowledge(&mut db, 1).unwrap();
        }
    }
    db.commit().unwrap();
    let seen = seen.lock().unwrap();
    let anew: Vec<_> = seen
        .ran
        .iter()
        .filter(|(sql, times)| **times > 1 && !seen.kept.contains(*sql))
        .collect();
    assert!(seen.ran.len() > 20, "{:#?}", seen.ran);
    assert!(anew.is_empty(), "prepared anew each time: {anew:#?}");
}

/// Nor does it cost a statement a message that others have policies of their own.
#[test]
fn policies_of_single_rights_are_read_once_for_all_messages() {
    const ROUNDS: u32 = 8;
    let fixture = Fixture::new(1, 100);
    let (mut db, seen) = watched(&fixture);
    let mut handset = fixture.handset(1);
    db.begin_write().unwrap();
    for total in 0..ROUNDS {
        handset.seq += 1;
        let outcome = handset.request(&mut db, total).unwrap();
        handset.take_in(&outcome);
        if handset.held.is_some() {
            handset.acknowledge(&mut db, 1).unwrap();
        }
    }
    db.commit().unwrap();
    let seen = seen.lock().unwrap();
    let of_them = seen
        .ran
        .iter()
        .filter(|(sql, _)| sql.contains("policy_overrides"));
    assert_eq!(of_them.map(|(_, times)| times).sum::<usize>(), 1);
}
