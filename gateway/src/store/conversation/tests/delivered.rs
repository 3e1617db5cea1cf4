//! What the deliveries say of sets that another one followed.

use fleetgrant_core::domain::DeliveryState;

use super::*;
use crate::store::column::{Code, Micros};
use crate::store::schema::grant_sets;

/// The state of each delivery, oldest first, and whether the device acknowledged it.
fn states(fixture: &Fixture) -> Vec<(DeliveryState, bool)> {
    use diesel::prelude::*;
    let read = |db: &mut Db| {
        let rows: Vec<(Code<DeliveryState>, Option<Micros>)> = on!(db, c => grant_sets::table
            .order(grant_sets::generation)
            .select((grant_sets::delivery_state, grant_sets::acknowledged_at))
            .load(c))?;
        let states = rows.into_iter().map(|(state, at)| (state.0, at.is_some()));
        Ok(states.collect())
    };
    fixture.store.read_blocking("test", read).unwrap()
}

#[test]
fn a_set_that_a_request_says_it_holds_was_acknowledged_although_the_answer_is_another() {
    let fixture = Fixture::new(1, 5);
    let mut handset = fixture.handset(1);
    handset.admit(&fixture.store, 1);
    assert_eq!(states(&fixture), [(DeliveryState::Published, false)]);
    // Its acknowledgement was lost; it asks for more, and says what it holds.
    handset.seq += 1;
    let asking = handset.clone();
    let request = move |db: &mut Db| asking.request(db, 2);
    fixture.store.write_blocking("request", request).unwrap();
    assert_eq!(
        states(&fixture),
        [
            (DeliveryState::Acknowledged, true),
            (DeliveryState::Published, false)
        ]
    );
}

#[test]
fn a_set_that_nobody_says_is_held_is_superseded() {
    let fixture = Fixture::new(1, 5);
    let mut handset = fixture.handset(1);
    handset.admit(&fixture.store, 1);
    handset.seq += 1;
    let blank = Handset {
        held: None,
        ..handset.clone()
    };
    let request = move |db: &mut Db| blank.request(db, 2);
    fixture.store.write_blocking("request", request).unwrap();
    assert_eq!(
        states(&fixture),
        [
            (DeliveryState::Superseded, false),
            (DeliveryState::Published, false)
        ]
    );
}
