-- Entitlements that take the place of others, device by device.

-- Of an upgrade, units whose devices have not got the new right.
ALTER TABLE entitlement_links ADD COLUMN waiting_units BIGINT NOT NULL DEFAULT 0
    CONSTRAINT upgrade_waits_for_no_less_than_nothing CHECK (waiting_units >= 0);

CREATE INDEX entitlement_links_under_way ON entitlement_links (from_id) WHERE waiting_units > 0;
