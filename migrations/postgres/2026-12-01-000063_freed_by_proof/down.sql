DROP TRIGGER activation_that_ended_stays_so ON activations;
DROP TRIGGER activation_removed_by_proof ON activations;
DROP FUNCTION activation_removed_by_proof();
ALTER TABLE activations DROP CONSTRAINT activation_lapsed_by_time;
