//! Which tier a party's purchases suggest, where that is not the one it is in.

use std::collections::BTreeMap;

use diesel::prelude::*;
use fleetgrant_core::domain::{OrderState, PartyId, PartyKind, PartyState, Timestamp};
use fleetgrant_core::tier::{DEFAULT_TIER, Suggestion};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::column::{Code, Micros, Octets};
use crate::store::dialect::on;
use crate::store::schema::{order_lines, orders, parties};
use crate::store::{Db, StoreError, policy};

/// A party that bought as much as another tier takes, or less than its own does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Suggested {
    /// Who.
    pub party: String,
    /// The tier it is in.
    pub tier: String,
    /// The tier that is suggested.
    pub suggested: String,
    /// What was bought of what the suggested tier takes, or of what its own takes where it falls
    /// short of that; 1 is all.
    pub reached: f64,
    /// What was bought, by currency, within the window of that tier.
    pub bought: BTreeMap<String, f64>,
    /// Currencies in which it bought, and that have no value there.
    pub uncounted: Vec<String>,
}

type Bought = BTreeMap<Octets<PartyId>, Vec<(String, i64, Timestamp)>>;

/// Reads who is suggested another tier; windows go by the calendar of `zone`.
pub fn read(db: &mut Db, now: Timestamp, zone: &TimeZone) -> Result<Vec<Suggested>, StoreError> {
    let mut tiers = Vec::new();
    for tier in policy::tiers(db)? {
        let rules = policy::in_force(db, &tier)?
            .map(|version| version.policy())
            .transpose()?;
        if let Some(suggestion) = rules.and_then(|policy| policy.rules.suggested) {
            tiers.push((tier, suggestion));
        }
    }
    let longest = tiers.iter().map(|(_, tier)| tier.window.longest()).max();
    let Some(longest) = longest else {
        return Ok(Vec::new());
    };
    let bought = bought(db, now.minus_seconds(longest))?;
    let mut all = Vec::new();
    for (id, name, tier) in customers(db)? {
        let mine = bought.get(&id).map_or(&[][..], Vec::as_slice);
        let tier = tier.unwrap_or_else(|| DEFAULT_TIER.to_owned());
        all.extend(suggest(&name, &tier, mine, &tiers, now, zone));
    }
    Ok(all)
}

/// The tier that takes the most of those whose value is reached; the default tier, where that of
/// its own is not.
fn suggest(
    party: &str,
    tier: &str,
    bought: &[(String, i64, Timestamp)],
    tiers: &[(String, Suggestion)],
    now: Timestamp,
    zone: &TimeZone,
) -> Option<Suggested> {
    let of = |suggestion: &Suggestion| {
        let mut sums = BTreeMap::<String, i64>::new();
        for (currency, value, at) in bought {
            if suggestion.window.end_of(*at, zone) > now {
                let sum = sums.entry(currency.clone()).or_default();
                *sum = sum.saturating_add(*value);
            }
        }
        let reached = suggestion.reached(sums.iter().map(|(c, value)| (c.as_str(), *value)));
        (reached, sums)
    };
    let told = |suggested: &str, suggestion: &Suggestion| {
        let (reached, sums) = of(suggestion);
        let is_uncounted = |currency: &&String| !suggestion.values.contains_key(*currency);
        Suggested {
            party: party.to_owned(),
            tier: tier.to_owned(),
            suggested: suggested.to_owned(),
            reached: reached as f64 / Suggestion::WHOLE as f64,
            uncounted: sums.keys().filter(is_uncounted).cloned().collect(),
            bought: sums
                .into_iter()
                .map(|(c, value)| (c, value as f64 / 1e4))
                .collect(),
        }
    };
    let reached = tiers
        .iter()
        .filter(|(_, suggestion)| of(suggestion).0 >= Suggestion::WHOLE);
    let hardest = reached.min_by_key(|one| {
        let (name, suggestion) = *one;
        (of(suggestion).0, name.as_str())
    });
    match hardest {
        Some((name, _)) if name.as_str() == tier => None,
        Some((name, suggestion)) => Some(told(name, suggestion)),
        None if tier == DEFAULT_TIER => None,
        None => {
            let own = tiers.iter().find(|(name, _)| name == tier);
            own.map(|(_, suggestion)| told(DEFAULT_TIER, suggestion))
        }
    }
}

