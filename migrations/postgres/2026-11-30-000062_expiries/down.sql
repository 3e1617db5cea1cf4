DROP INDEX entitlements_free;
CREATE INDEX entitlements_free ON entitlements (owner_id, product_id)
    WHERE state = 2 AND (unlimited OR live_units < units + overdraft);
DROP TRIGGER look_at_another_end ON entitlements;
DROP TRIGGER look_at_a_new_entitlement ON entitlements;
-- The version before knows of no end by time.
UPDATE entitlements SET state = 2 WHERE state = 5;
DROP FUNCTION look_at_entitlement();
DROP TABLE entitlement_looks;
