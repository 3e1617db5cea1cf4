-- What operators do to entitlements, and the devices that it reaches.

-- Why nothing new is activated of it: a bit for each reason.
ALTER TABLE entitlements ADD COLUMN holds SMALLINT NOT NULL DEFAULT 0
    CONSTRAINT entitlement_holds_are_known CHECK (holds BETWEEN 0 AND 3);
UPDATE entitlements SET holds = 1 WHERE state = 3;
-- From then on nothing of it runs.
ALTER TABLE entitlements ADD COLUMN revoked_from_at BIGINT;

CREATE INDEX entitlements_to_close ON entitlements (revoked_from_at)
    WHERE revoked_from_at IS NOT NULL AND state <> 6;

-- Devices whose set is to be written anew, since something they have a right to has changed.
CREATE TABLE refreshes (
    device_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES devices (id),
    actor TEXT COLLATE "C" NOT NULL,
    due_at BIGINT NOT NULL
);

CREATE INDEX refreshes_due ON refreshes (due_at);
