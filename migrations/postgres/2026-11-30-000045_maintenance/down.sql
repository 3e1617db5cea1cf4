ALTER TABLE refreshes DROP COLUMN anew;
ALTER TABLE entitlements DROP COLUMN maintained_until_at;
