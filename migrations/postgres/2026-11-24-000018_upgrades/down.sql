DROP INDEX entitlement_links_under_way;
ALTER TABLE entitlement_links DROP COLUMN waiting_units;
