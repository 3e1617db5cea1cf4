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
FOR EACH ROW WHEN (NEW.leave = 1 AND NEW.allowance IS NULL)
EXECUTE FUNCTION refuse('quota_use_by_policy_has_an_allowance');

CREATE FUNCTION quota_use_within_allowance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    given BIGINT;
BEGIN
    -- The writers' lock, which every transaction of a gateway that writes has from its begin
    -- (gateway/src/store/dialect/postgres.rs); whoever else writes waits here until the uses of others
    -- are committed. Under READ COMMITTED, as a gateway's are, what is counted next is counted then.
    PERFORM pg_advisory_xact_lock(2854743710948090);
    IF NEW.scope = 3 THEN
        SELECT coalesce(sum(units), 0) INTO given FROM quota_uses
        WHERE device_id = NEW.device_id AND used_at > NEW.counted_from AND kind = NEW.kind;
    ELSIF NEW.scope = 2 AND NEW.owner_id IS NOT NULL THEN
        SELECT coalesce(sum(units), 0) INTO given FROM quota_uses
        WHERE owner_id = NEW.owner_id AND used_at > NEW.counted_from AND kind = NEW.kind;
    ELSE
        SELECT coalesce(sum(units), 0) INTO given FROM quota_uses
        WHERE entitlement_id = NEW.entitlement_id AND used_at > NEW.counted_from
            AND kind = NEW.kind;
    END IF;
    IF NEW.units + given > NEW.allowance THEN
        RAISE EXCEPTION 'quota_use_within_allowance' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER quota_use_within_allowance BEFORE INSERT ON quota_uses
FOR EACH ROW WHEN (NEW.allowance IS NOT NULL)
EXECUTE FUNCTION quota_use_within_allowance();
