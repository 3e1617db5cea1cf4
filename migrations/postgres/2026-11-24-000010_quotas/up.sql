-- Units that move from device to device, and what is given without asking anybody.

-- Free units that a device gave back, or that were written off with it, and that nobody took up.
ALTER TABLE entitlements ADD COLUMN returned_units BIGINT NOT NULL DEFAULT 0
    CONSTRAINT entitlement_returned_units_not_negative CHECK (returned_units >= 0);

-- Of an ended activation, the units that later ones took up.
ALTER TABLE activations ADD COLUMN taken_up_units BIGINT NOT NULL DEFAULT 0
    CONSTRAINT activation_is_taken_up_once CHECK (taken_up_units BETWEEN 0 AND units);

-- What ended before moves were counted is nobody's to take up.
UPDATE activations SET taken_up_units = units WHERE state >= 7;

CREATE INDEX activations_to_take_up ON activations (entitlement_id)
    WHERE state IN (8, 10) AND kind = 1 AND removal_reason IN (1, 3) AND taken_up_units < units;
CREATE INDEX activations_written_off ON activations (device_id) WHERE state = 10;

CREATE TABLE quota_uses (
    id BYTEA NOT NULL PRIMARY KEY,
    kind SMALLINT NOT NULL,
    entitlement_id BYTEA NOT NULL REFERENCES entitlements (id),
    owner_id BYTEA REFERENCES parties (id),
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id),
    units BIGINT NOT NULL,
    leave SMALLINT NOT NULL,
    used_at BIGINT NOT NULL,
    CONSTRAINT quota_use_has_units CHECK (units > 0)
);

CREATE INDEX quota_uses_by_entitlement ON quota_uses (entitlement_id, used_at);
CREATE INDEX quota_uses_by_owner ON quota_uses (owner_id, used_at) WHERE owner_id IS NOT NULL;
CREATE INDEX quota_uses_by_device ON quota_uses (device_id, used_at);

CREATE TRIGGER quota_uses_are_append_only BEFORE UPDATE ON quota_uses
FOR EACH ROW EXECUTE FUNCTION refuse('quota_uses_are_append_only');

CREATE TRIGGER quota_uses_are_never_deleted BEFORE DELETE ON quota_uses
FOR EACH ROW EXECUTE FUNCTION refuse('quota_uses_are_never_deleted');
