DROP INDEX activations_aside;
CREATE INDEX activations_aside ON activations (state, id) WHERE state IN (1, 4, 5, 6, 7, 9, 10);
