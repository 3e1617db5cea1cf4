-- As SQLite has it, where a list costs more; a query names an index by its very condition.
DROP INDEX activations_aside;
CREATE INDEX activations_aside ON activations (state, id)
    WHERE state = 1 OR state BETWEEN 4 AND 7 OR state >= 9;
