-- A contract is of a party, and what the party orders and owns is under it. Nothing ever wrote these.
ALTER TABLE entitlements DROP COLUMN contract_id;
ALTER TABLE orders DROP COLUMN contract_id;
