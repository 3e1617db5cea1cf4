//! What operators do to entitlements.

use axum::extract::State;
use axum::response::Response;
use fleetgrant_core::domain::{EntitlementId, HoldReason, PartyId, Timestamp};
use fleetgrant_core::lifecycle::EntitlementAct;
use fleetgrant_core::renewal::Base;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::entitlements::{self, Entitlement};
use super::etag::MatchParams;
use super::problem::{Problem, ProblemKind};
use super::query::{Named, Query};
use super::value::{Id, When};
use super::within::{Thing, Within};
use super::word;
use super::write::{ActQuery, Step, Write, WriteParams};
use crate::lifecycle::{
    Deed, Direction, EntitlementActError, Length, Maintenance, Renewal, Split, Upgrade,
};
use crate::operator::{Attempt, Operator};
use crate::store::{Db, StoreError};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verb {
    /// A draft can be used.
    Activate,
    /// Features off on every device; units are kept.
    Suspend,
    /// Features on again.
    Resume,
    /// No new units are activated.
    Hold,
    /// A reason to hold it is gone.
    Release,
    /// It is taken off every device.
    Revoke,
    /// A revocation to come is withdrawn.
    Keep,
    /// It ends; only where nothing of it is in use.
    Close,
    /// It runs longer: for a `term`, or until `at`.
    Renew,
    /// Free `units` of it are an entitlement of their own.
    Split,
    /// It belongs to the party `to`, whole or so many free `units` of it.
    Transfer,
    /// It is of a `product` that replaces its product, device by device.
    Upgrade,
    /// It is of a `product` that its product replaces, device by device.
    Downgrade,
    /// The end of the maintenance `by` is the ceiling of the firmware's build for it.
    Maintain,
    /// The maintenance `by` is none of it any more.
    Unmaintain,
}

/// What a renewal starts from.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RenewalBase {
    /// The end so far.
    End,
    /// The day of the renewal, if the end has passed.
    Now,
}

/// An act on an entitlement.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActOnEntitlement {
    pub(crate) act: Verb,
    /// Of a hold or its release; operator, if it is not said.
    #[schema(inline)]
    pub(crate) reason: Option<word::HoldReason>,
    /// From when on it is revoked (now, if it is not said), or until when it is renewed.
    #[schema(inline)]
    pub(crate) at: Option<When>,
    /// How long it is renewed for (ISO 8601), as P1Y.
    #[schema(max_length = 32)]
    pub(crate) term: Option<String>,
    /// From where it is renewed; as its licence model says, if it is not said.
    pub(crate) from: Option<RenewalBase>,
    /// What the renewal, or the entitlement that is split off, is called: the same again changes
    /// nothing.
    #[schema(min_length = 1, max_length = 128)]
    pub(crate) reference: Option<String>,
    /// The code of the product that it is to be of.
    #[schema(max_length = 64)]
    pub(crate) product: Option<String>,
    /// Units that are split off.
    #[schema(minimum = 1)]
    pub(crate) units: Option<u32>,
    /// The party that it belongs to from now on: its id.
    #[schema(inline)]
    pub(crate) to: Option<Id>,
    /// The entitlement that maintains it: its id.
    #[schema(inline)]
    pub(crate) by: Option<Id>,
    /// Only tells what would be done.
    #[serde(default)]
    pub(crate) preview: bool,
}

/// What came of an act on an entitlement.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EntitlementActed {
    /// As it is now; after a preview, as it would be.
    pub(crate) entitlement: Entitlement,
    /// What was done, for people.
    pub(crate) said: String,
    /// Whether anything changed.
    pub(crate) changed: bool,
    /// The id of the entitlement that came of it.
    #[schema(inline)]
    pub(crate) made: Option<Id>,
    /// Devices that get another set for it.
    pub(crate) devices: usize,
}

/// Suspend, hold, revoke, close, renew, split, transfer or upgrade an entitlement
#[utoipa::path(
    post, path = "/entitlements/{entitlement}/acts", operation_id = "act_on_entitlement", tag = "entitlements",
    params(
        ("entitlement" = inline(Id), Path, description = "Its id"),
        ActQuery,
        WriteParams,
        MatchParams,
    ),
    request_body = ActOnEntitlement,
    responses((status = OK, body = EntitlementActed))
)]
pub(super) async fn act(
    State(api): State<Api>,
    Named(id): Named<Id>,
    Query(how): Query<ActQuery>,
    write: Write,
) -> Result<Response, Problem> {
    let asked: ActOnEntitlement = write.json()?;
    let preview = how.preview || asked.preview;
    let deed = asked.deed()?;
    let (operator, within) = (api.operator(write.actor()), write.within());
    let id = EntitlementId(id.0);
    write
        .once_as_seen(
            &api,
            move |db| {
                let thing = Thing::Entitlement(id);
                within.see(db, &thing, |db| entitlements::find(db, id, None))
            },
            move |db, now| attempt(db, &operator, within, id, &deed, preview, now),
        )
        .await
}

impl ActOnEntitlement {
    /// An act that needs nothing else.
    pub(crate) const fn of(act: Verb) -> Self {
        Self {
            act,
            reason: None,
            at: None,
            term: None,
            from: None,
            reference: None,
            product: None,
            units: None,
            to: None,
            by: None,
            preview: false,
        }
    }

