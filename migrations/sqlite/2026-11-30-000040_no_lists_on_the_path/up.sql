-- For a list of more than two values SQLite makes a table of its own each time it looks whether a
-- row is in it, in checks and for partial indices as well. Comparisons say the same.
ALTER TABLE activations DROP CONSTRAINT activation_removal_has_a_reason;
ALTER TABLE activations ADD CONSTRAINT activation_removal_has_a_reason
    CHECK (removal_reason IS NOT NULL OR (state <> 5 AND state <> 6 AND state <> 8));

DROP INDEX activations_aside;
CREATE INDEX activations_aside ON activations (state, id)
    WHERE state = 1 OR state BETWEEN 4 AND 7 OR state >= 9;
