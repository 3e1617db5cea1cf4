//! Conditions on tables that several modules ask about.

condition!(
    /// The activation holds units. The schema has both say the same: an index has the first, and
    /// others are of the second.
    pub(super) HoldsUnits = "activations.ended_at IS NULL AND activations.state <= 6"
);
