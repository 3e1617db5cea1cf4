//! Conditions on tables that several modules ask about.

condition!(
    /// The activation holds units.
    pub(super) HoldsUnits = "activations.state <= 6"
);
