//! Parties on hold, in the eyes of the next message, whatever is kept from one to the next.

use fleetgrant_core::domain::{ActivationState, PartyId, PartyState};
use fleetgrant_core::event::EventKind;
use fleetgrant_core::operator::Publish;
use fleetgrant_core::outcome::WantVerdict;
use fleetgrant_core::party::{MergeError, PartyAct};
use fleetgrant_core::rule::Rule;

use super::*;
use crate::activation::Rules;
use crate::clock::Clock;
use crate::lifecycle::{EntitlementActError, PartyChange};
use crate::operator::{Act, Attempt, Operator};
use crate::store::event::{self, Stream};
use crate::store::{entitlement, party, refresh};

impl Fixture {
    fn owner(&self) -> PartyId {
        let read = |db: &mut Db| party::by_external_id(db, "erp", "C");
        self.store
            .read_blocking("owner", read)
            .unwrap()
            .unwrap()
            .id
            .0
    }

    /// Acts on the owner as a gateway does that shares nothing but the database.
    fn act(&self, act: PartyAct) -> PartyChange {
        let (store, owner) = (self.another(), self.owner());
        let operator = self.acting(&store);
        let tried = store.write_blocking("act", move |db| {
            operator.attempt_on_party(db, owner, act, NOW)
        });
        match tried.unwrap() {
            Attempt::Done(change) => change,
            other => panic!("{other:?}"),
        }
    }

    fn acting(&self, store: &Store) -> Operator {
        Operator {
            store: store.clone(),
            rules: Arc::new(Rules {
                authority: (*self.authority).clone(),
                policy: Policy::default(),
                cache: self.cache.clone(),
            }),
            clock: Clock::system(),
            actor: "tester".to_owned(),
        }
    }

    fn marked(&self) -> Vec<String> {
        let read = |db: &mut Db| refresh::due(db, NOW, 100);
        let due = self.store.read_blocking("due", read).unwrap();
        due.into_iter().map(|refresh| refresh.device_id).collect()
    }

    /// What the history of the owner has of these kinds, in order.
    fn told_of(&self, kinds: &[EventKind]) -> Vec<EventKind> {
        let stream = Stream::Party(self.owner());
        let told = self
            .store
            .read_blocking("told", move |db| event::of_stream(db, stream));
        let told = told.unwrap().into_iter().map(|event| event.kind.0);
        told.filter(|kind| kinds.contains(kind)).collect()
    }
}

impl Handset {
    /// Asks for so many units; the rule that denied it, if one did.
    fn want(&mut self, store: &Store, total: u32) -> Option<Rule> {
        self.seq += 1;
        let handset = self.clone();
        let outcome = store
            .write_blocking("request", move |db| handset.request(db, total))
            .unwrap();
        self.take_in(&outcome);
        match outcome.decided[0].verdict {
            WantVerdict::Denied { rule, .. } => Some(rule),
            _ => None,
        }
    }
}

#[test]
fn a_hold_reaches_the_next_message_and_so_does_its_release() {
    let fixture = Fixture::new(2, 5);
    let mut first = fixture.handset(1);
    let mut second = fixture.handset(2);
    first.admit(&fixture.store, 1);
    second.admit(&fixture.store, 0);
    let held = fixture.act(PartyAct::Hold);
    assert_eq!(
        (held.state, held.changed, held.devices),
        (PartyState::Hold, true, 0)
    );
    assert!(!fixture.act(PartyAct::Hold).changed);
    // What is out is signed for.
    let acking = first.clone();
    let acked = fixture
        .store
        .write_blocking("ack", move |db| acking.acknowledge(db, 1));
    assert!(
        acked
            .unwrap()
            .activations
            .iter()
            .any(|change| { change.activation().standing.state() == ActivationState::Activated })
    );
    // What is there is served, more is denied.
    assert_eq!(first.want(&fixture.store, 1), None);
    assert_eq!(first.want(&fixture.store, 2), Some(Rule::PartyOnHold));
    assert_eq!(second.want(&fixture.store, 1), Some(Rule::PartyOnHold));
    assert!(fixture.act(PartyAct::Release).changed);
    assert_eq!(second.want(&fixture.store, 1), None);
    let kinds = [EventKind::PartyHeld, EventKind::PartyReleased];
    assert_eq!(fixture.told_of(&kinds), kinds);
}

