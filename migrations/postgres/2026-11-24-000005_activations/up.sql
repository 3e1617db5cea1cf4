-- Units on devices, the sets that say so, and their delivery.

CREATE TABLE activations (
    id BYTEA NOT NULL PRIMARY KEY,
    entitlement_id BYTEA NOT NULL REFERENCES entitlements (id),
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id),
    units BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    origin SMALLINT NOT NULL,
    state SMALLINT NOT NULL,
    removal_reason SMALLINT,
    -- The first activation of this unit's line of rehosts, renewals and upgrades; itself, if none.
    lineage_id BYTEA NOT NULL,
    predecessor_id BYTEA REFERENCES activations (id),
    code_id BYTEA REFERENCES activation_codes (id),
    -- When it may run; decided when it is first published. No end is for ever.
    starts_at BIGINT,
    ends_at BIGINT,
    grace_seconds BIGINT,
    lease_ends_at BIGINT,
    -- The latest moment any committed set lets it run; none, once published, is for ever. Of a
    -- reservation when it runs out.
    runs_until_at BIGINT,
    -- The first set without it.
    removed_epoch BIGINT,
    removed_generation BIGINT,
    removing_since_at BIGINT,
    usage_total BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    activated_at BIGINT,
    ended_at BIGINT,
    CONSTRAINT activation_has_units CHECK (units > 0),
    CONSTRAINT activation_removal_has_a_reason CHECK (state NOT IN (5, 6, 8) OR removal_reason IS NOT NULL),
    CONSTRAINT activation_removal_names_a_set CHECK (state NOT IN (5, 6) OR removed_generation IS NOT NULL),
    CONSTRAINT activation_in_use_was_published CHECK (state NOT IN (2, 3) OR grace_seconds IS NOT NULL),
    CONSTRAINT activation_activated_has_an_instant CHECK (state <> 3 OR activated_at IS NOT NULL),
    CONSTRAINT activation_cancelled_was_not_published CHECK (state <> 7 OR grace_seconds IS NULL),
    CONSTRAINT activation_ended_or_holds_units CHECK ((state >= 7) = (ended_at IS NOT NULL))
);

CREATE INDEX activations_holding ON activations (device_id) WHERE state <= 6;
-- What did not stay on a device is not given to it again unasked.
CREATE INDEX activations_declined ON activations (device_id, entitlement_id, removal_reason) WHERE state IN (7, 8);
-- What time alone changes.
CREATE INDEX activations_running_out ON activations (runs_until_at)
    WHERE state <= 6 AND runs_until_at IS NOT NULL;
CREATE INDEX activations_waiting_for_proof ON activations (removing_since_at) WHERE state = 5;
CREATE INDEX activations_by_entitlement ON activations (entitlement_id);
CREATE INDEX activations_by_device ON activations (device_id);
CREATE INDEX activations_by_activated_at ON activations (activated_at) WHERE activated_at IS NOT NULL;

-- A generation is written once: payload is what is signed, and is never changed.
CREATE TABLE grant_sets (
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id),
    generation BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    cti BYTEA NOT NULL,
    payload BYTEA NOT NULL,
    -- 16 bytes each, ascending.
    activation_ids BYTEA NOT NULL,
    nonce BYTEA,
    install_until_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (device_id, generation),
    CONSTRAINT grant_set_generation_is_in_range CHECK (generation BETWEEN 1 AND 281474976710655)
);

CREATE TRIGGER grant_sets_are_written_once BEFORE UPDATE ON grant_sets
FOR EACH ROW EXECUTE FUNCTION refuse('grant_sets_are_written_once');

CREATE TABLE deliveries (
    device_id TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    state SMALLINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT,
    leased_until_at BIGINT,
    created_at BIGINT NOT NULL,
    published_at BIGINT,
    acknowledged_at BIGINT,
    PRIMARY KEY (device_id, generation),
    FOREIGN KEY (device_id, generation) REFERENCES grant_sets (device_id, generation),
    CONSTRAINT delivery_due_or_settled CHECK ((state IN (1, 2)) = (next_attempt_at IS NOT NULL)),
    CONSTRAINT delivery_acknowledged_has_an_instant CHECK (state <> 3 OR acknowledged_at IS NOT NULL)
);

CREATE INDEX deliveries_due ON deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

CREATE TABLE cases (
    id BYTEA NOT NULL PRIMARY KEY,
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id),
    want TEXT COLLATE "C" NOT NULL,
    step SMALLINT NOT NULL,
    state SMALLINT NOT NULL,
    -- The rule that denied it last.
    rule SMALLINT,
    opened_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    closed_at BIGINT,
    CONSTRAINT case_open_or_closed CHECK ((state = 1) = (closed_at IS NULL))
);

CREATE UNIQUE INDEX case_open_is_unique ON cases (device_id, want) WHERE state = 1;
CREATE INDEX cases_by_opened_at ON cases (opened_at);
