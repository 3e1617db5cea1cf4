DROP TABLE refreshes;
DROP INDEX entitlements_to_close;
ALTER TABLE entitlements DROP COLUMN revoked_from_at;
ALTER TABLE entitlements DROP COLUMN holds;
