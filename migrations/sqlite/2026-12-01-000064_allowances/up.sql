-- What policy gives unasked is never more than its allowance, whoever writes the row. A use says what
-- it was decided under: whose uses count together, since when, and how many units they may come to. What
-- somebody approved counts, and is under none; nor are uses from before.

ALTER TABLE quota_uses ADD COLUMN scope SMALLINT;
ALTER TABLE quota_uses ADD COLUMN allowance BIGINT;
-- Exclusive.
ALTER TABLE quota_uses ADD COLUMN counted_from BIGINT;

ALTER TABLE quota_uses ADD CONSTRAINT quota_use_allowance_is_whole CHECK (
    (scope IS NULL) = (allowance IS NULL) AND (counted_from IS NULL) = (allowance IS NULL)
);
-- No window is shorter than 22 hours.
ALTER TABLE quota_uses ADD CONSTRAINT quota_use_counts_a_day
    CHECK (counted_from <= used_at - 79200000000);

CREATE TRIGGER quota_use_by_policy_has_an_allowance BEFORE INSERT ON quota_uses
WHEN NEW.leave = 1 AND NEW.allowance IS NULL
BEGIN
    SELECT RAISE(ABORT, 'quota_use_by_policy_has_an_allowance');
END;

-- The file's lock has one transaction write at a time, so that all others' uses are counted.
CREATE TRIGGER quota_use_within_allowance BEFORE INSERT ON quota_uses
WHEN NEW.allowance IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'quota_use_within_allowance')
    WHERE NEW.units + CASE
        WHEN NEW.scope = 3 THEN (
            SELECT coalesce(sum(units), 0) FROM quota_uses
            WHERE device_id = NEW.device_id AND used_at > NEW.counted_from AND kind = NEW.kind
        )
        WHEN NEW.scope = 2 AND NEW.owner_id IS NOT NULL THEN (
            SELECT coalesce(sum(units), 0) FROM quota_uses
            WHERE owner_id = NEW.owner_id AND used_at > NEW.counted_from AND kind = NEW.kind
        )
        ELSE (
            SELECT coalesce(sum(units), 0) FROM quota_uses
            WHERE entitlement_id = NEW.entitlement_id AND used_at > NEW.counted_from
                AND kind = NEW.kind
        )
    END > NEW.allowance;
END;
