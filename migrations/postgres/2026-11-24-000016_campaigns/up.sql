-- One deed for many devices, in waves.

CREATE TABLE campaigns (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    -- What devices are given so many units of, and what is taken from them.
    give_id BYTEA REFERENCES entitlements (id),
    total BIGINT,
    take_entitlement_id BYTEA REFERENCES entitlements (id),
    take_product_id BYTEA REFERENCES products (id),
    selection TEXT COLLATE "C" NOT NULL,
    plan TEXT COLLATE "C" NOT NULL,
    state SMALLINT NOT NULL,
    because SMALLINT,
    -- Grows with every change, so that two gateways do not go on with it at once.
    revision BIGINT NOT NULL,
    -- Devices up to this id are looked at; none at the beginning of a sweep.
    swept_to TEXT COLLATE "C",
    created_by TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    CONSTRAINT campaign_name_is_unique UNIQUE (name),
    CONSTRAINT campaign_gives_or_takes
        CHECK (give_id IS NOT NULL OR take_entitlement_id IS NOT NULL OR take_product_id IS NOT NULL),
    CONSTRAINT campaign_takes_of_one CHECK (take_entitlement_id IS NULL OR take_product_id IS NULL),
    CONSTRAINT campaign_gives_units CHECK ((give_id IS NULL) = (total IS NULL) AND total > 0),
    CONSTRAINT campaign_that_ended_has_an_instant CHECK ((state >= 5) = (ended_at IS NOT NULL))
);

CREATE INDEX campaigns_by_state ON campaigns (state);

-- What came of the devices of a wave is counted as it changes.
CREATE TABLE campaign_waves (
    campaign_id BYTEA NOT NULL REFERENCES campaigns (id),
    number SMALLINT NOT NULL,
    late BOOLEAN NOT NULL,
    state SMALLINT NOT NULL,
    size BIGINT NOT NULL,
    drawn BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    excused BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, number),
    CONSTRAINT campaign_wave_settles_what_was_drawn
        CHECK (succeeded >= 0 AND failed >= 0 AND skipped >= 0 AND succeeded + failed + skipped <= drawn)
);

CREATE TABLE campaign_devices (
    campaign_id BYTEA NOT NULL REFERENCES campaigns (id),
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id),
    -- Drawn at random, so that a wave is a sample; late joiners come after all others.
    rank BIGINT NOT NULL,
    wave SMALLINT,
    step SMALLINT NOT NULL,
    failing SMALLINT,
    rule SMALLINT,
    drawn_at BIGINT,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, device_id),
    CONSTRAINT campaign_device_was_drawn_or_waits CHECK ((step = 1) = (wave IS NULL) AND (step = 1) = (drawn_at IS NULL)),
    CONSTRAINT campaign_device_that_failed_says_why CHECK ((step IN (4, 6)) = (failing IS NOT NULL))
);

CREATE INDEX campaign_devices_by_step ON campaign_devices (campaign_id, step, rank);
CREATE INDEX campaign_devices_drawn ON campaign_devices (campaign_id, drawn_at) WHERE drawn_at IS NOT NULL;
CREATE INDEX campaign_devices_failing ON campaign_devices (campaign_id, failing, rule) WHERE failing IS NOT NULL;

-- What a campaign gave a device, or took from it: what its success is read from.
CREATE TABLE campaign_activations (
    campaign_id BYTEA NOT NULL,
    device_id TEXT COLLATE "C" NOT NULL,
    activation_id BYTEA NOT NULL REFERENCES activations (id),
    taken BOOLEAN NOT NULL,
    PRIMARY KEY (campaign_id, device_id, activation_id),
    FOREIGN KEY (campaign_id, device_id) REFERENCES campaign_devices (campaign_id, device_id)
);
