-- Lists in the order of a column go on after what the last row has there, and then by its id: an index
-- has both. Of what a message changes there is none.
DROP INDEX devices_by_serial;
CREATE INDEX devices_by_serial ON devices (serial, id);
CREATE INDEX devices_by_created_at ON devices (created_at, id);
DROP INDEX parties_by_name;
CREATE INDEX parties_by_name ON parties (name, id);
CREATE INDEX parties_by_changed_at ON parties (changed_at, id);
CREATE INDEX products_by_changed_at ON products (changed_at, id);
DROP INDEX orders_by_ordered_at;
CREATE INDEX orders_by_ordered_at ON orders (ordered_at, id);
CREATE INDEX orders_by_changed_at ON orders (changed_at, id);
DROP INDEX activations_by_device;
CREATE INDEX activations_by_device ON activations (device_id, id);
CREATE INDEX cases_by_changed_at ON cases (changed_at, id);
CREATE INDEX campaigns_by_changed_at ON campaigns (changed_at, id);
CREATE INDEX campaign_devices_by_changed_at ON campaign_devices (campaign_id, changed_at, device_id);
CREATE INDEX stations_by_created_at ON stations (created_at, name);
CREATE INDEX api_keys_by_created_at ON api_keys (created_at, name);
CREATE INDEX api_keys_by_expires_at ON api_keys (expires_at, name);
CREATE INDEX webhooks_by_created_at ON webhooks (created_at, name);
DROP INDEX activation_codes_by_pack;
CREATE INDEX activation_codes_by_pack ON activation_codes (pack, entitlement_id);
