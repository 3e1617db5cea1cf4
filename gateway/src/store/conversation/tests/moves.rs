//! Units that move between devices, and what is given for a while, in the tables.

use diesel::prelude::*;
use fleetgrant_core::domain::{ActivationState, DeviceState};
use fleetgrant_core::operator::{OperatorError, Publish, Stopgap};
use fleetgrant_core::quota::{Leave, QuotaKind};
use fleetgrant_core::snapshot::Snapshot;

use super::*;
use crate::approval::{ApprovalError, Decision};
use crate::operator::{Act, ActError, Effects, Operator};
use crate::store::column::{Code, Octets};
use crate::store::listing::{self, ActivationFilter, ActivationRow};
use crate::store::schema::{activations, entitlements, quota_uses};

impl Fixture {
    fn activations(&self, handset: &Handset) -> Vec<ActivationRow> {
        let filter = ActivationFilter {
            device: Some(handset.id.clone()),
            ..ActivationFilter::default()
        };
        let list = move |db: &mut Db| listing::activations(db, &filter, 10);
        self.store.read_blocking("list", list).unwrap()
    }

    fn states(&self, handset: &Handset) -> Vec<ActivationState> {
        let activations = self.activations(handset);
        activations.iter().map(|row| row.state.0).collect()
    }

    /// Units in use and units that wait to be taken up, of the one entitlement.
    fn units(&self) -> (i64, i64) {
        let look = |db: &mut Db| {
            Ok(on!(db, c => entitlements::table
                .select((entitlements::live_units, entitlements::returned_units))
                .first(c))?)
        };
        self.store.read_blocking("units", look).unwrap()
    }

    pub(super) fn uses(&self) -> Vec<QuotaKind> {
        let look = |db: &mut Db| {
            let kinds: Vec<Code<QuotaKind>> =
                on!(db, c => quota_uses::table.select(quota_uses::kind).load(c))?;
            Ok(kinds.into_iter().map(|kind| kind.0).collect())
        };
        self.store.read_blocking("uses", look).unwrap()
    }

    /// The ids of predecessor and first of the line of an activation.
    fn lineage(&self, activation: ActivationId) -> (Option<ActivationId>, ActivationId) {
        type Found = (Option<Octets<ActivationId>>, Octets<ActivationId>);
        let look = move |db: &mut Db| {
            let (predecessor, lineage): Found = on!(db, c => activations::table
                .find(Octets(activation))
                .select((activations::predecessor_id, activations::lineage_id))
                .first(c))?;
            Ok((predecessor.map(|id| id.0), lineage.0))
        };
        self.store.read_blocking("lineage", look).unwrap()
    }

    /// A request that gets through, and its acknowledgement.
    fn ask(&self, handset: &mut Handset, reason: Reason, total: u32) -> Outcome {
        handset.seq += 1;
        let asking = handset.clone();
        let request = move |db: &mut Db| asking.request_as(db, reason, total);
        let outcome = self.store.write_blocking("request", request).unwrap();
        handset.take_in(&outcome);
        if outcome.issued.is_some() {
            let asking = handset.clone();
            let acknowledge = move |db: &mut Db| asking.acknowledge(db, 1);
            self.store.write_blocking("ack", acknowledge).unwrap();
        }
        outcome
    }

    fn operator(&self, name: &str) -> Operator {
        Operator {
            store: self.store.clone(),
            rules: Arc::new(crate::activation::Rules {
                authority: (*self.authority).clone(),
                policy: Policy::default(),
                cache: Cache::default(),
            }),
            clock: crate::clock::Clock::manual(NOW).0,
            actor: format!("operator {name}"),
        }
    }

