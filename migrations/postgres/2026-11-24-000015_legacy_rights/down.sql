DROP INDEX devices_by_batch;
DROP TABLE legacy_rights;
