//! Why a row is refused, and what a person can do about it.

/// Why a row is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A cell that must not be empty is.
    #[error("is empty")]
    Missing,
    /// A cell is longer than it may be.
    #[error("has more than {max} characters")]
    TooLong {
        /// How long it may be.
        max: usize,
    },
    /// A cell is not what its column holds.
    #[error("{value:?} is not {expected}")]
    Invalid {
        /// What it holds.
        value: String,
        /// What it should.
        expected: String,
    },
    /// The row has more or fewer cells than the header.
    #[error("has {found} cells where the header has {expected}")]
    Ragged {
        /// As the header has.
        expected: usize,
        /// As the row has.
        found: usize,
    },
    /// A cell names something that is not there.
    #[error("{value:?} is not known; import the {kind} first")]
    Unknown {
        /// What it names.
        value: String,
        /// The kind of file it would be in.
        kind: &'static str,
    },
    /// The row says something else than what is stored.
    #[error("{difference}; to change it, import with --amend")]
    Changed {
        /// The stable name of this reason.
        code: &'static str,
        /// What differs.
        difference: String,
    },
    /// The row says something else than what is stored, and that cannot change.
    #[error("{what} cannot change: {remedy}")]
    Fixed {
        /// What differs.
        what: String,
        /// What can be done instead.
        remedy: &'static str,
    },
    /// The row is from before what is stored.
    #[error("revision {given} is older than {stored}, which is stored; export the order again")]
    Outdated {
        /// The row's.
        given: i64,
        /// The one stored.
        stored: i64,
    },
    /// A moment is before one that it must follow.
    #[error("{given} is before {bound}, {what}")]
    OutOfOrder {
        /// The row's.
        given: String,
        /// The one it must follow.
        bound: String,
        /// What that one is.
        what: &'static str,
    },
    /// Cells do not fit each other.
    #[error("{0}")]
    Unfit(String),
    /// The database's rules forbid it.
    #[error("the database refuses it: {0}")]
    Constraint(String),
}

impl Reason {
    /// A short, stable name for scripts and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLong { .. } => "too-long",
            Self::Invalid { .. } => "invalid",
            Self::Ragged { .. } => "ragged",
            Self::Unknown { .. } => "unknown-reference",
            Self::Changed { code, .. } => code,
            Self::Fixed { .. } => "cannot-change",
            Self::Outdated { .. } => "order-outdated",
            Self::OutOfOrder { .. } => "dates-out-of-order",
            Self::Unfit(_) => "unfit",
            Self::Constraint(_) => "constraint",
        }
    }
}
