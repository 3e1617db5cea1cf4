-- Who buys, and what was bought.

CREATE TABLE parties (
    id BYTEA NOT NULL PRIMARY KEY,
    kind SMALLINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    tier TEXT COLLATE "C",
    time_zone TEXT COLLATE "C" NOT NULL,
    parent_id BYTEA REFERENCES parties (id),
    merged_into_id BYTEA REFERENCES parties (id),
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT party_is_not_its_own_parent CHECK (parent_id <> id)
);

CREATE TABLE party_external_ids (
    system TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C" NOT NULL,
    party_id BYTEA NOT NULL REFERENCES parties (id),
    PRIMARY KEY (system, external_id)
);

CREATE INDEX party_external_ids_by_party ON party_external_ids (party_id);

CREATE TABLE contracts (
    id BYTEA NOT NULL PRIMARY KEY,
    party_id BYTEA NOT NULL REFERENCES parties (id),
    reference TEXT COLLATE "C" NOT NULL,
    coterm_at BIGINT,
    policy TEXT COLLATE "C",
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT contract_reference_is_unique UNIQUE (party_id, reference)
);

CREATE TABLE orders (
    id BYTEA NOT NULL PRIMARY KEY,
    system TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    ordered_at BIGINT NOT NULL,
    sold_to_id BYTEA NOT NULL REFERENCES parties (id),
    ship_to_id BYTEA REFERENCES parties (id),
    end_user_id BYTEA NOT NULL REFERENCES parties (id),
    contract_id BYTEA REFERENCES contracts (id),
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT order_reference_is_unique UNIQUE (system, reference),
    CONSTRAINT order_revision_is_positive CHECK (revision > 0)
);

CREATE INDEX orders_by_end_user ON orders (end_user_id);

CREATE TABLE order_lines (
    id BYTEA NOT NULL PRIMARY KEY,
    order_id BYTEA NOT NULL REFERENCES orders (id),
    line TEXT COLLATE "C" NOT NULL,
    sku_id BYTEA NOT NULL REFERENCES skus (id),
    quantity BIGINT NOT NULL,
    value_e4 BIGINT,
    currency TEXT COLLATE "C",
    purpose SMALLINT NOT NULL,
    -- Where the term starts at a date other than that of the order.
    starts_at BIGINT,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT order_line_is_unique UNIQUE (order_id, line),
    CONSTRAINT order_line_quantity_is_not_negative CHECK (quantity >= 0),
    CONSTRAINT order_line_value_has_a_currency CHECK ((value_e4 IS NULL) = (currency IS NULL))
);
