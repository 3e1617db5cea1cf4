//! Conditions on tables that several modules ask about.

condition!(
    /// The activation holds units. The schema has both say the same: an index has the first, and
    /// others are of the second.
    pub(super) HoldsUnits = "activations.ended_at IS NULL AND activations.state <= 6"
);

/// The device of this id is of the product line. A table that has no line of its own is of that of
/// its devices.
macro_rules! is_of_line {
    ($device:expr, $line:expr) => {
        diesel::dsl::exists(
            $crate::store::schema::devices::table
                .filter($crate::store::schema::devices::id.eq($device))
                .filter(
                    $crate::store::schema::devices::product_line_id
                        .eq($crate::store::column::Octets($line)),
                ),
        )
    };
}
pub(crate) use is_of_line;
