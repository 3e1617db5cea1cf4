-- Keys of product lines, which no version before could hold: they would see every line.
DELETE FROM api_keys WHERE product_line_id IS NOT NULL;

ALTER TABLE api_keys DROP CONSTRAINT api_key_of_a_product_line_is_of_nothing_else;

ALTER TABLE api_keys DROP COLUMN product_line_id;
