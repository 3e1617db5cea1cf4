DROP INDEX activations_moved;
