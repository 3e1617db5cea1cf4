-- Only proof or time ends a hold, and what has ended stays so; but what was written off may be proven
-- to be gone later.

ALTER TABLE activations ADD CONSTRAINT activation_lapsed_by_time
    CHECK (state <> 9 OR (runs_until_at IS NOT NULL AND ended_at >= runs_until_at));

CREATE TRIGGER activation_removed_by_proof BEFORE UPDATE OF state ON activations
WHEN NEW.state = 8 AND OLD.state <> 8
BEGIN
    SELECT RAISE(ABORT, 'activation_removed_by_proof')
    WHERE OLD.stranded OR NOT EXISTS (
        SELECT 1 FROM conversations
        WHERE device_id = OLD.device_id
            AND (acked_epoch, acked_generation) >= (OLD.removed_epoch, OLD.removed_generation)
    );
END;

CREATE TRIGGER activation_that_ended_stays_so BEFORE UPDATE OF state ON activations
WHEN OLD.state BETWEEN 7 AND 9 AND NEW.state <> OLD.state
BEGIN
    SELECT RAISE(ABORT, 'activation_that_ended_stays_so');
END;
