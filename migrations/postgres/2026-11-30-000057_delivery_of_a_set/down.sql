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
CREATE INDEX deliveries_exhausted ON deliveries (created_at) WHERE state = 4;
INSERT INTO deliveries (device_id, generation, state, attempts, next_attempt_at, leased_until_at,
    created_at, published_at, acknowledged_at)
    SELECT device_id, generation, delivery_state, attempts, next_attempt_at, leased_until_at,
        created_at, published_at, acknowledged_at
    FROM grant_sets;
DROP TRIGGER grant_sets_are_written_once ON grant_sets;
ALTER TABLE grant_sets
    DROP COLUMN delivery_state,
    DROP COLUMN attempts,
    DROP COLUMN next_attempt_at,
    DROP COLUMN leased_until_at,
    DROP COLUMN published_at,
    DROP COLUMN acknowledged_at;
CREATE TRIGGER grant_sets_are_written_once BEFORE UPDATE ON grant_sets
FOR EACH ROW EXECUTE FUNCTION refuse('grant_sets_are_written_once');
