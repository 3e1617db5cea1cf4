-- Policies of single products and entitlements. They are kept between transactions, and so draw the
-- stamp anew.

CREATE TABLE policy_overrides (
    id BLOB NOT NULL PRIMARY KEY,
    product_id BLOB REFERENCES products (id),
    entitlement_id BLOB REFERENCES entitlements (id),
    reference TEXT NOT NULL,
    policy TEXT NOT NULL,
    state SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT policy_override_is_of_one CHECK ((product_id IS NULL) <> (entitlement_id IS NULL)),
    CONSTRAINT policy_override_reference_is_unique_of_a_product UNIQUE (product_id, reference),
    CONSTRAINT policy_override_reference_is_unique_of_an_entitlement UNIQUE (entitlement_id, reference)
);

CREATE UNIQUE INDEX policy_override_of_a_product_is_one ON policy_overrides (product_id)
    WHERE state = 2 AND product_id IS NOT NULL;
CREATE UNIQUE INDEX policy_override_of_an_entitlement_is_one ON policy_overrides (entitlement_id)
    WHERE state = 2 AND entitlement_id IS NOT NULL;

CREATE TRIGGER catalogue_stamp_of_an_override AFTER INSERT ON policy_overrides
BEGIN
    UPDATE catalogue_stamps SET stamp = random();
END;

CREATE TRIGGER catalogue_stamp_of_another_override AFTER UPDATE ON policy_overrides
BEGIN
    UPDATE catalogue_stamps SET stamp = random();
END;
