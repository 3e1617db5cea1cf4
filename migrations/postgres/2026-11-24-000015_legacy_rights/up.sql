-- Rights of older licensing systems, and what came of each.

CREATE TABLE legacy_rights (
    system TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    kind SMALLINT NOT NULL,
    product TEXT COLLATE "C" NOT NULL,
    host TEXT COLLATE "C",
    units BIGINT NOT NULL,
    entitlement_id BYTEA NOT NULL REFERENCES entitlements (id),
    device_id TEXT COLLATE "C" REFERENCES devices (id),
    created_at BIGINT NOT NULL,
    surrendered_at BIGINT,
    PRIMARY KEY (system, reference),
    CONSTRAINT legacy_right_units_not_negative CHECK (units >= 0)
);

CREATE INDEX legacy_rights_by_entitlement ON legacy_rights (entitlement_id);
-- Factory grants and reservations are made for a whole batch.
CREATE INDEX devices_by_batch ON devices (batch_id) WHERE batch_id IS NOT NULL;
