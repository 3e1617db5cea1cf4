//! The decision of a request, done: units taken and let go, and the set that says so.

use std::collections::BTreeSet;
use std::mem;

use crate::activation::{Activation, Removal, Standing};
use crate::ask::{Ask, Request, Want};
use crate::content::Denial;
use crate::context::Entropy;
use crate::decide::{self, Draw, Plan, Source, Verdict};
use crate::domain::{
    ActivationId, ActivationKind, EntitlementId, Generation, RemovalReason, SetKey, Timestamp,
};
use crate::event::{Event, EventKind};
use crate::ledger::Ledger;
use crate::notice::NoticeCode;
use crate::outcome::{Answer, Decided, WantVerdict};
use crate::rule::{Refusal, Rule};
use crate::turn::{NoRoom, Proposal, Said, Turn, Unissuable, Why};

/// What was done for a plan: the activations made or let go, each with what it was for.
pub(crate) type Done = Vec<(Source, ActivationId)>;

impl<E: Entropy> Turn<'_, E> {
    pub(super) fn answer(&mut self, request: &Request) -> Result<Answer, Answer> {
        let ask = &request.ask;
        let mut full = BTreeSet::new();
        let (plan, done, mut proposal) = loop {
            let plan = self.decide(request, &full);
            let (ledger, done) = self
                .carry_out(&plan, request)
                .map_err(|failed| self.unissuable(failed, request))?;
            // What was assigned before goes before what is drawn now.
            let mut no_room = NoRoom::new();
            let has_room = self.has_room(&ledger, &no_room);
            if !has_room {
                if let Some(draw) = plan.draws.last() {
                    full.insert(draw.source);
                    continue;
                }
                no_room = self.no_room(&ledger);
            }
            let (nonce, denials) = (Some(ask.nonce), plan.denials(ask, self));
            let proposal = self
                .propose(ledger, &no_room, nonce, denials, request.sender.channel)
                .map_err(|failed| self.unissuable(failed, request))?;
            if has_room || self.fits(&proposal, 0) {
                break (plan, done, proposal);
            }
            let said = Said::default();
            return Err(self.notice_counted(NoticeCode::TooLarge, request, said));
        };
        // A denial can be larger than a right, and is worth less.
        while !proposal.denials.is_empty() && !self.fits(&proposal, proposal.denials.len()) {
            proposal.denials.pop();
        }
        let answer = match self.nothing_to_say(&plan, &proposal, ask) {
            Some(refusal) => {
                let said = Said {
                    text: Some(refusal.rule.as_str()),
                    retry_after: refusal.retry_after(self.ctx.policy, self.ctx.now),
                    ..Said::default()
                };
                self.notice_counted(NoticeCode::Denied, request, said)
            }
            None => {
                self.issue(proposal, Why::Asked(ask.reason));
                Answer::Grant
            }
        };
        // The set brought its own copy of the ledger, events included.
        self.count_codes(&plan);
        self.count_quotas(&plan, &done);
        self.record_verdicts(&plan, &done, ask);
        Ok(answer)
    }

    pub(crate) fn decide(&self, request: &Request, full: &BTreeSet<Source>) -> Plan {
        decide::decide(&self.facts(request.sender.key), &request.ask, full)
    }

    /// Does a plan on a copy of the ledger, which may still be discarded.
    pub(crate) fn carry_out(
        &mut self,
        plan: &Plan,
        request: &Request,
    ) -> Result<(Ledger, Done), Unissuable> {
        let mut ledger = self.ledger.clone();
        let mut done = Done::new();
        let (now, key) = (self.ctx.now, self.next_key()?);
        for draw in &plan.draws {
            let id = self.activation_id();
            let taken = ledger.reserve(Activation {
                id,
                entitlement: draw.entitlement,
                units: draw.units,
                kind: draw.kind,
                origin: request.origin(),
                predecessor: draw.takes_up,
                code: draw.code,
                created_at: now,
                run: None,
                activated_at: None,
                usage: 0,
                stranded: false,
                standing: Standing::Reserved,
            });
            debug_assert!(taken.is_ok(), "the plan counts what is left");
            if draw.is_returned {
                ledger.take_up(draw.entitlement, draw.units.into());
            }
            done.push((draw.source, id));
        }
        supersede_temporary(&mut ledger, plan, key, now);
        for give_back in &plan.give_backs {
            let whole = ledger
                .activation(give_back.activation)
                .is_some_and(|activation| activation.units == give_back.units);
            if whole {
                ledger.remove(give_back.activation, RemovalReason::Return, key, now);
                done.push((give_back.source, give_back.activation));
            } else {
                let part = self.activation_id();
                let removal = Removal {
                    reason: RemovalReason::Return,
                    removed_in: key,
                    since: now,
                };
                ledger.split_off(give_back.activation, give_back.units, part, removal);
                done.push((give_back.source, part));
            }
        }
        Ok((ledger, done))
    }

    /// The rule to tell, where a set would say nothing: nothing is in it, nothing was in the one
    /// before, and there is no want to deny in it.
    fn nothing_to_say(&self, plan: &Plan, proposal: &Proposal, ask: &Ask) -> Option<Refusal> {
        let denied = |source: Source| !matches!(source, Source::Want(_));
        let rule = plan
            .verdicts
            .iter()
            .find_map(|(source, verdict)| match verdict {
                Verdict::Denied(refusal) if denied(*source) => Some(*refusal),
                _ => None,
            });
        if plan
            .verdicts
            .iter()
            .any(|(source, _)| *source == Source::Concerned)
            && rule.is_some()
        {
            return rule;
        }
        let holds_nothing = match self.latest() {
            // What the board before had may have to go.
            None => ask.held.is_none() && self.device.replaced == Generation::ZERO,
            Some(set) => set.activations.is_empty() && ask.held == Some(set.held()),
        };
        let is_empty = proposal.is_empty() && proposal.denials.is_empty() && ask.wants.is_empty();
        (is_empty && holds_nothing).then_some(rule.unwrap_or(Rule::NothingBound.into()))
    }

    fn count_codes(&mut self, plan: &Plan) {
        let used: BTreeSet<_> = plan.draws.iter().filter_map(|draw| draw.code).collect();
        for id in used {
            self.codes.entry(id).or_default().uses += 1;
            self.record(Event::new(EventKind::CodeUsed).with("code", id));
        }
        for id in &plan.failed_codes {
            let tally = &mut self.device.watch.code_failures;
            tally.add(self.ctx.now, decide::FAILURE_WINDOW);
            if self.known_codes.iter().any(|code| code.id == *id) {
                self.codes.entry(*id).or_default().failures += 1;
            }
            self.record(Event::new(EventKind::CodeFailed).with("code", *id));
        }
    }

    /// The draws come first in what was done, in their order.
    pub(crate) fn count_quotas(&mut self, plan: &Plan, done: &Done) {
        for (draw, (_, activation)) in plan.draws.iter().zip(done) {
            if let Some(quota) = draw.quota {
                self.use_quota(quota, *activation);
            }
            if let Some(id) = draw.takes_up {
                *self.taken_up.entry(id).or_default() += draw.units;
            }
        }
    }

    pub(crate) fn record_verdicts(&mut self, plan: &Plan, done: &Done, ask: &Ask) {
        for (source, verdict) in &plan.verdicts {
            let want = source.want(ask).cloned();
            let ids = || -> Vec<_> {
                done.iter()
                    .filter(|(other, _)| other == source)
                    .map(|(_, id)| *id)
                    .collect()
            };
            let returning = plan.give_backs.iter().any(|back| back.source == *source);
            let verdict = match verdict {
                Verdict::Planned => {
                    let ids = ids();
                    self.tell_want(&ids, *source, ask);
                    match returning {
                        true => WantVerdict::Returning(ids),
                        false => WantVerdict::Granted(ids),
                    }
                }
                Verdict::Served => {
                    let served = describe(EventKind::Served, *source, ask);
                    self.record(served.with("policy", &self.policies.device().tag));
                    WantVerdict::Served
                }
                Verdict::Denied(refusal) => {
                    let denied = describe(EventKind::Denied, *source, ask);
                    self.record(self.refused(denied, *refusal));
                    self.denied(*refusal)
                }
            };
            let reason = ask.reason;
            self.decided.push(Decided {
                reason,
                want,
                verdict,
            });
        }
    }

    /// Denies all that a request wants, which then is answered by a notice.
    pub(super) fn deny_whole(&mut self, refusal: Refusal, request: &Request) -> Answer {
        self.record_denied(refusal, request);
        let said = Said {
            text: Some(refusal.rule.as_str()),
            retry_after: refusal.retry_after(self.ctx.policy, self.ctx.now),
            ..Said::default()
        };
        self.notice_counted(NoticeCode::Denied, request, said)
    }

    /// Records that all a request wants is denied.
    pub(super) fn record_denied(&mut self, refusal: Refusal, request: &Request) {
        let sources: Vec<Source> = match request.ask.wants.len() {
            0 => vec![Source::Concerned],
            wants => (0..wants).map(Source::Want).collect(),
        };
        let mut plan = Plan::default();
        let denied = |source| (source, Verdict::Denied(refusal));
        plan.verdicts.extend(sources.into_iter().map(denied));
        self.record_verdicts(&plan, &Done::new(), &request.ask);
    }

    /// A denial in the history: the rule, the policy, and when it is lifted if time lifts it.
    pub(super) fn refused(&self, event: Event, refusal: Refusal) -> Event {
        event
            .with("rule", refusal.rule)
            .with("policy", self.tag(refusal.under))
            .with_some("lifts", refusal.lifts_at.map(Timestamp::seconds))
    }

    pub(super) fn denied(&self, refusal: Refusal) -> WantVerdict {
        WantVerdict::Denied {
            rule: refusal.rule,
            retry_after: refusal.retry_after(self.ctx.policy, self.ctx.now),
            lifts_at: refusal.lifts_at,
        }
    }

    /// Says in the first event about each activation what was wanted: a want that is granted, or
    /// given back, has no event of its own.
    fn tell_want(&mut self, ids: &[ActivationId], source: Source, ask: &Ask) {
        for id in ids {
            let mut events = self.ledger.events.iter_mut();
            if let Some(event) = events.find(|event| event.activation == Some(*id)) {
                let told = mem::replace(event, Event::new(event.kind));
                *event = about_want(told, source, ask);
            }
        }
    }

    fn unissuable(&mut self, failed: Unissuable, request: &Request) -> Answer {
        let text = match failed {
            Unissuable::NotPinned | Unissuable::KeyLost(_) => "not-pinned",
            Unissuable::GenerationsExhausted => "generations-exhausted",
        };
        let said = Said {
            text: Some(text),
            ..Said::default()
        };
        self.notice_counted(NoticeCode::Denied, request, said)
    }
}