type Customer = (Octets<PartyId>, String, Option<String>);

fn customers(db: &mut Db) -> Result<Vec<Customer>, StoreError> {
    Ok(on!(db, c => parties::table
        .filter(parties::kind.eq(Code(PartyKind::Customer)))
        .filter(parties::state.eq(Code(PartyState::Active)))
        .order((parties::name, parties::id))
        .select((parties::id, parties::name, parties::tier))
        .load(c))?)
}

/// What each end user bought since then, line by line.
fn bought(db: &mut Db, since: Timestamp) -> Result<Bought, StoreError> {
    type Line = (Octets<PartyId>, Option<String>, Option<i64>, Micros);
    let lines: Vec<Line> = on!(db, c => order_lines::table
        .inner_join(orders::table)
        .filter(orders::ordered_at.ge(Micros(since)))
        .filter(order_lines::state.ne(Code(OrderState::Cancelled)))
        .filter(order_lines::value_e4.is_not_null())
        .select((
            orders::end_user_id,
            order_lines::currency,
            order_lines::value_e4,
            orders::ordered_at,
        ))
        .load(c))?;
    let mut bought = Bought::new();
    for (party, currency, value, at) in lines {
        if let (Some(currency), Some(value)) = (currency, value) {
            bought
                .entry(party)
                .or_default()
                .push((currency, value, at.0));
        }
    }
    Ok(bought)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::num::NonZeroU32;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const DAY: u64 = 86_400;

    fn tier(name: &str, values: &[(&str, u32)]) -> (String, Suggestion) {
        let values = values
            .iter()
            .map(|(currency, value)| ((*currency).to_owned(), NonZeroU32::new(*value).unwrap()));
        let suggestion = Suggestion {
            window: "P1Y".parse().unwrap(),
            values: values.collect(),
        };
        (name.to_owned(), suggestion)
    }

    fn suggested(now_in: &str, bought: &[(&str, i64, u64)]) -> Option<(String, f64)> {
        let tiers = [
            tier("gold", &[("EUR", 1_000), ("USD", 1_100)]),
            tier("platinum", &[("EUR", 10_000), ("USD", 11_000)]),
        ];
        let bought: Vec<_> = bought
            .iter()
            .map(|(currency, value, days)| {
                (
                    (*currency).to_owned(),
                    value * 10_000,
                    NOW.minus_seconds(days * DAY),
                )
            })
            .collect();
        suggest("p", now_in, &bought, &tiers, NOW, &TimeZone::UTC)
            .map(|told| (told.suggested, told.reached))
    }

    #[test]
    fn the_highest_tier_that_is_reached_is_suggested() {
        let some = |tier: &str, reached: f64| Some((tier.to_owned(), reached));
        assert_eq!(suggested("standard", &[("EUR", 999, 1)]), None);
        assert_eq!(
            suggested("standard", &[("EUR", 1_000, 1)]),
            some("gold", 1.0)
        );
        assert_eq!(suggested("gold", &[("EUR", 1_000, 1)]), None);
        assert_eq!(
            suggested("gold", &[("EUR", 20_000, 1)]),
            some("platinum", 2.0)
        );
        // Half in euros and half in dollars.
        let both = [("EUR", 500, 1), ("USD", 550, 1)];
        assert_eq!(suggested("standard", &both), some("gold", 1.0));
        // Too long ago, and in a currency that nobody set a value in.
        assert_eq!(suggested("standard", &[("EUR", 5_000, 366)]), None);
        assert_eq!(suggested("standard", &[("JPY", 5_000_000, 1)]), None);
        // Less than its own tier takes; and a tier by hand, that no value leads to.
        assert_eq!(
            suggested("gold", &[("EUR", 250, 1)]),
            some("standard", 0.25)
        );
        assert_eq!(suggested("strategic", &[("EUR", 250, 1)]), None);
    }
}