    pub(super) fn deed(&self) -> Result<Deed, Problem> {
        self.check_fields()?;
        let reason = self.reason.map_or(HoldReason::Operator, |reason| reason.0);
        let act = match self.act {
            Verb::Activate => EntitlementAct::Activate,
            Verb::Suspend => EntitlementAct::Suspend,
            Verb::Resume => EntitlementAct::Resume,
            Verb::Hold => EntitlementAct::Hold(reason),
            Verb::Release => EntitlementAct::Release(reason),
            Verb::Revoke => EntitlementAct::Revoke {
                // What is past is now.
                at: self.at.map_or(Timestamp::from_seconds(0), |at| at.0),
            },
            Verb::Keep => EntitlementAct::KeepOn,
            Verb::Close => EntitlementAct::Close,
            Verb::Renew => return self.renewal().map(Deed::Renew),
            Verb::Upgrade => return self.upgrade(Direction::Up),
            Verb::Downgrade => return self.upgrade(Direction::Down),
            Verb::Maintain | Verb::Unmaintain => {
                let by = self
                    .by
                    .ok_or_else(|| bad("the maintenance `by` is needed"))?;
                return Ok(Deed::Maintain(Maintenance {
                    by: EntitlementId(by.0),
                    covers: self.act == Verb::Maintain,
                }));
            }
            Verb::Transfer if self.units.is_none() => {
                let to = self
                    .to
                    .ok_or_else(|| bad("transfer needs the party `to`"))?;
                return Ok(Deed::Transfer(PartyId(to.0)));
            }
            Verb::Transfer if self.to.is_none() => {
                return Err(bad("transfer needs the party `to`"));
            }
            Verb::Split | Verb::Transfer => {
                return Ok(Deed::Split(Split {
                    units: self.units.ok_or_else(|| bad("split needs `units`"))?,
                    reference: self.named()?,
                    to: self.to.map(|to| PartyId(to.0)),
                }));
            }
        };
        Ok(Deed::Act(act))
    }

    fn renewal(&self) -> Result<Renewal, Problem> {
        let base = self.from.map(|from| match from {
            RenewalBase::Now => Base::Now,
            RenewalBase::End => Base::End,
        });
        let length = match (&self.term, self.at) {
            (Some(term), None) => {
                let term = term
                    .parse()
                    .map_err(|error| bad(&format!("term: {error}")))?;
                Length::For(base, term)
            }
            (None, Some(at)) if self.from.is_none() => {
                Length::Until(crate::when::When::Instant(at.0))
            }
            _ => return Err(bad("renew needs either a `term`, with `from`, or `at`")),
        };
        Ok(Renewal {
            reference: self.named()?,
            length,
        })
    }

    fn upgrade(&self, direction: Direction) -> Result<Deed, Problem> {
        let product = self.product.clone();
        Ok(Deed::Upgrade(Upgrade {
            product: product.ok_or_else(|| bad("the `product` that it is to be of is needed"))?,
            reference: self.named()?,
            direction,
        }))
    }

    fn named(&self) -> Result<String, Problem> {
        let named = self.reference.clone().filter(|reference| {
            let length = reference.chars().count();
            (1..=128).contains(&length) && !reference.chars().any(char::is_control)
        });
        named.ok_or_else(|| bad("reference: 1 to 128 characters are needed"))
    }

    /// Refuses what does not go with the act: it would be left undone in silence.
    fn check_fields(&self) -> Result<(), Problem> {
        use Verb::{
            Downgrade, Hold, Maintain, Release, Renew, Revoke, Split, Transfer, Unmaintain, Upgrade,
        };
        let fits = |verbs: &[Verb]| verbs.contains(&self.act);
        let fields = [
            ("reason", self.reason.is_some(), fits(&[Hold, Release])),
            ("at", self.at.is_some(), fits(&[Revoke, Renew])),
            ("term", self.term.is_some(), fits(&[Renew])),
            ("from", self.from.is_some(), fits(&[Renew])),
            (
                "reference",
                self.reference.is_some(),
                fits(&[Renew, Split, Transfer, Upgrade, Downgrade]),
            ),
            ("units", self.units.is_some(), fits(&[Split, Transfer])),
            ("to", self.to.is_some(), fits(&[Transfer])),
            ("by", self.by.is_some(), fits(&[Maintain, Unmaintain])),
            (
                "product",
                self.product.is_some(),
                fits(&[Upgrade, Downgrade]),
            ),
        ];
        match fields.iter().find(|(_, given, fits)| *given && !fits) {
            Some((field, ..)) => Err(bad(&format!("{field}: does not go with this act"))),
            None => Ok(()),
        }
    }
}

fn bad(why: &str) -> Problem {
    Problem::new(ProblemKind::BadBody, why.to_owned())
}

/// One try of an act, within a transaction that the caller ends.
pub(super) fn attempt(
    db: &mut Db,
    operator: &Operator,
    within: Within,
    id: EntitlementId,
    deed: &Deed,
    preview: bool,
    now: Timestamp,
) -> Result<Step<EntitlementActed>, StoreError> {
    if let Some(problem) = within.lacks(db, &Thing::of_deed(id, deed))? {
        return Ok(Step::Refused(problem));
    }
    let change = match operator.attempt_on(db, id, deed, now)? {
        Attempt::Done(change) => change,
        Attempt::Refused(reason) => return Ok(Step::Refused(reason.into())),
        Attempt::Stale => return Ok(Step::Again),
    };
    let after = entitlements::find(db, id, None)?;
    let acted = EntitlementActed {
        entitlement: after
            .ok_or_else(|| StoreError::Corrupt(format!("entitlement {id} is gone")))?,
        said: change.said,
        changed: change.changed,
        made: change.made.map(|id| Id(id.0)),
        devices: change.devices,
    };
    Ok(Step::Done(acted).kept_unless(preview))
}

impl From<EntitlementActError> for Problem {
    fn from(error: EntitlementActError) -> Self {
        match error {
            EntitlementActError::Unknown(_) => Self::new(ProblemKind::NotFound, error.to_string()),
            EntitlementActError::Act(error) => error.into(),
            _ => Self::new(ProblemKind::Refused, error.to_string()),
        }
    }
}
