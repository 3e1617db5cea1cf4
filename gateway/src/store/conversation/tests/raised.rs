//! Devices of what is maintained for longer are marked in portions, all of them and each once.

use super::*;
use crate::store::column::Octets;
use crate::store::raised_ceiling::{self, Raised};
use crate::store::{entitlement, refresh, regrant, scratch};

#[test]
fn devices_are_marked_in_portions_and_from_the_beginning_if_it_is_raised_once_more() {
    let fixture = Fixture::new(5, 5);
    for n in 1..=5 {
        fixture.handset(n).admit(&fixture.store, 1);
    }
    let marked = || scratch::number(&fixture.store, "SELECT count(*) AS n FROM regrants");
    let run = |work: fn(&mut Db) -> Result<usize, StoreError>| {
        fixture.store.write_blocking("test", work).unwrap()
    };
    let add: fn(&mut Db) -> _ = |db| {
        let right = entitlement::by_reference(db, "erp", "O/1/P/perpetual")?.unwrap();
        raised_ceiling::add(db, right.id.0, "tester")
    };
    // A page of two, or three where it is cut after the second.
    let portion: fn(&mut Db) -> _ = |db| {
        let raised = raised_ceiling::next(db)?.unwrap();
        let (reached, is_last) = raised_ceiling::devices(db, &raised, 3)?;
        assert!(reached.iter().all(|reached| reached.holds), "{reached:?}");
        raised_ceiling::mark(db, &raised, &reached, NOW)?;
        if is_last {
            let last = reached.last().unwrap().device.clone();
            let marked = Raised {
                after_device: last,
                ..raised
            };
            raised_ceiling::settle(db, &marked)?;
        }
        Ok(reached.len())
    };
    assert_eq!((run(add), marked()), (5, 0));
    assert_eq!((run(portion), marked()), (2, 2));
    assert_eq!(run(add), 5);
    assert_eq!((run(portion), run(portion), marked()), (2, 2, 4));
    assert_eq!((run(portion), marked()), (1, 5));
    let left: fn(&mut Db) -> _ = |db| Ok(raised_ceiling::next(db)?.is_some().into());
    assert_eq!(run(left), 0);
    let anew: fn(&mut Db) -> _ = |db| {
        let due = refresh::due(db, NOW, 9)?;
        Ok(due.iter().filter(|refresh| refresh.anew).count())
    };
    assert_eq!(run(anew), 5);
}

/// What is to be given again later does not wait for what is due later still.
#[test]
fn the_sooner_of_two_times_counts() {
    let fixture = Fixture::new(1, 1);
    fixture.handset(1).admit(&fixture.store, 1);
    let due = fixture.store.write_blocking("test", |db| {
        let device = DeviceId::new("d-1").unwrap();
        for seconds in [90, 30, 60] {
            refresh::mark_later(db, &device, "tester", NOW.plus_seconds(seconds))?;
        }
        refresh::due(db, NOW.plus_seconds(99), 9)
    });
    let due: Vec<_> = due.unwrap().iter().map(|due| due.due_at.0).collect();
    assert_eq!(due, [NOW.plus_seconds(30)]);
}

#[test]
fn a_note_that_was_given_up_is_tried_anew_when_it_is_noted_again() {
    let fixture = Fixture::new(1, 1);
    fixture.handset(1).admit(&fixture.store, 1);
    let noted = fixture.store.write_blocking("test", |db| {
        let right = entitlement::by_reference(db, "erp", "O/1/P/perpetual")?.unwrap();
        let device = DeviceId::new("d-1").unwrap();
        let note = |db: &mut Db| regrant::note(db, right.id.0, &["d-1".to_owned()]);
        note(db)?;
        let given_up = regrant::Regrant {
            entitlement_id: Octets(right.id.0),
            tries: 42,
            due_at: None,
            rule: Some(crate::store::column::Code(Rule::Hold)),
        };
        regrant::put_off(db, &device, &given_up)?;
        assert_eq!(regrant::of_device(db, &device)?, [given_up]);
        assert!(given_up.is_given_up());
        // It has the right, so that nobody waits for it.
        assert_eq!(regrant::awaited(db, &device)?, []);
        note(db)?;
        regrant::of_device(db, &device)
    });
    let [noted] = noted.unwrap()[..] else {
        panic!("one");
    };
    assert_eq!(
        (noted.tries, noted.rule, noted.is_given_up()),
        (0, None, false)
    );
}
