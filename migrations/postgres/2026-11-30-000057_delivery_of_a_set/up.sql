-- A set has one delivery from its first moment on: one row says both, where an acknowledgement finds
-- it next to others that were sent a moment ago. What is signed is written once, as before.
DROP TRIGGER grant_sets_are_written_once ON grant_sets;
ALTER TABLE grant_sets
    ADD COLUMN delivery_state SMALLINT,
    ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN next_attempt_at BIGINT,
    ADD COLUMN leased_until_at BIGINT,
    ADD COLUMN published_at BIGINT,
    ADD COLUMN acknowledged_at BIGINT;
UPDATE grant_sets SET
    delivery_state = d.state,
    attempts = d.attempts,
    next_attempt_at = d.next_attempt_at,
    leased_until_at = d.leased_until_at,
    published_at = d.published_at,
    acknowledged_at = d.acknowledged_at
FROM deliveries d
WHERE d.device_id = grant_sets.device_id AND d.generation = grant_sets.generation;
DROP TABLE deliveries;
ALTER TABLE grant_sets
    ALTER COLUMN delivery_state SET NOT NULL,
    ADD CONSTRAINT delivery_due_or_settled
        CHECK ((delivery_state IN (1, 2)) = (next_attempt_at IS NOT NULL)),
    ADD CONSTRAINT delivery_acknowledged_has_an_instant
        CHECK (delivery_state <> 3 OR acknowledged_at IS NOT NULL);
CREATE INDEX grant_sets_due ON grant_sets (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX grant_sets_exhausted ON grant_sets (created_at) WHERE delivery_state = 4;

CREATE TRIGGER grant_sets_are_written_once
BEFORE UPDATE OF device_id, generation, epoch, cti, payload, activation_ids, nonce, install_until_at, created_at ON grant_sets
FOR EACH ROW EXECUTE FUNCTION refuse('grant_sets_are_written_once');
