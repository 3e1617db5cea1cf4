-- Who buys, and what was bought.

CREATE TABLE parties (
    id BLOB NOT NULL PRIMARY KEY,
    kind SMALLINT NOT NULL,
    name TEXT NOT NULL,
    tier TEXT,
    time_zone TEXT NOT NULL,
    parent_id BLOB REFERENCES parties (id),
    merged_into_id BLOB REFERENCES parties (id),
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT party_is_not_its_own_parent CHECK (parent_id <> id)
);

CREATE TABLE party_external_ids (
    system TEXT NOT NULL,
    external_id TEXT NOT NULL,
    party_id BLOB NOT NULL REFERENCES parties (id),
    PRIMARY KEY (system, external_id)
);

CREATE INDEX party_external_ids_by_party ON party_external_ids (party_id);

CREATE TABLE contracts (
    id BLOB NOT NULL PRIMARY KEY,
    party_id BLOB NOT NULL REFERENCES parties (id),
    reference TEXT NOT NULL,
    coterm_at BIGINT,
    policy TEXT,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT contract_reference_is_unique UNIQUE (party_id, reference)
);

CREATE TABLE orders (
    id BLOB NOT NULL PRIMARY KEY,
    system TEXT NOT NULL,
    reference TEXT NOT NULL,
    revision BIGINT NOT NULL,
    ordered_at BIGINT NOT NULL,
    sold_to_id BLOB NOT NULL REFERENCES parties (id),
    ship_to_id BLOB REFERENCES parties (id),
    end_user_id BLOB NOT NULL REFERENCES parties (id),
    contract_id BLOB REFERENCES contracts (id),
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT order_reference_is_unique UNIQUE (system, reference),
    CONSTRAINT order_revision_is_positive CHECK (revision > 0)
);

CREATE INDEX orders_by_end_user ON orders (end_user_id);

CREATE TABLE order_lines (
    id BLOB NOT NULL PRIMARY KEY,
    order_id BLOB NOT NULL REFERENCES orders (id),
    line TEXT NOT NULL,
    sku_id BLOB NOT NULL REFERENCES skus (id),
    quantity BIGINT NOT NULL,
    value_e4 BIGINT,
    currency TEXT,
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
