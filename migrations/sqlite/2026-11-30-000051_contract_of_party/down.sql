ALTER TABLE orders ADD COLUMN contract_id BLOB REFERENCES contracts (id);
ALTER TABLE entitlements ADD COLUMN contract_id BLOB REFERENCES contracts (id);
