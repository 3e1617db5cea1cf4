DROP TABLE quota_uses;
DROP INDEX activations_written_off;
DROP INDEX activations_to_take_up;
ALTER TABLE activations DROP COLUMN taken_up_units;
ALTER TABLE entitlements DROP COLUMN returned_units;
