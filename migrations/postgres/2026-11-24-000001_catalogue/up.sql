-- What is made and sold. Instants are microseconds UTC, states the numbers of the domain.
-- Text is compared byte by byte (COLLATE "C"), whatever the locale of the database: lists, their
-- cursors and the chains of the history depend on one order.

CREATE TABLE product_lines (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    id_prefix TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT product_line_name_is_unique UNIQUE (name),
    CONSTRAINT product_line_prefix_is_unique UNIQUE (id_prefix),
    CONSTRAINT product_line_prefix_is_valid CHECK (length(id_prefix) BETWEEN 1 AND 8 AND id_prefix <> 'x')
);

CREATE TABLE features (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    essential BOOLEAN NOT NULL,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT feature_name_is_unique UNIQUE (name),
    CONSTRAINT feature_name_fits_the_wire CHECK (length(name) BETWEEN 1 AND 32)
);

CREATE TABLE products (
    id BYTEA NOT NULL PRIMARY KEY,
    code TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    product_line_id BYTEA REFERENCES product_lines (id),
    replaces_id BYTEA REFERENCES products (id),
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT product_code_is_unique UNIQUE (code)
);

CREATE TABLE product_features (
    product_id BYTEA NOT NULL REFERENCES products (id),
    feature_id BYTEA NOT NULL REFERENCES features (id),
    version_ceiling TEXT COLLATE "C",
    use_count BIGINT,
    vendor_data BYTEA,
    PRIMARY KEY (product_id, feature_id),
    CONSTRAINT product_feature_ceiling_fits_the_wire CHECK (length(version_ceiling) BETWEEN 1 AND 16),
    CONSTRAINT product_feature_vendor_data_fits_the_wire CHECK (length(vendor_data) <= 64),
    CONSTRAINT product_feature_use_count_is_positive CHECK (use_count > 0)
);

CREATE INDEX product_features_by_feature ON product_features (feature_id, product_id);

-- Drawn anew whenever the features of a product change, for whoever keeps them in memory. Random,
-- so that none that was rolled back comes again.
CREATE TABLE catalogue_stamps (
    id SMALLINT NOT NULL PRIMARY KEY,
    stamp BIGINT NOT NULL,
    CONSTRAINT catalogue_stamp_is_one CHECK (id = 1)
);

INSERT INTO catalogue_stamps (id, stamp) VALUES (1, ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint);

-- 62 bits of a random UUID.
CREATE FUNCTION draw_catalogue_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalogue_stamps
    SET stamp = ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint;
    RETURN NULL;
END $$;

-- What is never to happen to a row; the argument is what the error says.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER catalogue_stamp_of_a_new_feature AFTER INSERT ON product_features
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE TRIGGER catalogue_stamp_of_other_terms AFTER UPDATE ON product_features
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE TRIGGER catalogue_stamp_without_a_feature AFTER DELETE ON product_features
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE TRIGGER catalogue_stamp_of_another_feature AFTER UPDATE ON features
FOR EACH ROW EXECUTE FUNCTION draw_catalogue_stamp();

CREATE TABLE product_requirements (
    product_id BYTEA NOT NULL REFERENCES products (id),
    requires_id BYTEA NOT NULL REFERENCES products (id),
    PRIMARY KEY (product_id, requires_id)
);

-- Licence models are data: the built-in kind decides what the wire says, the rules how it behaves.
CREATE TABLE license_models (
    id BYTEA NOT NULL PRIMARY KEY,
    code TEXT COLLATE "C" NOT NULL,
    kind SMALLINT NOT NULL,
    rules TEXT COLLATE "C" NOT NULL,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT license_model_code_is_unique UNIQUE (code)
);

INSERT INTO license_models (id, code, kind, rules, state, created_at, changed_at) VALUES
    ('\x00000000000070008000000000000001', 'perpetual', 1, '{"grace_seconds":0,"returns_credit":true}', 2, 0, 0),
    ('\x00000000000070008000000000000002', 'subscription', 2, '{"grace_seconds":1209600,"returns_credit":true}', 2, 0, 0);

CREATE TABLE skus (
    id BYTEA NOT NULL PRIMARY KEY,
    part_number TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT sku_part_number_is_unique UNIQUE (part_number)
);

-- What one copy of a SKU is worth.
CREATE TABLE sku_contents (
    sku_id BYTEA NOT NULL REFERENCES skus (id),
    product_id BYTEA NOT NULL REFERENCES products (id),
    license_model_id BYTEA NOT NULL REFERENCES license_models (id),
    term TEXT COLLATE "C",
    start_basis SMALLINT NOT NULL,
    units_per_copy BIGINT NOT NULL,
    PRIMARY KEY (sku_id, product_id, license_model_id),
    CONSTRAINT sku_content_has_units CHECK (units_per_copy > 0)
);
