-- When the gateway looks next whether an entitlement has ended. Whoever changes what that depends on
-- has it looked at anew, so that nobody need think of it.

CREATE TABLE entitlement_looks (
    entitlement_id BYTEA NOT NULL PRIMARY KEY REFERENCES entitlements (id),
    look_at BIGINT NOT NULL
);

CREATE INDEX entitlement_looks_by_time ON entitlement_looks (look_at);

INSERT INTO entitlement_looks (entitlement_id, look_at)
SELECT id, COALESCE(ends_at, starts_at) FROM entitlements
WHERE state = 2 AND COALESCE(ends_at, starts_at) IS NOT NULL
    AND (ends_at IS NOT NULL OR term IS NOT NULL);

CREATE FUNCTION look_at_entitlement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entitlement_looks (entitlement_id, look_at)
    -- What is expired and changes may have another end: at once.
    VALUES (NEW.id, CASE WHEN NEW.state = 5 THEN 0 ELSE COALESCE(NEW.ends_at, NEW.starts_at) END)
    ON CONFLICT (entitlement_id) DO UPDATE SET look_at = excluded.look_at;
    RETURN NULL;
END
$$;

CREATE TRIGGER look_at_a_new_entitlement AFTER INSERT ON entitlements
FOR EACH ROW WHEN (NEW.state IN (2, 5) AND (NEW.ends_at IS NOT NULL
    OR (NEW.term IS NOT NULL AND NEW.starts_at IS NOT NULL)))
EXECUTE FUNCTION look_at_entitlement();

CREATE TRIGGER look_at_another_end AFTER UPDATE OF state, starts_at, term, ends_at, grace_seconds, time_zone ON entitlements
FOR EACH ROW WHEN (NEW.state IN (2, 5) AND (NEW.ends_at IS NOT NULL
    OR (NEW.term IS NOT NULL AND NEW.starts_at IS NOT NULL)))
EXECUTE FUNCTION look_at_entitlement();

-- What has ended by its time is expired, and still names the reason why a want is denied.
DROP INDEX entitlements_free;
CREATE INDEX entitlements_free ON entitlements (owner_id, product_id)
    WHERE state IN (2, 5) AND (unlimited OR live_units < units + overdraft);
