-- What a party owns.

CREATE TABLE entitlements (
    id BYTEA NOT NULL PRIMARY KEY,
    system TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    owner_id BYTEA REFERENCES parties (id),
    product_id BYTEA NOT NULL REFERENCES products (id),
    license_model_id BYTEA NOT NULL REFERENCES license_models (id),
    order_line_id BYTEA REFERENCES order_lines (id),
    contract_id BYTEA REFERENCES contracts (id),
    state SMALLINT NOT NULL,
    source SMALLINT NOT NULL,
    purpose SMALLINT NOT NULL,
    scope SMALLINT NOT NULL,
    -- The model as it was when this was sold; later changes of the model do not reach it.
    model_kind SMALLINT NOT NULL,
    model_rules TEXT COLLATE "C" NOT NULL,
    grace_seconds BIGINT NOT NULL,
    unlimited BOOLEAN NOT NULL,
    units BIGINT NOT NULL,
    units_per_device BIGINT NOT NULL DEFAULT 1,
    overdraft BIGINT NOT NULL DEFAULT 0,
    live_units BIGINT NOT NULL DEFAULT 0,
    pending_credit BIGINT NOT NULL DEFAULT 0,
    start_basis SMALLINT NOT NULL,
    starts_at BIGINT,
    latest_start_at BIGINT,
    term TEXT COLLATE "C",
    ends_at BIGINT,
    time_zone TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT entitlement_reference_is_unique UNIQUE (system, reference),
    CONSTRAINT entitlement_never_oversold CHECK (unlimited OR live_units <= units + overdraft),
    CONSTRAINT entitlement_live_units_not_negative CHECK (live_units >= 0),
    CONSTRAINT entitlement_units_not_negative CHECK (units >= 0 AND overdraft >= 0 AND pending_credit >= 0),
    CONSTRAINT entitlement_units_fit_the_wire
        CHECK (units <= 4294967295 AND overdraft <= 4294967295 AND units_per_device BETWEEN 1 AND 4294967295),
    CONSTRAINT entitlement_has_an_end_or_a_term CHECK (ends_at IS NULL OR term IS NULL),
    CONSTRAINT entitlement_ends_after_it_starts CHECK (ends_at > starts_at)
);

CREATE INDEX entitlements_by_order_line ON entitlements (order_line_id, product_id);
CREATE INDEX entitlements_by_owner ON entitlements (owner_id, product_id);
-- The owner's pool, without what is used up: what a want is served from.
CREATE INDEX entitlements_free ON entitlements (owner_id, product_id)
    WHERE state = 2 AND (unlimited OR live_units < units + overdraft);

CREATE TABLE entitlement_links (
    id BYTEA NOT NULL PRIMARY KEY,
    from_id BYTEA NOT NULL REFERENCES entitlements (id),
    to_id BYTEA NOT NULL REFERENCES entitlements (id),
    kind SMALLINT NOT NULL,
    units BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT entitlement_link_joins_two CHECK (from_id <> to_id)
);

CREATE INDEX entitlement_links_by_from ON entitlement_links (from_id);
CREATE INDEX entitlement_links_by_to ON entitlement_links (to_id);

-- hmac_key is SHA-256 of the code's secret half; the secret itself is shown once and not kept.
CREATE TABLE activation_codes (
    id BYTEA NOT NULL PRIMARY KEY,
    hmac_key BYTEA NOT NULL,
    entitlement_id BYTEA NOT NULL REFERENCES entitlements (id),
    units BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    used BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    failed_at BIGINT,
    partner_id BYTEA REFERENCES parties (id),
    pack TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT activation_code_id_has_5_bytes CHECK (length(id) = 5),
    CONSTRAINT activation_code_has_units CHECK (units > 0),
    CONSTRAINT activation_code_never_overused CHECK (used BETWEEN 0 AND uses)
);

CREATE INDEX activation_codes_by_entitlement ON activation_codes (entitlement_id);
CREATE INDEX activation_codes_by_pack ON activation_codes (pack);
