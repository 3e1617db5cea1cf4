//! States and kinds of what is sold, and to whom.

use super::named;

named! {
    /// Where a product, feature, SKU or licence model stands.
    CatalogueState("catalogue state") {
        /// Not sold yet.
        Draft = 1 "draft",
        /// Sold.
        Active = 2 "active",
        /// Not sold any more; what was sold goes on.
        Obsolete = 3 "obsolete",
    }
}

named! {
    /// What a party is to the maker.
    PartyKind("party kind") {
        /// Uses devices.
        Customer = 1 "customer",
        /// Sells them.
        Partner = 2 "partner",
        /// Builds them.
        Manufacturer = 3 "manufacturer",
    }
}

named! {
    /// Where a party stands.
    PartyState("party state") {
        /// Served.
        Active = 1 "active",
        /// Gets nothing new, and nothing new is activated of what it owns.
        Hold = 2 "hold",
        /// Is another party now.
        Merged = 3 "merged-into",
    }
}

named! {
    /// Where a version of a policy stands.
    PolicyState("policy state") {
        /// Not in force yet.
        Draft = 1 "draft",
        /// In force: decisions are made under it.
        Active = 2 "active",
        /// A later one is in force.
        Retired = 3 "retired",
    }
}

named! {
    /// Where a contract stands.
    ContractState("contract state") {
        /// In force.
        Active = 1 "active",
        /// Another is in force for the party, or none.
        Ended = 2 "ended",
    }
}

named! {
    /// Where an order, or a line of it, stands.
    OrderState("order state") {
        /// As first received.
        Open = 1 "open",
        /// Changed by a later revision.
        Amended = 2 "amended",
        /// Reduced after the fact.
        Credited = 3 "credited",
        /// Nothing of it is left.
        Cancelled = 4 "cancelled",
    }
}

named! {
    /// Where a shipment stands.
    ShipmentState("shipment state") {
        /// On its way, or there.
        Shipped = 1 "shipped",
        /// Came back.
        Returned = 2 "returned",
    }
}

named! {
    /// Where an activation code stands.
    CodeState("code state") {
        /// Not used.
        Free = 1 "free",
        /// Some of its uses are left.
        PartlyUsed = 2 "partly-used",
        /// None is left.
        Used = 3 "used",
        /// Made worthless by an operator.
        Void = 4 "void",
    }
}

named! {
    /// What a right of an older licensing system was bound to.
    LegacyKind("kind of legacy right") {
        /// A machine, by a number of it.
        NodeLocked = 1 "node-locked",
        /// A piece of hardware that is plugged in.
        Dongle = 2 "dongle",
        /// A place or a company.
        Site = 3 "site",
    }
}

impl LegacyKind {
    /// Whether a device takes the place of what it was bound to.
    #[must_use]
    pub const fn is_bound(self) -> bool {
        matches!(self, Self::NodeLocked | Self::Dongle)
    }
}

named! {
    /// Where a factory batch stands.
    BatchState("batch state") {
        /// On the line.
        Open = 1 "open",
        /// Passed.
        Passed = 2 "pass",
        /// Failed.
        Failed = 3 "fail",
        /// Scrapped.
        Scrapped = 4 "scrapped",
    }
}

named! {
    /// How a try of a device on the line stands.
    RunState("run state") {
        /// The device has not signed yet, and has time left.
        Open = 1 "open",
        /// It signed in time.
        Pass = 2 "pass",
        /// It did not.
        Fail = 3 "fail",
        /// It was scrapped.
        Scrapped = 4 "scrapped",
    }
}

named! {
    /// Where a case stands.
    CaseState("case state") {
        /// Somebody waits.
        Open = 1 "open",
        /// The device signed for what it wanted.
        Activated = 2 "activated",
        /// It was denied for good.
        Denied = 3 "denied",
        /// Nobody asks any more.
        Abandoned = 4 "abandoned",
    }
}

named! {
    /// What an open case waits for.
    CaseStep("case step") {
        /// For a rule to be lifted.
        Denied = 1 "denied",
        /// For the device's signature.
        Published = 2 "published",
        /// For somebody's approval.
        Approval = 3 "approval",
    }
}