#[test]
fn what_was_assigned_is_looked_at_when_the_party_is_released() {
    let fixture = Fixture::new(2, 5);
    for n in [1, 2] {
        fixture.handset(n).admit(&fixture.store, 0);
    }
    let find = |db: &mut Db| entitlement::by_reference(db, "erp", "O/1/P/perpetual");
    let sold = fixture.store.read_blocking("sold", find).unwrap().unwrap();
    let operator = fixture.acting(&fixture.store);
    let assign = move |db: &mut Db| {
        let act = Act::Assign {
            entitlement: sold.id.0,
            units: 1,
            publish: Publish::AtContact,
        };
        let device = DeviceId::new("d-2").unwrap();
        operator.attempt(db, &device, act, NOW)
    };
    let assigned = fixture.store.write_blocking("assign", assign).unwrap();
    assert!(matches!(assigned, Attempt::Done(_)), "{assigned:?}");
    fixture.act(PartyAct::Hold);
    assert!(fixture.marked().is_empty());
    assert_eq!(fixture.act(PartyAct::Release).devices, 1);
    assert_eq!(fixture.marked(), ["d-2"]);
}

/// The column of the import is the same act.
#[test]
fn an_import_holds_and_releases() {
    let fixture = Fixture::new(1, 5);
    let mut handset = fixture.handset(1);
    handset.admit(&fixture.store, 0);
    let state = |state: &str| {
        let text = format!("system,party,name,state\nerp,C,Customer,{state}\n");
        fixture.import_as(Kind::Parties, &text, true);
    };
    state("hold");
    assert_eq!(handset.want(&fixture.store, 1), Some(Rule::PartyOnHold));
    // A file without the column says nothing of it.
    fixture.import_as(Kind::Parties, "system,party,name\nerp,C,Client\n", true);
    assert_eq!(handset.want(&fixture.store, 1), Some(Rule::PartyOnHold));
    state("active");
    assert_eq!(handset.want(&fixture.store, 1), None);
}

/// Of a party in a tree, neither the one above nor the one below is held with it.
#[test]
fn a_hold_of_a_parent_is_not_one_of_its_children() {
    let fixture = Fixture::new(1, 5);
    let mut handset = fixture.handset(1);
    handset.admit(&fixture.store, 0);
    fixture.import(
        Kind::Parties,
        "system,party,name,state\nerp,UP,Group,hold\n",
    );
    fixture.import_as(
        Kind::Parties,
        "system,party,name,parent\nerp,C,Customer,UP\nerp,LOW,Branch,C\n",
        true,
    );
    fixture.import_as(
        Kind::Parties,
        "system,party,name,state\nerp,LOW,Branch,hold\n",
        true,
    );
    assert_eq!(handset.want(&fixture.store, 1), None);
}

#[test]
fn a_hold_does_not_end_by_a_merger() {
    let fixture = Fixture::new(1, 5);
    fixture.import(Kind::Parties, "system,party,name\nerp,OTHER,Other\n");
    fixture.act(PartyAct::Hold);
    let (from, operator) = (fixture.owner(), fixture.acting(&fixture.store));
    let merge = move |db: &mut Db| {
        let into = party::by_external_id(db, "erp", "OTHER")?.unwrap().id.0;
        operator.attempt_merge(db, from, into, NOW)
    };
    let merged = fixture.store.write_blocking("merge", merge).unwrap();
    assert!(
        matches!(
            &merged,
            Attempt::Refused(EntitlementActError::Merge(MergeError::OnHold))
        ),
        "{merged:?}"
    );
}