    fn operate(
        &self,
        handset: &Handset,
        look: Look<'static>,
        act: impl Fn(Snapshot, Context<'_>) -> Result<Outcome, OperatorError> + Send + 'static,
    ) -> Result<Outcome, OperatorError> {
        let handset = handset.clone();
        let transaction = move |db: &mut Db| {
            let snapshot = load_for(db, &Cache::default(), &handset.id, &look)?.unwrap();
            let basis = Basis::of(&snapshot);
            let policy = Policy::default();
            let outcome = match act(snapshot, handset.context(&policy)) {
                Ok(outcome) => outcome,
                Err(refused) => return Ok(Err(refused)),
            };
            handset.record(db, &basis, &outcome, MessageDigest([9; 32]))?;
            Ok(Ok(outcome))
        };
        self.store.write_blocking("operator", transaction).unwrap()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.build().unwrap()
}

impl Handset {
    fn request_as(&self, db: &mut Db, reason: Reason, total: u32) -> Result<Outcome, StoreError> {
        let ask = Ask {
            reason,
            ..self.ask(total)
        };
        let look = Look {
            wants: &ask.wants,
            quotas: reason == Reason::Temporary,
            now: Some(NOW),
            ..Look::default()
        };
        let snapshot = load_for(db, &Cache::default(), &self.id, &look)?.unwrap();
        let basis = Basis::of(&snapshot);
        let request = Request {
            digest: self.digest(0),
            sender: self.sender(snapshot.device.key()),
            ask,
        };
        let policy = Policy::default();
        let outcome = on_request(snapshot, &request, self.context(&policy), &mut entropy());
        self.record(db, &basis, &outcome, request.digest)?;
        Ok(outcome)
    }
}

#[test]
fn a_unit_that_moves_keeps_its_line_and_is_counted_once() {
    let fixture = Fixture::new(2, 1);
    let (mut old, mut new) = (fixture.handset(1), fixture.handset(2));
    old.admit(&fixture.store, 1);
    new.admit(&fixture.store, 0);
    fixture.ask(&mut old, Reason::Return, 0);
    assert_eq!(fixture.units(), (0, 1));
    fixture.ask(&mut new, Reason::Rehost, 1);
    assert_eq!(fixture.states(&new), [ActivationState::Activated]);
    assert_eq!(fixture.units(), (1, 0));
    assert_eq!(fixture.uses(), [QuotaKind::Rehost]);
    let (first, second) = (fixture.activations(&old), fixture.activations(&new));
    let (first, second) = (first[0].id.0, second[0].id.0);
    assert_eq!(fixture.lineage(second), (Some(first), first));

    // And back: the line goes on.
    fixture.ask(&mut new, Reason::Return, 0);
    fixture.ask(&mut old, Reason::Upgrade, 1);
    let of_old = fixture.activations(&old);
    let back = of_old
        .iter()
        .find(|row| row.state.0 == ActivationState::Activated);
    let back = back.unwrap().id.0;
    assert_eq!(fixture.lineage(back), (Some(second), first));
    assert_eq!(fixture.units(), (1, 0));
}

#[test]
fn a_temporary_licence_takes_no_unit_and_one_of_the_quota() {
    let fixture = Fixture::new(3, 1);
    let mut broken = fixture.handset(1);
    broken.admit(&fixture.store, 1);
    for (n, states) in [(2, vec![ActivationState::Activated]), (3, Vec::new())] {
        let mut spare = fixture.handset(n);
        spare.admit(&fixture.store, 0);
        fixture.ask(&mut spare, Reason::Temporary, 1);
        assert_eq!(fixture.states(&spare), states, "device {n}");
    }
    assert_eq!(fixture.units(), (1, 0));
    assert_eq!(fixture.uses(), [QuotaKind::Temporary]);
    let waits = fixture
        .store
        .read_blocking("cases", |db| crate::store::case::of_device(db, "d-3", 10));
    let steps: Vec<_> = waits.unwrap().iter().map(|case| case.step.0).collect();
    assert_eq!(steps, [fleetgrant_core::domain::CaseStep::Approval]);
}

#[test]
fn a_dead_device_is_replaced_and_comes_back_with_nothing() {
    let fixture = Fixture::new(2, 1);
    let (mut dead, mut new) = (fixture.handset(1), fixture.handset(2));
    dead.admit(&fixture.store, 1);
    new.admit(&fixture.store, 0);
    let old = fixture.activations(&dead)[0].id.0;
    let look = Look {
        quotas: true,
        ..Look::default()
    };
    let bury = |leave| {
        fixture.operate(&dead, look, move |snapshot, context| {
            operator::declare_dead(snapshot, leave, context, &mut entropy())
        })
    };
    assert!(matches!(
        bury(Leave::Policy),
        Err(OperatorError::Limited(_))
    ));
    bury(Leave::Approval).unwrap();
    assert_eq!(fixture.states(&dead), [ActivationState::WrittenOff]);
    assert_eq!(fixture.units(), (0, 1));

    let take_over = || {
        let look = Look {
            taken_over: Some(old),
            ..look
        };
        fixture.operate(&new, look, move |snapshot, context| {
            operator::take_over(snapshot, old, Publish::AtContact, context, &mut entropy())
        })
    };
    take_over().unwrap();
    assert_eq!(take_over(), Err(OperatorError::NothingToTakeOver));
    fixture.ask(&mut new, Reason::Boot, 1);
    assert_eq!(fixture.states(&new), [ActivationState::Activated]);
    assert_eq!(fixture.units(), (1, 0));

    fixture
        .operate(&dead, look, |snapshot, context| {
            operator::readmit(snapshot, context, &mut entropy())
        })
        .unwrap();
    // A challenge, then the empty set, which it signs for.
    fixture.ask(&mut dead, Reason::Boot, 1);
    fixture.ask(&mut dead, Reason::Boot, 1);
    assert_eq!(fixture.states(&dead), [ActivationState::Removed]);
    let id = dead.id.clone();
    let device = fixture
        .store
        .read_blocking("device", move |db| load(db, &Cache::default(), &id, &[]));
    assert_eq!(device.unwrap().unwrap().device.state, DeviceState::Admitted);
    assert_eq!(fixture.units(), (1, 0), "its unit is the other's");
    assert_eq!(fixture.uses(), [QuotaKind::RehostUnconfirmed]);
}

#[test]
fn an_unassigned_replacement_is_decided_under_the_owners_tier() {
    let fixture = Fixture::new(1, 1);
    fixture.import_as(
        Kind::Parties,
        "system,party,name,tier\nerp,C,Customer,strategic\n",
        true,
    );
    fixture.import(Kind::Manifest, "serial\n2\n");
    let (mut broken, mut spare) = (fixture.handset(1), fixture.handset(2));
    broken.admit(&fixture.store, 1);
    spare.admit(&fixture.store, 0);
    let filter = listing::EntitlementFilter::default();
    let sold = fixture
        .store
        .read_blocking("sold", move |db| listing::entitlements(db, &filter, 1))
        .unwrap()[0]
        .id
        .0;
    let stopgap = Stopgap {
        entitlement: sold,
        units: 1,
        leave: Leave::Policy,
    };
    let look = Look {
        named: Some(sold),
        quotas: true,
        ..Look::default()
    };
    let given = fixture.operate(&spare, look, move |snapshot, context| {
        operator::give_temporary(snapshot, stopgap, Publish::Now, context, &mut entropy())
    });
    assert_eq!(given.unwrap().policy.to_string(), "strategic/1");
    fixture.ask(&mut spare, Reason::Boot, 0);
    assert_eq!(fixture.states(&spare), [ActivationState::Activated]);
}

#[test]
fn the_schema_lets_units_go_by_proof_or_time_and_forgets_no_use() {
    let fixture = Fixture::new(2, 1);
    let (mut old, mut new) = (fixture.handset(1), fixture.handset(2));
    old.admit(&fixture.store, 1);
    new.admit(&fixture.store, 0);
    fixture.ask(&mut old, Reason::Return, 0);
    fixture.ask(&mut new, Reason::Rehost, 1);
    for (statement, name) in [
        (
            "UPDATE activations SET taken_up_units = units + 1",
            "activation_is_taken_up_once",
        ),
        (
            "UPDATE entitlements SET returned_units = -1",
            "entitlement_returned_units_not_negative",
        ),
        ("DELETE FROM quota_uses", "quota_uses_are_never_deleted"),
        (
            "UPDATE quota_uses SET units = 9",
            "quota_uses_are_append_only",
        ),
        (
            "UPDATE activations SET state = 8, removal_reason = 1, ended_at = 1 WHERE state = 3",
            "activation_removed_by_proof",
        ),
        (
            "UPDATE activations SET state = 9, ended_at = 1 WHERE state = 3",
            "activation_lapsed_by_time",
        ),
        (
            "UPDATE activations SET state = 3, ended_at = NULL WHERE state = 8",
            "activation_that_ended_stays_so",
        ),
    ] {
        let failed = crate::store::scratch::write(&fixture.store, statement);
        assert!(failed.unwrap_err().to_string().contains(name), "{name}");
    }
}

#[test]
fn what_a_device_asked_for_is_approved_by_somebody() {
    use crate::store::listing::CaseFilter;

    let fixture = Fixture::new(3, 1);
    fixture.handset(1).admit(&fixture.store, 1);
    let mut spares = [2, 3].map(|n| fixture.handset(n));
    for spare in &mut spares {
        spare.admit(&fixture.store, 0);
        fixture.ask(spare, Reason::Temporary, 1);
    }
    let filter = CaseFilter {
        step: Some(fleetgrant_core::domain::CaseStep::Approval),
        ..CaseFilter::default()
    };
    let waiting = move |store: &Store| {
        let filter = filter.clone();
        store.read_blocking("cases", move |db| listing::cases(db, &filter, 10))
    };
    let cases = waiting(&fixture.store).unwrap();
    let [case] = &cases[..] else {
        panic!("one is beyond the quota: {cases:?}");
    };
    assert_eq!(
        (case.want.as_str(), case.total),
        ("temporary/pump", Some(1))
    );
    let (operator, runtime) = (fixture.operator("ann"), runtime());
    let decide =
        |decision| runtime.block_on(operator.decide_case(case.id.0, decision, Effects::Kept));
    decide(Decision::Approve).unwrap();
    let again = decide(Decision::Approve);
    assert!(matches!(again, Err(ApprovalError::NotWaiting { .. })));
    let [_, beyond] = &mut spares;
    fixture.ask(beyond, Reason::Boot, 0);
    assert_eq!(fixture.states(beyond), [ActivationState::Activated]);
    assert_eq!(fixture.units(), (1, 0));
    assert_eq!(fixture.uses().len(), 2);
    assert!(waiting(&fixture.store).unwrap().is_empty());
}

/// What policy does not let an operator do waits for another, who does it by approving it.
#[test]
fn what_an_operator_is_denied_is_done_by_whoever_approves_it() {
    let fixture = Fixture::new(2, 1);
    let mut dead = fixture.handset(1);
    dead.admit(&fixture.store, 1);
    let (ann, ben, runtime) = (fixture.operator("ann"), fixture.operator("ben"), runtime());
    let bury = |operator: &Operator| {
        let denied = runtime.block_on(operator.act(&dead.id, Act::DeclareDead(Leave::Policy)));
        match denied {
            Err(ActError::Waits { case, .. }) => case,
            other => panic!("{other:?}"),
        }
    };
    let case = bury(&ann);
    assert_eq!(bury(&ann), case, "it waits once");
    assert_eq!(bury(&ben), case, "whoever asks again");
    let device = dead.id.clone();
    let look = move |db: &mut Db| crate::store::case::of_device(db, device.as_str(), 10);
    let cases = || fixture.store.read_blocking("cases", look.clone()).unwrap();
    let waits: Vec<_> = cases().into_iter().filter(|row| row.id.0 == case).collect();
    assert_eq!(waits[0].want, "write-off/");
    assert_eq!(waits[0].requested_by, "operator ann");
    assert_eq!(fixture.states(&dead), [ActivationState::Published]);

    let decide = |operator: &Operator, effects| {
        runtime.block_on(operator.decide_case(case, Decision::Approve, effects))
    };
    let own = decide(&ann, Effects::Kept);
    assert!(matches!(own, Err(ApprovalError::OwnRequest(_))));
    decide(&ben, Effects::Undone).unwrap();
    assert_eq!(fixture.states(&dead), [ActivationState::Published]);
    decide(&ben, Effects::Kept).unwrap();
    assert_eq!(fixture.states(&dead), [ActivationState::WrittenOff]);
    let settled: Vec<_> = cases().into_iter().filter(|row| row.id.0 == case).collect();
    assert_eq!(settled[0].decided_by.as_deref(), Some("operator ben"));
    assert!(settled[0].closed_at.is_some());
}

/// Asking for something else in the same case is a new request, of whoever makes it.
#[test]
fn a_case_is_of_whoever_asked_for_what_it_is_about_now() {
    let fixture = Fixture::new(3, 1);
    fixture.handset(1).admit(&fixture.store, 1);
    let mut spares = [2, 3].map(|n| fixture.handset(n));
    for spare in &mut spares {
        spare.admit(&fixture.store, 0);
    }
    let look = |db: &mut Db| {
        let id: Octets<_> = on!(db, c => entitlements::table.select(entitlements::id).first(c))?;
        Ok(id.0)
    };
    let entitlement = fixture.store.read_blocking("id", look).unwrap();
    let runtime = runtime();
    let give = |name: &str, spare: &Handset, units| {
        let stopgap = Stopgap {
            entitlement,
            units,
            leave: Leave::Policy,
        };
        let act = Act::GiveTemporary(stopgap, Publish::Now);
        runtime.block_on(fixture.operator(name).act(&spare.id, act))
    };
    let waits = |given| match given {
        Err(ActError::Waits { case, .. }) => case,
        other => panic!("{other:?}"),
    };
    give("ann", &spares[0], 1).unwrap();
    let case = waits(give("ann", &spares[1], 1));
    assert_eq!(waits(give("ben", &spares[1], 2)), case);
    let decide = |name| {
        let operator = fixture.operator(name);
        let decided = operator.decide_case(case, Decision::Approve, Effects::Kept);
        runtime.block_on(decided)
    };
    let own = decide("ben");
    assert!(matches!(own, Err(ApprovalError::OwnRequest(_))), "{own:?}");
    let done = decide("ann").unwrap();
    assert_eq!(done[0].activations[0].activation().units, 2);
    assert_eq!(fixture.activations(&spares[1])[0].units, 2);
    assert_eq!(fixture.units(), (1, 0), "it takes no unit");
}
