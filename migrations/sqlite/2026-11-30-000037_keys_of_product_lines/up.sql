-- Keys that see one product line.

-- The product line whose things alone it sees.
ALTER TABLE api_keys ADD COLUMN product_line_id BLOB REFERENCES product_lines (id);

-- 316: operator, support, approver, integrator and auditor; the other roles have to do with every line.
ALTER TABLE api_keys ADD CONSTRAINT api_key_of_a_product_line_is_of_nothing_else
    CHECK (product_line_id IS NULL OR (party_id IS NULL AND (roles & 316) = roles));
