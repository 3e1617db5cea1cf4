-- SKUs, shipments, contracts and runs in lists of their own: each order of a list, and each filter that
-- many rows have in common, has an index.
CREATE INDEX skus_by_changed_at ON skus (changed_at, id);
CREATE INDEX shipments_by_shipped_at ON shipments (shipped_at, id);
CREATE INDEX shipments_by_state ON shipments (state, shipped_at, id);
CREATE INDEX shipments_by_reference ON shipments (reference, id);
CREATE INDEX contracts_by_reference ON contracts (reference, id);
CREATE INDEX contracts_by_state ON contracts (state, id);
DROP INDEX runs_by_device;
CREATE INDEX runs_by_device ON runs (device_id, id);
CREATE INDEX runs_by_station ON runs (station_id, id);
CREATE INDEX runs_by_state ON runs (state, id);
