DROP INDEX entitlements_ending;
DROP INDEX quota_uses_by_instant;
DROP TABLE entitlement_usage;
