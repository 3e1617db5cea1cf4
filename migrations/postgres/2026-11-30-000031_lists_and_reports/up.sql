-- What lists and reports look for, so that they take as long as what they show and not as long as
-- the ledger is. Nothing here changes with a message of a device but the two that say so.

-- The history of one kind, in the order in which it was written; every event is in it.
CREATE INDEX events_in_order_of_kind ON events (kind, position);

-- A page of a list goes on after an id.
DROP INDEX devices_by_state;
CREATE INDEX devices_by_state ON devices (state, id);
DROP INDEX devices_by_owner;
CREATE INDEX devices_by_owner ON devices (owner_id, id);
CREATE INDEX devices_by_product_line ON devices (product_line_id, id);
CREATE INDEX parties_by_name ON parties (name);
CREATE INDEX party_external_ids_by_id ON party_external_ids (external_id);
CREATE INDEX orders_by_reference ON orders (reference, id);
CREATE INDEX orders_by_sold_to ON orders (sold_to_id);
CREATE INDEX orders_by_state ON orders (state, id);
CREATE INDEX entitlements_by_reference ON entitlements (reference, id);
CREATE INDEX entitlements_by_product ON entitlements (product_id, id);
CREATE INDEX entitlements_not_active ON entitlements (state, id) WHERE state <> 2;
-- Every want of a device that is not there yet opens a case.
CREATE INDEX cases_by_device ON cases (device_id, opened_at);

-- When what has a term ends, as far as its beginning says.
CREATE INDEX entitlements_by_term ON entitlements (term, starts_at)
    WHERE term IS NOT NULL AND starts_at IS NOT NULL AND ends_at IS NULL;
CREATE INDEX entitlements_that_start_on_each ON entitlements (id) WHERE start_basis = 5;

-- What is neither in a set, nor in use, nor proven to be gone: few of them all.
CREATE INDEX activations_aside ON activations (state, id) WHERE state IN (1, 4, 5, 6, 7, 9, 10);
CREATE INDEX activations_returned ON activations (ended_at)
    WHERE state = 8 AND kind = 1 AND removal_reason = 1;
CREATE INDEX deliveries_exhausted ON deliveries (created_at) WHERE state = 4;
