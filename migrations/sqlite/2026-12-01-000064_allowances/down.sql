DROP TRIGGER quota_use_within_allowance;
DROP TRIGGER quota_use_by_policy_has_an_allowance;
ALTER TABLE quota_uses DROP CONSTRAINT quota_use_counts_a_day;
ALTER TABLE quota_uses DROP CONSTRAINT quota_use_allowance_is_whole;
ALTER TABLE quota_uses DROP COLUMN counted_from;
ALTER TABLE quota_uses DROP COLUMN allowance;
ALTER TABLE quota_uses DROP COLUMN scope;
