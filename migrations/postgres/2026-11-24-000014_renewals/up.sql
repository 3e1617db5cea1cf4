-- What an entitlement was renewed with, so that the same renewal again changes nothing.
CREATE TABLE entitlement_renewals (
    entitlement_id BYTEA NOT NULL REFERENCES entitlements (id),
    reference TEXT COLLATE "C" NOT NULL,
    ended_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (entitlement_id, reference),
    CONSTRAINT renewal_ends_later CHECK (ends_at > ended_at)
);

-- One link of a kind between two: units that one entitlement has are never another's as well.
CREATE UNIQUE INDEX entitlement_link_is_unique ON entitlement_links (from_id, to_id, kind);
