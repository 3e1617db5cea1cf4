DROP INDEX activations_aside;
CREATE INDEX activations_aside ON activations (state, id) WHERE state IN (1, 4, 5, 6, 7, 9, 10);

ALTER TABLE activations DROP CONSTRAINT activation_removal_has_a_reason;
ALTER TABLE activations ADD CONSTRAINT activation_removal_has_a_reason
    CHECK (state NOT IN (5, 6, 8) OR removal_reason IS NOT NULL);
