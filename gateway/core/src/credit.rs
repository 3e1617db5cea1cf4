//! How many units an entitlement has when less or more of it is sold than before.
//!
//! What is in use cannot be credited. It becomes a *pending credit*: the entitlement keeps the
//! units that are in use, and each that is freed goes to the credit before it is anybody's again.

/// Units of an entitlement, by what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// Units it has.
    pub units: u32,
    /// Of those, what was credited while it was in use.
    pub pending_credit: u32,
    /// Units that activations hold.
    pub live: u32,
    /// Units beyond those it has that policy allows.
    pub overdraft: u32,
}

impl Stock {
    /// No units.
    pub const NONE: Self = Self {
        units: 0,
        pending_credit: 0,
        live: 0,
        overdraft: 0,
    };

    /// What was sold, all credits deducted.
    #[must_use]
    pub const fn sold(self) -> u32 {
        self.units.saturating_sub(self.pending_credit)
    }

    /// With so much sold of it: nothing in use is taken away.
    #[must_use]
    pub fn resized(self, sold: u32) -> Self {
        let units = sold.max(self.live.saturating_sub(self.overdraft));
        Self {
            units,
            pending_credit: units - sold,
            ..self
        }
    }

    /// After units that were in use are free: they go to the pending credit first.
    #[must_use]
    pub fn freed(self, units: u32) -> Self {
        let units = units.min(self.live);
        let credited = units.min(self.pending_credit);
        Self {
            units: self.units - credited,
            pending_credit: self.pending_credit - credited,
            live: self.live - units,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stock(units: u32, live: u32) -> Stock {
        Stock {
            units,
            pending_credit: 0,
            live,
            overdraft: 0,
        }
    }

    #[test]
    fn a_credit_of_what_is_in_use_waits_for_returns() {
        let credited = stock(10, 9).resized(7);
        assert_eq!((credited.units, credited.pending_credit), (9, 2));
        let returned = credited.freed(1).freed(1);
        assert_eq!(returned, stock(7, 7));
        assert_eq!(returned.freed(1), stock(7, 6));
    }

    #[test]
    fn more_sold_settles_a_credit_that_waits() {
        let credited = stock(10, 9).resized(7);
        assert_eq!(credited.resized(8).pending_credit, 1);
        assert_eq!(credited.resized(12), stock(12, 9));
    }

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Take(u32),
        Free(u32),
        Resize(u32),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0..8_u32).prop_map(Op::Take),
            (0..8_u32).prop_map(Op::Free),
            (0..20_u32).prop_map(Op::Resize),
        ]
    }

    proptest! {
        /// Against what is obvious: what was sold last, and what is in use.
        #[test]
        fn no_unit_is_made_or_lost(
            overdraft in 0..4_u32,
            ops in prop::collection::vec(op(), 1..60),
        ) {
            let (mut sold, mut live) = (10, 0);
            let mut stock = Stock { overdraft, ..stock(10, 0) };
            for op in ops {
                match op {
                    Op::Take(units) if live + units <= stock.units + overdraft => {
                        // What is credited is nobody's to take.
                        prop_assert!(stock.pending_credit == 0 || units == 0);
                        live += units;
                        stock.live += units;
                    }
                    Op::Take(_) => {}
                    Op::Free(units) => {
                        live -= units.min(live);
                        stock = stock.freed(units);
                    }
                    Op::Resize(to) => {
                        sold = to;
                        stock = stock.resized(to);
                    }
                }
                prop_assert_eq!((stock.live, stock.sold()), (live, sold));
                prop_assert!(stock.live <= stock.units + stock.overdraft);
                prop_assert_eq!(stock.units, sold.max(live.saturating_sub(overdraft)));
            }
        }
    }
}
