//! What a caller of the API is to the maker.

use std::fmt;

use super::{Timestamp, named};

named! {
    /// A part that people and programs play. A key has one or more.
    Role("role") {
        /// A line of the maker's own factories: it reports what was made.
        Factory = 1 "factory",
        /// Runs the gateway and acts on devices.
        Operator = 2 "operator",
        /// Helps customers.
        Support = 3 "support",
        /// Approves what policy leaves to people.
        Approver = 4 "approver",
        /// An ERP or CRM: it brings orders and reads what became of them.
        Integrator = 5 "integrator",
        /// Sells devices; sees what it bought or owns.
        Partner = 6 "partner",
        /// Uses devices; sees what it bought or owns.
        Customer = 7 "customer",
        /// Reads everything and changes nothing.
        Auditor = 8 "auditor",
        /// May do everything.
        Admin = 9 "admin",
    }
}

impl Role {
    /// Whether it is played by a party other than the maker, which sees its own things only.
    #[must_use]
    pub const fn is_of_a_party(self) -> bool {
        matches!(self, Self::Partner | Self::Customer)
    }

    /// Whether a party other than the maker can play it: of a contract manufacturer's lines, or of all.
    #[must_use]
    pub const fn may_be_of_a_party(self) -> bool {
        self.is_of_a_party() || matches!(self, Self::Factory)
    }

    /// Whether it can be played for one product line of the maker's: who administers, and who builds,
    /// has to do with all.
    #[must_use]
    pub const fn may_be_of_a_product_line(self) -> bool {
        matches!(
            self,
            Self::Operator | Self::Support | Self::Approver | Self::Integrator | Self::Auditor
        )
    }
}

named! {
    /// Whether a key is good.
    KeyState("state of a key") {
        /// It is.
        Active = 1 "active",
        /// Its time is over.
        Expired = 2 "expired",
        /// Somebody ended it.
        Revoked = 3 "revoked",
    }
}

impl KeyState {
    /// How a key stands at an instant, which may have been revoked, and is refused from its expiry on.
    #[must_use]
    pub fn at(now: Timestamp, is_revoked: bool, expires_at: Timestamp) -> Self {
        if is_revoked {
            Self::Revoked
        } else if expires_at <= now {
            Self::Expired
        } else {
            Self::Active
        }
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u16);

impl Roles {
    /// Every role.
    pub const ALL: Self = Self::of(Role::ALL);

    /// These.
    #[must_use]
    pub const fn of(roles: &[Role]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < roles.len() {
            bits |= 1 << roles[index].number();
            index += 1;
        }
        Self(bits)
    }

    /// The set that the tables hold so; none, if a bit stands for no role, or no bit is set.
    #[must_use]
    pub fn from_bits(bits: i64) -> Option<Self> {
        let bits = u16::try_from(bits).ok()?;
        (bits != 0 && bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }

    /// As the tables hold it: a bit for each role, 1 shifted by its number.
    #[must_use]
    pub fn bits(self) -> i64 {
        self.0.into()
    }

    /// Whether the role is in it.
    #[must_use]
    pub const fn contains(self, role: Role) -> bool {
        self.0 & (1 << role.number()) != 0
    }

    /// Whether some role is in both.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The roles in it, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL
            .iter()
            .copied()
            .filter(move |role| self.contains(*role))
    }
}

impl fmt::Display for Roles {
    /// With commas between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, role) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{role}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_keeps_its_roles_through_the_tables() {
        let roles = Roles::of(&[Role::Admin, Role::Factory]);
        assert_eq!(Roles::from_bits(roles.bits()), Some(roles));
        assert_eq!(roles.to_string(), "factory, admin");
        assert!(roles.contains(Role::Admin) && !roles.contains(Role::Partner));
    }

    #[test]
    fn a_key_that_was_revoked_is_so_whatever_the_time() {
        let at = Timestamp::from_seconds;
        assert_eq!(KeyState::at(at(9), false, at(10)), KeyState::Active);
        assert_eq!(KeyState::at(at(10), false, at(10)), KeyState::Expired);
        for now in [at(9), at(10)] {
            assert_eq!(KeyState::at(now, true, at(10)), KeyState::Revoked);
        }
    }

    #[test]
    fn bits_without_a_role_are_no_set() {
        for bits in [0, 1, 1 << 10, -1, i64::MAX] {
            assert_eq!(Roles::from_bits(bits), None, "{bits}");
        }
    }
}
