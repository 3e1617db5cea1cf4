-- A campaign that makes what it takes from a device units of a product that replaces it.

ALTER TABLE campaigns ADD COLUMN upgrade_to_id BLOB REFERENCES products (id)
    CONSTRAINT campaign_upgrades_what_it_takes
    CHECK (upgrade_to_id IS NULL OR (give_id IS NULL AND (take_entitlement_id IS NOT NULL OR take_product_id IS NOT NULL)));
