//! What figures are broken down by.

use std::collections::BTreeMap;

/// What figures are broken down by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum GroupBy {
    /// One line for all.
    #[default]
    All,
    /// The product, by its code.
    Product,
    /// The licence model, by its code.
    Model,
    /// The owner, by its name.
    Owner,
}

/// The names that something goes by in each breakdown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) product: &'a str,
    pub(super) model: &'a str,
    pub(super) owner: Option<&'a str>,
}

/// The group of all.
pub(super) const ALL: &str = "all";
/// Of what was sold by codes to nobody known yet.
const NO_OWNER: &str = "(no owner)";

impl GroupBy {
    /// Every one.
    pub const ALL: &'static [Self] = &[Self::All, Self::Product, Self::Model, Self::Owner];

    /// The name people and scripts use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => ALL,
            Self::Product => "product",
            Self::Model => "model",
            Self::Owner => "owner",
        }
    }

    pub(super) fn of<'a>(self, names: Names<'a>) -> &'a str {
        match self {
            Self::All => ALL,
            Self::Product => names.product,
            Self::Model => names.model,
            Self::Owner => names.owner.unwrap_or(NO_OWNER),
        }
    }
}

/// What was gathered by group, in order of their names, and all of it last.
pub(super) struct Groups<T> {
    by: GroupBy,
    groups: BTreeMap<String, T>,
    all: T,
}

impl<T: Default> Groups<T> {
    pub(super) fn new(by: GroupBy) -> Self {
        Self {
            by,
            groups: BTreeMap::new(),
            all: T::default(),
        }
    }

    /// Adds something to its group, and to all.
    pub(super) fn add(&mut self, names: Names<'_>, mut add: impl FnMut(&mut T)) {
        add(&mut self.all);
        if self.by != GroupBy::All {
            let group = self.by.of(names).to_owned();
            add(self.groups.entry(group).or_default());
        }
    }

    /// Adds things of one group to it, and to all.
    pub(super) fn add_each<V: Copy>(
        &mut self,
        names: Names<'_>,
        values: impl Iterator<Item = V>,
        add: impl Fn(&mut T, V),
    ) {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return;
        }
        let mut group = (self.by != GroupBy::All).then(|| {
            let group = self.by.of(names).to_owned();
            self.groups.entry(group).or_default()
        });
        for value in values {
            add(&mut self.all, value);
            if let Some(group) = &mut group {
                add(group, value);
            }
        }
    }

    pub(super) fn into_rows<R>(self, row: impl Fn(String, T) -> R) -> Vec<R> {
        let all = (ALL.to_owned(), self.all);
        let groups = self.groups.into_iter().chain([all]);
        groups
            .map(|(group, gathered)| row(group, gathered))
            .collect()
    }
}
