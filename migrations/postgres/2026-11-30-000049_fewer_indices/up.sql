-- Each index costs every activation a page to write.

-- The second tells of those that hold units as well: they have not ended.
DROP INDEX activations_holding;
DROP INDEX activations_by_device;
CREATE INDEX activations_by_device ON activations (device_id, id, ended_at);

-- A case's id begins with when it was opened.
DROP INDEX cases_by_opened_at;
