-- What went on from another activation, by which reports find which activation of a unit was the first.
-- It is written when a unit moves, is renewed or is upgraded, and by no other message.
CREATE INDEX activations_moved ON activations (lineage_id) WHERE id <> lineage_id;
