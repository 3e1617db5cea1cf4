//! What a database operation can come to grief on.

/// Why an operation did not commit.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A named CHECK, UNIQUE or FOREIGN KEY constraint refused a row.
    #[error("the database refused a row: {0}")]
    Constraint(String),
    /// Another process, or another gateway, held the write lock for too long.
    #[error("the database is locked by another process; end it, or try again when it is done")]
    Busy,
    /// What was read is not so any more: another transaction was first.
    #[error("another transaction was first; try again")]
    Stale,
    /// The connection broke before the commit: nothing of it was kept.
    #[error("the connection to the database was lost: {0}")]
    Lost(String),
    /// The connection broke during the commit, and nobody could be asked what became of it.
    #[error(
        "the connection to the database was lost, and it is not known whether the change was kept; look before you repeat it"
    )]
    Uncertain,
    /// A row holds what this version cannot read.
    #[error("the database holds what this version cannot read: {0}")]
    Corrupt(String),
    /// The operation panicked; its effects were undone.
    #[error("the operation {0} panicked; its effects were undone")]
    Panicked(&'static str),
    /// No transaction could begin.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The store is shutting down.
    #[error("the database is closed")]
    Closed,
    /// Anything else the database said.
    #[error("database: {0}")]
    Database(#[source] diesel::result::Error),
}

impl StoreError {
    /// Whether the same operation may succeed if it is run again.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Stale | Self::Lost(_))
    }

    /// A short, stable name for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Constraint(_) => "constraint",
            Self::Busy => "busy",
            Self::Stale => "stale",
            Self::Lost(_) => "lost",
            Self::Uncertain => "uncertain",
            Self::Corrupt(_) => "corrupt",
            Self::Panicked(_) => "panicked",
            Self::Unavailable(_) => "unavailable",
            Self::Closed => "closed",
            Self::Database(_) => "database",
        }
    }
}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        super::dialect::classify(error)
    }
}
