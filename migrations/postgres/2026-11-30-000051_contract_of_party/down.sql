ALTER TABLE orders ADD COLUMN contract_id BYTEA REFERENCES contracts (id);
ALTER TABLE entitlements ADD COLUMN contract_id BYTEA REFERENCES contracts (id);
