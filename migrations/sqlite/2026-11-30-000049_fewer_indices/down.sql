CREATE INDEX cases_by_opened_at ON cases (opened_at);
DROP INDEX activations_by_device;
CREATE INDEX activations_by_device ON activations (device_id, id);
CREATE INDEX activations_holding ON activations (device_id) WHERE state <= 6;
