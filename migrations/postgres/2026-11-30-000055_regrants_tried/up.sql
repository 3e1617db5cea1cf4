-- How often giving something again was denied, by which rule the last time, and when it is tried next.
-- Without a time it is tried when the device is next looked at, or, once it was denied, no more.
ALTER TABLE regrants ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE regrants ADD COLUMN due_at BIGINT;
ALTER TABLE regrants ADD COLUMN rule SMALLINT;

-- Entitlements that are maintained for longer, until every device that has to do with them is marked:
-- those after this one are not yet.
CREATE TABLE raised_ceilings (
    entitlement_id BYTEA NOT NULL PRIMARY KEY REFERENCES entitlements (id),
    actor TEXT COLLATE "C" NOT NULL,
    after_device TEXT COLLATE "C" NOT NULL
);
