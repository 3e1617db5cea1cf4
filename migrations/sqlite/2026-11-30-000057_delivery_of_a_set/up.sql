-- A set has one delivery from its first moment on: one row says both, where an acknowledgement finds
-- it next to others that were sent a moment ago. What is signed is written once, as before.
CREATE TABLE grant_sets_anew (
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
    delivery_state SMALLINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT,
    leased_until_at BIGINT,
    published_at BIGINT,
    acknowledged_at BIGINT,
    PRIMARY KEY (device_id, generation),
    CONSTRAINT grant_set_generation_is_in_range CHECK (generation BETWEEN 1 AND 281474976710655),
    CONSTRAINT delivery_due_or_settled CHECK ((delivery_state IN (1, 2)) = (next_attempt_at IS NOT NULL)),
    CONSTRAINT delivery_acknowledged_has_an_instant CHECK (delivery_state <> 3 OR acknowledged_at IS NOT NULL)
);
INSERT INTO grant_sets_anew (device_id, generation, epoch, cti, payload, activation_ids, nonce,
    install_until_at, created_at,
    delivery_state, attempts, next_attempt_at, leased_until_at, published_at, acknowledged_at)
    SELECT s.device_id, s.generation, s.epoch, s.cti, s.payload, s.activation_ids, s.nonce,
        s.install_until_at, s.created_at,
        d.state, d.attempts, d.next_attempt_at, d.leased_until_at, d.published_at, d.acknowledged_at
    FROM grant_sets s
    JOIN deliveries d ON d.device_id = s.device_id AND d.generation = s.generation
    ORDER BY s.created_at;
DROP TABLE deliveries;
DROP TABLE grant_sets;
ALTER TABLE grant_sets_anew RENAME TO grant_sets;
CREATE INDEX grant_sets_due ON grant_sets (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX grant_sets_exhausted ON grant_sets (created_at) WHERE delivery_state = 4;

CREATE TRIGGER grant_sets_are_written_once
BEFORE UPDATE OF device_id, generation, epoch, cti, payload, activation_ids, nonce, install_until_at, created_at ON grant_sets
BEGIN
    SELECT RAISE(ABORT, 'grant_sets_are_written_once');
END;
