ALTER TABLE grant_sets RENAME TO grant_sets_and_deliveries;
CREATE TABLE grant_sets (
    device_id TEXT NOT NULL REFERENCES devices (id),
    generation BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    cti BLOB NOT NULL,
    payload BLOB NOT NULL,
    -- 16 bytes each, ascending.
    activation_ids BLOB NOT NULL,
    nonce BLOB,
    install_until_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (device_id, generation),
    CONSTRAINT grant_set_generation_is_in_range CHECK (generation BETWEEN 1 AND 281474976710655)
);
INSERT INTO grant_sets (device_id, generation, epoch, cti, payload, activation_ids, nonce,
    install_until_at, created_at)
    SELECT device_id, generation, epoch, cti, payload, activation_ids, nonce, install_until_at, created_at
    FROM grant_sets_and_deliveries;
CREATE TABLE deliveries (
    device_id TEXT NOT NULL,
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
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX deliveries_exhausted ON deliveries (created_at) WHERE state = 4;
INSERT INTO deliveries (device_id, generation, state, attempts, next_attempt_at, leased_until_at,
    created_at, published_at, acknowledged_at)
    SELECT device_id, generation, delivery_state, attempts, next_attempt_at, leased_until_at,
        created_at, published_at, acknowledged_at
    FROM grant_sets_and_deliveries;
DROP TABLE grant_sets_and_deliveries;
CREATE TRIGGER grant_sets_are_written_once BEFORE UPDATE ON grant_sets
BEGIN
    SELECT RAISE(ABORT, 'grant_sets_are_written_once');
END;
