//! Why a policy is refused.

use crate::tier::InvalidWindow;

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A quota without a number, a window, or what becomes of a request beyond it.
    #[error("{0} is missing: mode self-service needs it")]
    Missing(Field),
    /// What only self-service uses.
    #[error("{0} says how much is given unasked, but the mode is not self-service: leave it out")]
    Unused(Field),
    /// What is refused anyway.
    #[error("{0} has no meaning where the mode is refused: leave it out")]
    RefusedAnyway(Field),
    /// A quota of nothing.
    #[error(
        "{0} is 0 and nothing is added per units, so self-service would give nothing: set the mode to \
         approval or refused"
    )]
    NothingToGive(Field),
    /// A number that must not be 0.
    #[error("{0} must be at least 1: leave it out where there is none")]
    Zero(Field),
    /// A number that is too large.
    #[error("{field} is {value}, but at most {most} is allowed")]
    TooLarge {
        /// Which.
        field: Field,
        /// What it is.
        value: u32,
        /// What it may be.
        most: u32,
    },
    /// A window that is none.
    #[error("{field}: {reason}")]
    Window {
        /// Which.
        field: Field,
        /// Why.
        reason: InvalidWindow,
    },
    /// Temporary licences would be forgotten while they still run.
    #[error(
        "{0} is shorter than temporary.days, so a licence that still runs would not be counted any \
         more: make the window at least as long"
    )]
    ForgetsWhatRuns(Field),
    /// The riskier way is the easier one.
    #[error(
        "{0} is self-service while rehost is not, so nobody would return a unit first: make rehost \
         self-service too"
    )]
    RiskierIsEasier(Field),
    /// A move begins with a return.
    #[error("{0} allows moves, but returns are refused, and a move begins with one: allow returns")]
    MoveWithoutReturn(Field),
    /// No value leads to the tier.
    #[error(
        "{0} has no value of any currency: leave the table out, and the tier is never suggested"
    )]
    NoValue(Field),
    /// A text that is no currency.
    #[error("{0} has a currency that is none: as ISO 4217 writes them, as EUR")]
    NoCurrency(Field),
    /// A device would run out before it asks.
    #[error(
        "{0} needs renew_after_days, of at most two thirds of it: or a device would stop before it \
         asks again"
    )]
    LeaseBeforeRenewal(Field),
    /// Fewer than one grant may take.
    #[error(
        "{0} is {1}: a device that lost its number asks three times for one grant, so at least 3 are \
         needed"
    )]
    TooFewRequests(Field, u16),
}

/// A field of a policy, by its path.
pub type Field = &'static str;

impl Contradiction {
    /// The field it is about, by its path.
    #[must_use]
    pub const fn field(&self) -> Field {
        match self {
            Self::Missing(field)
            | Self::Unused(field)
            | Self::RefusedAnyway(field)
            | Self::NothingToGive(field)
            | Self::Zero(field)
            | Self::TooLarge { field, .. }
            | Self::Window { field, .. }
            | Self::ForgetsWhatRuns(field)
            | Self::RiskierIsEasier(field)
            | Self::MoveWithoutReturn(field)
            | Self::LeaseBeforeRenewal(field)
            | Self::NoValue(field)
            | Self::NoCurrency(field)
            | Self::TooFewRequests(field, _) => field,
        }
    }
}
