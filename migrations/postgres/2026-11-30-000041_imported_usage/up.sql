-- Uses of rights that another system counted, each told once under a reference of that system.

CREATE TABLE imported_usage (
    system TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    entitlement_id BYTEA NOT NULL REFERENCES entitlements (id),
    device_id TEXT COLLATE "C" REFERENCES devices (id),
    -- The period that a count is of; none where the row told a total.
    since_at BIGINT,
    until_at BIGINT,
    -- What it added, and what that system counted in all for this entitlement and device since.
    uses BIGINT NOT NULL,
    total BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (system, reference),
    CONSTRAINT imported_usage_has_a_period_or_none
        CHECK ((since_at IS NULL) = (until_at IS NULL) AND (since_at IS NULL OR since_at < until_at)),
    CONSTRAINT imported_usage_adds_up CHECK (uses >= 0 AND total >= uses)
);

CREATE INDEX imported_usage_by_total ON imported_usage (entitlement_id, system, device_id, total);
CREATE INDEX imported_usage_by_period ON imported_usage (entitlement_id, system, device_id, since_at)
    WHERE since_at IS NOT NULL;