/// Lets go of the temporary licences for what stays from now on.
fn supersede_temporary(ledger: &mut Ledger, plan: &Plan, key: SetKey, now: Timestamp) {
    let stays = |draw: &&Draw| draw.kind == ActivationKind::Normal;
    let drawn: Vec<EntitlementId> = plan
        .draws
        .iter()
        .filter(stays)
        .map(|draw| draw.entitlement)
        .collect();
    let covered: Vec<ActivationId> = ledger
        .activations()
        .filter(|activation| activation.kind == ActivationKind::Temporary && activation.is_wanted())
        .filter(|activation| {
            let temporary = ledger.entitlement(activation.entitlement);
            temporary.is_some_and(|temporary| {
                let mut features = temporary.features.iter();
                features.all(|feature| {
                    let mut drawn = drawn.iter().filter_map(|id| ledger.entitlement(*id));
                    drawn.any(|entitlement| entitlement.has(&feature.name))
                })
            })
        })
        .map(|activation| activation.id)
        .collect();
    for id in covered {
        ledger.remove(id, RemovalReason::Supersede, key, now);
    }
}

impl Plan {
    /// What the grant says of the wants that are denied.
    fn denials<E>(&self, ask: &Ask, turn: &Turn<'_, E>) -> Vec<Denial> {
        let denied = self.verdicts.iter().filter_map(|(source, verdict)| {
            let Verdict::Denied(refusal) = verdict else {
                return None;
            };
            Some(Denial {
                want: source.want(ask)?.clone(),
                rule: refusal.rule,
                retry_after: refusal.retry_after(turn.ctx.policy, turn.ctx.now),
            })
        });
        denied.collect()
    }
}

impl Source {
    fn want(self, ask: &Ask) -> Option<&Want> {
        match self {
            Self::Want(place) => ask.wants.get(place),
            Self::Bound(_) | Self::Concerned => None,
        }
    }
}

/// An event about a want.
fn describe(kind: EventKind, source: Source, ask: &Ask) -> Event {
    let mut event = about_want(Event::new(kind), source, ask);
    if let Source::Bound(entitlement) = source {
        event.entitlement = Some(entitlement);
    }
    event
}

/// With what was wanted. A code's secret half is in no message, so its id can be told.
fn about_want(event: Event, source: Source, ask: &Ask) -> Event {
    match source.want(ask) {
        Some(Want::Feature { feature, total }) => event
            .with("feature", feature.as_str())
            .with("total", *total),
        Some(Want::Code { id, .. }) => event.with("code", *id),
        None => event.with("want", "bound"),
    }
}
