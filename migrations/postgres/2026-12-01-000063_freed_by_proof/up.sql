-- Only proof or time ends a hold, and what has ended stays so; but what was written off may be proven
-- to be gone later.

ALTER TABLE activations ADD CONSTRAINT activation_lapsed_by_time
    CHECK (state <> 9 OR (runs_until_at IS NOT NULL AND ended_at >= runs_until_at));

CREATE FUNCTION activation_removed_by_proof() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.stranded OR NOT EXISTS (
        SELECT 1 FROM conversations
        WHERE device_id = OLD.device_id
            AND (acked_epoch, acked_generation) >= (OLD.removed_epoch, OLD.removed_generation)
    ) THEN
        RAISE EXCEPTION 'activation_removed_by_proof' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER activation_removed_by_proof BEFORE UPDATE OF state ON activations
FOR EACH ROW WHEN (NEW.state = 8 AND OLD.state <> 8)
EXECUTE FUNCTION activation_removed_by_proof();

CREATE TRIGGER activation_that_ended_stays_so BEFORE UPDATE OF state ON activations
FOR EACH ROW WHEN (OLD.state BETWEEN 7 AND 9 AND NEW.state <> OLD.state)
EXECUTE FUNCTION refuse('activation_that_ended_stays_so');
