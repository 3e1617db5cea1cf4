-- How much of an entitlement was used, of all its activations: what a limit is held against.

CREATE TABLE entitlement_usage (
    entitlement_id BYTEA NOT NULL PRIMARY KEY REFERENCES entitlements (id),
    used BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT entitlement_usage_not_negative CHECK (used >= 0)
);

INSERT INTO entitlement_usage (entitlement_id, used, changed_at)
    SELECT entitlement_id, CAST(sum(usage_total) AS BIGINT), max(changed_at) FROM activations
    WHERE usage_total > 0 GROUP BY entitlement_id;

CREATE INDEX quota_uses_by_instant ON quota_uses (used_at);
CREATE INDEX entitlements_ending ON entitlements (ends_at) WHERE ends_at IS NOT NULL;
