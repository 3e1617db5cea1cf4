-- What a device refused for the build of its firmware, and may have again without asking: it is
-- maintained for longer.
CREATE TABLE regrants (
    device_id TEXT NOT NULL REFERENCES devices (id),
    entitlement_id BLOB NOT NULL REFERENCES entitlements (id),
    PRIMARY KEY (device_id, entitlement_id)
) WITHOUT ROWID;
