//! Reservations that run out before the device asks.

use fleetgrant_core::operator::{self, Publish};
use fleetgrant_core::tick::on_tick;

use super::*;
use crate::store::listing;

const HEAD: &str = "system,entitlement,owner,product,model,units,start_basis,starts_at,\
                    latest_start_at,term,ends_at\n";
/// Seconds that a subscription of the default model goes on.
const GRACE: u64 = 14 * 86_400;

impl Fixture {
    fn subscription(&self, row: &str, amend: bool) {
        let text = format!("{HEAD}{row}\n");
        self.import_as(Kind::Entitlements, &text, amend);
    }

    /// An operator gives a unit to `d-1`, for when it asks.
    fn reserve(&self) {
        let found = self.read(|db| listing::entitlement_named(db, "T"));
        let entitlement = found[0].id.0;
        let device = self.handset(1);
        let assign = move |db: &mut Db| {
            let look = Look {
                named: Some(entitlement),
                quotas: true,
                ..Look::default()
            };
            let snapshot = load_for(db, &Cache::default(), &device.id, &look)?.unwrap();
            let basis = Basis::of(&snapshot);
            let policy = Policy::default();
            let context = device.context(&policy);
            let publish = Publish::AtContact;
            let outcome =
                operator::assign(snapshot, entitlement, 1, publish, context, &mut entropy());
            device.record(db, &basis, &outcome.unwrap(), MessageDigest([9; 32]))
        };
        self.store.write_blocking("assign", assign).unwrap();
    }

    fn due(&self, now: Timestamp) -> usize {
        let after = Policy::default().orphan_after;
        self.read(move |db| devices_to_tick(db, now, after, 9))
            .len()
    }

    /// From which second on the upkeep looks at the device.
    fn due_from(&self, now: Timestamp) {
        assert_eq!(self.due(now.minus_seconds(1)), 0);
        assert_eq!(self.due(now), 1);
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.read_blocking("test", query).unwrap()
    }
}

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_micros(instant.as_microsecond())
}

#[test]
fn it_is_due_when_its_entitlement_is_over_and_freed_then() {
    let fixture = Fixture::new(1, 1);
    fixture.subscription("erp,T,C,P,subscription,1,fixed,2026-11-01,,P2M,", false);
    fixture.reserve();
    let over = at("2027-01-01T00:00:00Z").plus_seconds(GRACE);
    fixture.due_from(over);
    let device = fixture.handset(1);
    let tick = move |db: &mut Db| {
        let snapshot = load(db, &Cache::default(), &device.id, &[])?.unwrap();
        let basis = Basis::of(&snapshot);
        let policy = Policy::default();
        let context = Context {
            now: over,
            ..device.context(&policy)
        };
        let cause = Cause {
            actor: "gateway".to_owned(),
            message: None,
            at: over,
        };
        record(
            db,
            &Cache::default(),
            &basis,
            &on_tick(snapshot, context),
            &cause,
        )
    };
    let recorded = fixture.store.write_blocking("tick", tick).unwrap();
    assert_eq!(recorded, Recorded::Whole);
    assert_eq!(fixture.due(over.plus_seconds(1_000)), 0);
    let found = fixture.read(|db| listing::entitlement_named(db, "T"));
    assert_eq!(found[0].live_units, 0);
}

#[test]
fn it_follows_the_dates_of_its_entitlement() {
    let fixture = Fixture::new(1, 1);
    fixture.subscription(
        "erp,T,C,P,subscription,1,fixed,2026-11-01,,,2027-03-01",
        false,
    );
    fixture.reserve();
    fixture.due_from(at("2027-03-01T00:00:00Z").plus_seconds(GRACE));
    for end in ["2027-05-01", "2027-02-01"] {
        let row = format!("erp,T,C,P,subscription,1,fixed,2026-11-01,,,{end}");
        fixture.subscription(&row, true);
        let end = at(&format!("{end}T00:00:00Z"));
        fixture.due_from(end.plus_seconds(GRACE));
    }
}

#[test]
fn a_term_that_has_not_begun_is_over_by_its_latest_start_or_never() {
    let fixture = Fixture::new(1, 1);
    fixture.subscription(
        "erp,T,C,P,subscription,1,first-activation,,2027-01-01,P2M,",
        false,
    );
    fixture.reserve();
    fixture.due_from(at("2027-03-01T00:00:00Z").plus_seconds(GRACE));

    let fixture = Fixture::new(1, 1);
    fixture.subscription("erp,T,C,P,subscription,1,first-activation,,,P2M,", false);
    fixture.reserve();
    assert_eq!(fixture.due(at("2200-01-01T00:00:00Z")), 0);
}

/// Another device was faster, and what starts with the first activation has started.
#[test]
fn it_runs_out_earlier_once_another_device_starts_the_term() {
    let fixture = Fixture::new(2, 1);
    fixture.subscription(
        "erp,T,C,P,subscription,2,first-activation,,2028-01-01,P2M,",
        false,
    );
    fixture.reserve();
    let mut other = fixture.handset(2);
    other.admit(&fixture.store, 1);
    // From the first of December on.
    let over = at("2027-02-01T00:00:00Z").plus_seconds(GRACE);
    assert_eq!(fixture.due(over.minus_seconds(1)), 0);
    assert_eq!(fixture.due(over), 1);
}
